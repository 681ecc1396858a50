/* SPDX-License-Identifier: MIT */
/*
 * workspace_apply.c - the guest's changes into the host's tree.
 *
 * Everything is checked before the first file is touched: the tree is what it was said to be, and nothing
 * that git does not know is in the way.  A file that is already what it is to become is fine: so one that
 * was killed half way goes on.  Files are then written by the code that unpacks archives, below
 * the tree and following no link, as the user.  The user's index and references are not touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "guest/tree.h"
#include "guest/tree_hash.h"
#include "vm/workspace_export.h"

struct apply {
	struct workspace_export *x;
	struct git git; /* the scratch repository */
	struct workspace_source source;
	int root;
	char *ours, *target; /* commit or tree of the host's files now, and of what they are to be */
	struct tree_list wanted; /* the files of x->result */
	struct strings removals;
	char *in_the_way; /* a file that is there and would be replaced unasked; owned */
	size_t to_do; /* files that are not yet as they are to be */
};

static struct fault *is_changed(const struct apply *a, const char *path)
{
	AUTO_BUF shown = BUF_INIT;

	text_add_printable(&shown, path, strlen(path));
	return fault_hint(fault_new(F_STATE, "'%s' in '%s' is no longer what was sent to the guest: nothing "
				    "was applied", shown.data, a->source.root),
			  "The changes are in the patch: git apply --3way FILE, or use --apply --3way.");
}

static bool is_same(const struct tree_entry *a, const struct tree_entry *b)
{
	return a && b && a->mode == b->mode && !strcmp(a->oid, b->oid);
}

/* @e: the host's file @path as it is now; NULL = there is none. */
static bool is_done(const struct apply *a, const char *path, const struct tree_entry *e)
{
	const struct tree_entry *wanted = tree_list_find(&a->wanted, path);

	return e ? is_same(e, wanted) : !wanted;
}

static struct fault *check_unchanged(struct apply *a)
{
	struct tree_list base = { 0 };
	struct fault *f = git_list(&a->git, a->x->base, &base);

	for (size_t i = 0; i < base.n && !f; i++) {
		const char *path = base.v[i].path;
		const struct tree_entry *e = tree_list_find(&a->source.files, path);

		if (e && e->optional && !e->mode)
			continue;
		if (!is_same(e, &base.v[i]) && !is_done(a, path, e))
			f = is_changed(a, path);
	}
	for (size_t i = 0; i < a->source.files.n && !f; i++) {
		const struct tree_entry *e = &a->source.files.v[i];

		if (!tree_list_find(&base, e->path) && !is_done(a, e->path, e))
			f = is_changed(a, e->path);
	}
	tree_list_release(&base);
	return f;
}

/* Is the file of that name in @parent just what the guest has? */
static bool has_content(int parent, const char *name, const struct stat *st,
			const struct tree_entry *wanted)
{
	char link[TAR_PATH_MAX], oid[TREE_OID_HEX + 1] = "";
	AUTO_FD fd = -1;

	if (!wanted || wanted->mode != (S_ISLNK(st->st_mode) ? 0120000U
					: st->st_mode & 0100	   ? 0100755U
								   : 0100644U))
		return false;
	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(parent, name, link, sizeof(link));
		struct tree_hash h;

		tree_hash_start(&h, n < 0 ? 0 : (uint64_t)n);
		tree_hash_add(&h, link, n < 0 ? 0 : (size_t)n);
		tree_hash_finish(&h, oid);
	} else if (S_ISREG(st->st_mode)) {
		fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0)
			fault_free(tree_hash_fd(fd, (uint64_t)st->st_size, name, oid));
	}
	return !strcmp(oid, wanted->oid);
}

enum found { NOTHING, AS_WANTED, DIRECTORY, ANOTHER };

/* What is in the place of @path. */
static enum found look_at_file(const struct apply *a, const char *path)
{
	AUTO_FD parent = -1;
	const char *last;
	struct stat st;
	struct fault *f = tree_open_parent(a->root, path, false, &parent, &last);
	bool there = !f && !fstatat(parent, last, &st, AT_SYMLINK_NOFOLLOW);

