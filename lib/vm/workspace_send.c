/* SPDX-License-Identifier: MIT */
/* workspace_send.c - the one stream that makes the guest's directory. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/file.h"
#include "guest/tree.h"
#include "vm/workspace.h"

#define CHUNK 65536

struct sender {
	struct workspace_send *send;
	struct tar_writer *writer;
	int root; /* of the source */
};

static struct fault *changed(const struct tree_entry *e)
{
	return fault_hint(fault_new(F_STATE, "'%s' changed while it was copied", e->path),
			  "Run the command again: it goes on where this one ended.");
}

/* ------------------------------------------------------------------------------- the user's files */

static struct fault *send_content(struct sender *s, int fd, const struct tree_entry *e)
{
	char data[CHUNK], oid[TREE_OID_HEX + 1];
	struct tree_hash h;

	tree_hash_start(&h, e->size);
	for (uint64_t left = e->size; left;) {
		size_t want = left < sizeof(data) ? (size_t)left : sizeof(data);
		ssize_t n = read(fd, data, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "reading '%s'", e->path);
		if (!n)
			return changed(e);
		tree_hash_add(&h, data, (size_t)n);
		TRY(tar_writer_data(s->writer, data, (size_t)n));
		left -= (uint64_t)n;
	}
	tree_hash_finish(&h, oid);
	return strcmp(oid, e->oid) ? changed(e) : NULL;
}

static struct fault *send_link(struct sender *s, int parent, const char *last,
			       const struct tree_entry *e, struct tar_item *item)
{
	char target[TAR_PATH_MAX + 2];
	ssize_t n = readlinkat(parent, last, target, sizeof(target) - 1);

	if (n < 0 || (uint64_t)n != e->size)
		return changed(e);
	target[n] = '\0';
	item->kind = TAR_SYMLINK;
	item->link = target;
	item->mode = 0777;
	return tar_writer_add(s->writer, item, NULL, 0);
}

static struct fault *send_file(struct sender *s, const struct tree_entry *e)
{
	struct tar_item item = { .path = e->path, .size = e->size };
	AUTO_FD parent = -1;
	AUTO_FD fd = -1;
	const char *last;
	struct stat st;

	TRY(tree_open_parent(s->root, e->path, false, &parent, &last));
	if (fstatat(parent, last, &st, AT_SYMLINK_NOFOLLOW))
		return changed(e);
	item.mtime_sec = st.st_mtim.tv_sec;
	if (e->mode == 0120000)
		return send_link(s, parent, last, e, &item);
	fd = openat(parent, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != e->size)
		return changed(e);
	item.mode = e->mode == 0100755 ? 0755 : 0644;
	TRY(tar_writer_add(s->writer, &item, NULL, 0));
	s->send->bytes += e->size;
	return send_content(s, fd, e);
}

/* -------------------------------------------------------------------------------- the repository */

static struct fault *send_text(struct sender *s, const char *path, const char *text)
{
	struct tar_item item = { .path = path, .mode = 0644, .size = strlen(text),
				 .mtime_sec = time(NULL) };

	TRY(tar_writer_add(s->writer, &item, NULL, 0));
	return item.size ? tar_writer_data(s->writer, text, item.size) : NULL;
}

static struct fault *send_directory(struct sender *s, const char *path)
{
	return tar_writer_add(s->writer, &(struct tar_item){ .kind = TAR_DIRECTORY, .path = path,
							     .mode = 0755,
							     .mtime_sec = time(NULL) }, NULL, 0);
}

/* In git's quotes. */
static void add_setting(struct buf *b, const char *key, const char *value)
{
	if (!value)
		return;
	buf_addf(b, "\t%s = \"", key);
	for (; *value; value++) {
		if (*value == '\n')
			buf_adds(b, "\\n");
		else if (*value == '"' || *value == '\\')
			buf_addf(b, "\\%c", *value);
		else
			buf_addc(b, *value);
	}
	buf_adds(b, "\"\n");
}

static void make_config(const struct workspace_source *s, struct buf *b)
{
	buf_adds(b, "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n"
		    "\tlogallrefupdates = true\n");
	if (s->user_name || s->user_email)
		buf_adds(b, "[user]\n");
	add_setting(b, "name", s->user_name);
	add_setting(b, "email", s->user_email);
	if (!s->origin)
		return;
	buf_adds(b, "[remote \"origin\"]\n");
	add_setting(b, "url", s->origin);
	buf_adds(b, "\tfetch = +refs/heads/*:refs/remotes/origin/*\n");
}

static struct fault *send_packs(struct sender *s)
{
	AUTO_FREE char *path = xasprintf("%s/objects/pack", s->send->ws->git_dir);
	struct tree_pack options = { .as = ".git/objects/pack" };
	struct strings names = { 0 };
	AUTO_FD dir = -1;
	struct fault *f;