	fault_free(f);
	if (!there)
		return NOTHING;
	if (S_ISDIR(st.st_mode))
		return DIRECTORY;
	return has_content(parent, last, &st, tree_list_find(&a->wanted, path)) ? AS_WANTED : ANOTHER;
}

/* ---------------------------------------------------------------------------------------- merging */

static struct fault *add_file(struct apply *a, struct git_import_stream *s, const struct tree_entry *e)
{
	char data[65536];
	AUTO_FD parent = -1;
	AUTO_FD fd = -1;
	const char *last;
	ssize_t n;

	TRY(tree_open_parent(a->root, e->path, false, &parent, &last));
	TRY(git_stream_file(s, e->mode, e->path, e->size));
	if (e->mode == 0120000) {
		n = readlinkat(parent, last, data, sizeof(data));
		return n == (ssize_t)e->size ? git_stream_data(s, data, (size_t)n)
					     : is_changed(a, e->path);
	}
	fd = openat(parent, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	for (uint64_t left = e->size; left; left -= (uint64_t)n) {
		n = read(fd, data, left < sizeof(data) ? (size_t)left : sizeof(data));
		if (n <= 0)
			return is_changed(a, e->path);
		TRY(git_stream_data(s, data, (size_t)n));
	}
	return NULL;
}

static struct fault *fill_ours(struct apply *a, struct git_import_stream *s)
{
	struct tree_list base = { 0 };
	struct fault *f = git_list(&a->git, a->x->base, &base);

	for (size_t i = 0; i < base.n && !f; i++)
		if (!tree_list_find(&a->source.files, base.v[i].path))
			f = git_stream_remove(s, base.v[i].path);
	user_enter(&a->source.user);
	for (size_t i = 0; i < a->source.files.n && !f; i++) {
		const struct tree_entry *e = &a->source.files.v[i];
		const struct tree_entry *same = tree_list_find(&base, e->path);

		if (e->mode && !(same && same->mode == e->mode && !strcmp(same->oid, e->oid)))
			f = add_file(a, s, e);
	}
	/* What is new in the guest and came here before: git does not know these files, but they are no news. */
	for (size_t i = 0; i < a->wanted.n && !f; i++) {
		const struct tree_entry *e = &a->wanted.v[i];

		if (!tree_list_find(&base, e->path) && !tree_list_find(&a->source.files, e->path) &&
		    look_at_file(a, e->path) == AS_WANTED)
			f = add_file(a, s, e);
	}
	user_leave(&a->source.user);
	tree_list_release(&base);
	return f;
}

static struct fault *make_ours(struct apply *a)
{
	struct git_import_stream s;
	struct fault *f;

	TRY(git_stream_begin(&s, a->x->scratch, a->x->base));
	f = fill_ours(a, &s);
	if (!f)
		f = git_stream_commit(&s, &a->git, "ours", &a->ours);
	git_stream_release(&s);
	return f;
}

/* git merge-tree prints the tree's name, then with conflicts a name for each file that has some. */
static struct fault *merge(struct apply *a, struct strings *conflicts)
{
	AUTO_BUF out = BUF_INIT;
	size_t at;

	TRY(make_ours(a));
	TRY(git_run_matching(&a->git, (const char *const[]){ "merge-tree", "--write-tree", "--name-only",
							     "--no-messages", "-z", a->ours, a->x->result,
							     NULL }, -1, &out));
	a->target = xstrdup(out.data);
	for (at = strlen(out.data) + 1; at < out.len; at += strlen(out.data + at) + 1)
		if (out.data[at])
			strings_add(conflicts, out.data + at);
	return strlen(a->target) == TREE_OID_HEX ? NULL : fault_new(F_TOOL, "git merged nothing");
}

/* ---------------------------------------------------------------------------------------- writing */

static struct fault *look_at_changes(struct apply *a)
{
	AUTO_BUF out = BUF_INIT;