	TRY(dir_open(AT_FDCWD, path, &dir));
	f = dir_names(dir, path, &names);
	for (size_t i = 0; i < names.n && !f; i++) {
		AUTO_FREE char *as = xasprintf(".git/objects/pack/%s", names.v[i]);

		options.as = as;
		f = strncmp(names.v[i], "pack-", 5) ? NULL
						    : tree_pack(s->writer, dir, names.v[i], &options);
	}
	strings_release(&names);
	return f;
}

static struct fault *send_index(struct sender *s)
{
	struct tree_pack options = { .as = ".git/index" };
	AUTO_FD dir = -1;

	TRY(dir_open(AT_FDCWD, s->send->ws->git_dir, &dir));
	if (faccessat(dir, "guest-index", F_OK, AT_SYMLINK_NOFOLLOW))
		return NULL;
	return tree_pack(s->writer, dir, "guest-index", &options);
}

static struct fault *send_head(struct sender *s)
{
	const struct workspace_source *from = s->send->source;
	AUTO_FREE char *line = from->head ? xasprintf("%s\n", from->head) : NULL;
	AUTO_FREE char *head = NULL;
	AUTO_FREE char *ref = NULL;

	if (!from->branch)
		return send_text(s, ".git/HEAD", line ? line : "ref: refs/heads/main\n");
	head = xasprintf("ref: refs/heads/%s\n", from->branch);
	ref = xasprintf(".git/refs/heads/%s", from->branch);
	if (line)
		TRY(send_text(s, ref, line));
	return send_text(s, ".git/HEAD", head);
}

static struct fault *send_repository(struct sender *s)
{
	const struct workspace_source *from = s->send->source;
	AUTO_BUF config = BUF_INIT;
	AUTO_BUF shallow = BUF_INIT;

	make_config(from, &config);
	for (size_t i = 0; i < s->send->shallow->n; i++)
		buf_addf(&shallow, "%s\n", s->send->shallow->v[i]);
	TRY(send_directory(s, ".git"));
	TRY(send_directory(s, ".git/refs"));
	TRY(send_directory(s, ".git/refs/heads"));
	TRY(send_directory(s, ".git/refs/tags"));
	TRY(send_directory(s, ".git/objects"));
	TRY(send_directory(s, ".git/objects/info"));
	TRY(send_directory(s, ".git/objects/pack"));
	TRY(send_text(s, ".git/config", config.data));
	TRY(send_text(s, ".git/info/exclude", from->exclude ? from->exclude : ""));
	if (shallow.len)
		TRY(send_text(s, ".git/shallow", shallow.data));
	for (size_t i = 0; i < from->submodules_left.n; i++) /* as git leaves them: it is no deletion */
		TRY(send_directory(s, from->submodules_left.v[i]));
	TRY(send_packs(s));
	TRY(send_index(s));
	return send_head(s);
}

/* ---------------------------------------------------------------------------------------- stream */

static struct fault *send_files(struct sender *s)
{
	const struct workspace_source *from = s->send->source;
	struct fault *f = NULL;

	user_enter(&from->user); /* of this thread only */
	for (size_t i = 0; i < s->send->files->n && !f; i++) {
		f = cancel_check();
		if (!f)
			f = send_file(s, &s->send->files->v[i]);
	}
	user_leave(&from->user);
	return f;
}

/* For a guest that has a repository: the objects and the edge of its history, nothing else. */
static struct fault *produce_objects(void *context, struct tar_writer *writer)
{
	struct sender *s = context;
	AUTO_BUF shallow = BUF_INIT;

	s->writer = writer;
	for (size_t i = 0; i < s->send->shallow->n; i++)
		buf_addf(&shallow, "%s\n", s->send->shallow->v[i]);
	TRY(send_packs(s));
	return shallow.len ? send_text(s, ".git/shallow", shallow.data)
			   : tar_writer_remove(writer, ".git/shallow");
}

static struct fault *produce(void *context, struct tar_writer *writer)
{
	struct sender *s = context;

	s->writer = writer;
	for (size_t i = 0; i < s->send->removals->n; i++)
		TRY(tar_writer_remove(writer, s->send->removals->v[i]));
	if (s->send->repository)
		TRY(send_repository(s));
	return send_files(s);
}

struct fault *workspace_send_all(struct workspace_send *send)
{
	const struct user *user = &send->source->user;
	struct guest_tree tree = { .path = send->guest_path, .user = send->ws->vm.spec.user };
	struct sender s = { .send = send, .root = -1 };
	struct fault *f;

	user_enter(user);
	f = dir_open(AT_FDCWD, send->source->root, &s.root);
	user_leave(user);
	if (!f)
		f = guest_put(send->ws->guest, &tree, produce, &s);
	free(tree.notice);
	fd_close(s.root);
	return f;
}

struct fault *workspace_send_objects(struct workspace_send *send)
{
	struct guest_tree tree = { .path = send->guest_path, .user = send->ws->vm.spec.user };
	struct sender s = { .send = send, .root = -1 };
	struct fault *f = guest_put(send->ws->guest, &tree, produce_objects, &s);

	free(tree.notice);
	return f;
}