	TRY(GIT(&a->git, &out, "diff-tree", "-r", "-z", "--no-renames", "--name-status", a->ours,
		a->target));
	for (size_t at = 0; at < out.len;) {
		const char *status = out.data + at, *path = status + strlen(status) + 1;
		enum found found;

		at += strlen(status) + strlen(path) + 2;
		TRY(workspace_check_path(path));
		if (*status == 'D')
			strings_add(&a->removals, path);
		user_enter(&a->source.user);
		found = look_at_file(a, path);
		user_leave(&a->source.user);
		if (*status == 'D' ? found == AS_WANTED || found == ANOTHER : found != AS_WANTED)
			a->to_do++;
		if (*status == 'A' && found == ANOTHER && !a->in_the_way)
			a->in_the_way = xstrdup(path);
	}
	return NULL;
}

static struct fault *check_ways(const struct apply *a)
{
	if (!a->in_the_way)
		return NULL;
	return fault_hint(fault_new(F_EXISTS, "'%s' is new in the guest, but there is a file of that name in "
				    "'%s': nothing was applied", a->in_the_way, a->source.root),
			  "Move it away and try again, or use the patch.");
}

static struct fault *unpack(struct apply *a, int archive)
{
	struct tree_unpack options = { .allow_remove = true, .mode_mask = 0777,
				       .temp = a->x->ws->vm.spec.id };
	struct tar_reader *r;
	struct fault *f;

	if (lseek(archive, 0, SEEK_SET))
		return fault_sys(F_SYS, "reading the changes");
	r = tar_reader_new_fd(archive, "the changes");
	user_enter(&a->source.user);
	f = tree_unpack(a->root, r, &options);
	user_leave(&a->source.user);
	tar_reader_free(r);
	return fault_wrap(f, "applying to '%s'", a->source.root);
}

static struct fault *remove_files(struct apply *a)
{
	AUTO_FD archive = memfd_create("removals", MFD_CLOEXEC);
	struct tar_writer *w;
	struct fault *f = NULL;

	if (archive < 0)
		return fault_sys(F_SYS, "keeping a list of files");
	w = tar_writer_new_fd(archive);
	for (size_t i = 0; i < a->removals.n && !f; i++)
		f = tar_writer_remove(w, a->removals.v[i]);
	if (!f)
		f = tar_writer_finish(w);
	tar_writer_free(w);
	return f ? f : unpack(a, archive);
}

static struct fault *write_files(struct apply *a)
{
	AUTO_FD archive = open(a->x->scratch, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (archive < 0)
		return fault_sys(F_SYS, "making a temporary file");
	TRY(workspace_export_tar(a->x, a->ours, a->target, archive));
	TRY(remove_files(a));
	return unpack(a, archive);
}

static struct fault *apply(struct apply *a, bool three_way, struct strings *conflicts)
{
	struct workspace_wish wish = workspace_wish_of(&a->x->ws->vm.spec);
	struct fault *f;

	TRY(workspace_source_find(&wish, &a->source));
	TRY(workspace_source_read(&a->source));
	user_enter(&a->source.user);
	f = dir_open(AT_FDCWD, a->source.root, &a->root);
	user_leave(&a->source.user);
	TRY(f);
	TRY(git_list(&a->git, a->x->result, &a->wanted));
	if (three_way) {
		TRY(merge(a, conflicts));
	} else {
		a->ours = xstrdup(a->x->base);
		a->target = xstrdup(a->x->result);
	}
	TRY(look_at_changes(a));
	if (!a->to_do) /* applied before, by us or by hand: what else was changed since is in nobody's way */
		return NULL;
	if (!three_way)
		TRY(check_unchanged(a));
	TRY(check_ways(a));
	return write_files(a);
}

struct fault *workspace_apply(struct workspace_export *x, bool three_way, struct strings *conflicts,
			      bool *already)
{
	struct apply a = { .x = x, .git = { .git_dir = x->scratch }, .root = -1,
			   .source = WORKSPACE_SOURCE_INIT };
	struct fault *f = apply(&a, three_way, conflicts);

	*already = !f && !a.to_do;
	workspace_source_release(&a.source);
	fd_close(a.root);
	free(a.ours);
	free(a.target);
	free(a.in_the_way);
	strings_release(&a.removals);
	tree_list_release(&a.wanted);
	return f;
}
