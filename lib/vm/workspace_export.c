/* SPDX-License-Identifier: MIT */
/*
 * workspace_export.c - theory of operation: workspace.h.
 *
 * The guest's answers and files are hostile.  A file counts only when it was asked for; its name may not
 * lead out of the repository or into a .git directory; nothing lies below a link or a file; sizes are
 * bounded.  Everything goes through git's fast-import into a scratch repository, never into a working
 * tree, so that no name and no link of the guest's touches a file of the host.
 */
#include "vm/workspace_export.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "guest/tree.h"
#include "host/spawn.h"

#define FILE_BYTES_MAX	(UINT64_C(4) << 30)
#define TOTAL_BYTES_MAX (UINT64_C(16) << 30)
#define SCRATCH		"workspace-export"

struct fetch {
	struct workspace_export *x;
	struct git git;	       /* the scratch repository */
	struct tree_list base; /* what was sent */
	struct tree_list changed, added; /* mode and size as the guest told */
	struct strings removed;
	struct tree_list *wanted; /* being fetched; `optional` is set when it has come */
	struct git_import_stream stream;
	uint64_t bytes;
};

static struct fault *too_large(const char *path, uint64_t size)
{
	AUTO_FREE char *text = text_size(size);

	return fault_new(F_GUEST, "'%s' in the guest has %s: more than is accepted", path, text);
}

/* ------------------------------------------------------------------------------------- the base */

static struct fault *mark_absent(struct fetch *f)
{
	AUTO_FD dir = -1;
	AUTO_BUF text = BUF_INIT;
	struct fault *fault;

	TRY(dir_open(AT_FDCWD, f->x->ws->git_dir, &dir));
	fault = file_read(dir, WORKSPACE_ABSENT, TREE_COMPARE_MAX, &text);
	if (fault && fault_kind(fault) == F_NOT_FOUND) {
		fault_free(fault);
		return NULL;
	}
	TRY(fault);
	for (size_t at = 0; at < text.len; at += strlen(text.data + at) + 1) {
		struct tree_entry *e = tree_list_find(&f->base, text.data + at);

		if (e)
			e->optional = true;
	}
	return NULL;
}

/* ------------------------------------------------------------------------------ what has changed */

static struct fault *check_change(const struct fetch *f, const struct workspace_change *c)
{
	bool known = tree_list_find(&f->base, c->path) != NULL;

	if (c->what == 'N')
		TRY(workspace_check_path(c->path));
	if (c->mode == 0120000)
		TRY(workspace_check_link(c->path));
	if (known != (c->what != 'N'))
		return fault_new(F_GUEST, "the guest's list of changed files contradicts what it was sent");
	if (c->size > FILE_BYTES_MAX)
		return too_large(c->path, c->size);
	return NULL;
}

static struct fault *read_changes(struct fetch *f, const struct buf *answer)
{
	struct workspace_change c;
	size_t at = 0;
	bool got;

	for (;;) {
		struct tree_entry *e;

		TRY(workspace_next_change(answer, &at, &c, &got));
		if (!got)
			break;
		TRY(check_change(f, &c));
		if (c.what == 'D') {
			strings_add(&f->removed, c.path);
			continue;
		}
		e = tree_list_add(c.what == 'M' ? &f->changed : &f->added, c.path);
		e->mode = c.mode;
		e->size = c.size;
	}
	tree_list_sort(&f->changed);
	tree_list_sort(&f->added);
	return NULL;
}

static struct fault *ask_guest(struct fetch *f)
{
	const struct vm_workspace *w = &f->x->ws->vm.spec.workspace;
	AUTO_BUF answer = BUF_INIT;
	bool absent;

	TRY(workspace_compare(f->x->ws, w->guest_path, &f->base, true, &answer, &absent));
	if (absent)
		return fault_hint(fault_new(F_NOT_FOUND, "the guest's directory '%s' is gone",
					    w->guest_path),
				  "Send it again: banger vm workspace prepare %s",
				  f->x->ws->vm.dir.name);
	return read_changes(f, &answer);
}

/* ----------------------------------------------------------------------------------- fetching */

static struct fault *take_data(struct fetch *f, struct tar_reader *r, const struct tar_item *item,
			       const char *name)
{
	static const char zeros[65536];
	uint64_t at = 0, offset;
	const void *data;
	size_t len = 1;

	while (len) {
		uint64_t until;

		TRY(tar_reader_data(r, &data, &len, &offset));
		until = len ? offset : item->size;
		while (at < until) { /* a hole */
			size_t n = until - at < sizeof(zeros) ? (size_t)(until - at) : sizeof(zeros);

			TRY(git_stream_data(&f->stream, zeros, n));
			at += n;
		}
		if (len)
			TRY(git_stream_data(&f->stream, data, len));
		at += len;
	}
	return at == item->size ? NULL : fault_new(F_GUEST, "'%s': the guest sent another size than "
						   "it said", name);
}

static struct fault *take_entry(struct fetch *f, struct tar_reader *r, const struct tar_item *item)
{
	struct tree_entry *e;
	AUTO_FREE char *name = NULL;

	TRY(tree_name(item->path, &name));
	e = tree_list_find(f->wanted, name);
	if (!e || e->optional)
		return fault_new(F_GUEST, "the guest sent '%.200s', which was not asked for", name);
	e->optional = true;
	if (item->kind == TAR_SYMLINK) {
		TRY(workspace_check_link(name));
		TRY(git_stream_file(&f->stream, 0120000, name, strlen(item->link)));
		return git_stream_data(&f->stream, item->link, strlen(item->link));
	}
	if (item->kind == TAR_DIRECTORY) { /* it is one only since a moment ago */
		e->optional = false;
		return NULL;
	}
	if (item->kind != TAR_FILE)
		return fault_new(F_GUEST, "the guest sent '%.200s' as what is no file", name);
	f->bytes += item->size;
	if (item->size > FILE_BYTES_MAX || f->bytes > TOTAL_BYTES_MAX)
		return too_large(name, item->size);
	TRY(git_stream_file(&f->stream, item->mode & 0100 ? 0100755 : 0100644, name, item->size));
	return take_data(f, r, item, name);
}

static struct fault *consume(void *context, struct tar_reader *r)
{
	struct fetch *f = context;
	struct tar_item item;
	bool end;

	for (;;) {
		TRY(tar_reader_next(r, &item, &end));
		if (end)
			return NULL;
		TRY(take_entry(f, r, &item));
	}
}

/* What is gone by now: removed if the base has it, else never there. */
static struct fault *drop_missing(struct fetch *f, const struct tree_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!l->v[i].optional && tree_list_find(&f->base, l->v[i].path))
			TRY(git_stream_remove(&f->stream, l->v[i].path));
	return NULL;
}

static struct fault *fetch_list(struct fetch *f, struct tree_list *l)
{
	struct guest_tree tree = { .path = f->x->ws->vm.spec.workspace.guest_path,
				   .user = f->x->ws->vm.spec.user };
	struct strings names = { 0 };
	struct fault *fault;

	if (!l->n)
		return NULL;
	for (size_t i = 0; i < l->n; i++)
		strings_add(&names, l->v[i].path);
	f->wanted = l;
	fault = guest_get_list(f->x->ws->guest, &tree, &names, consume, f);
	free(tree.notice);
	strings_release(&names);
	return fault ? fault : drop_missing(f, l);
}

/* ------------------------------------------------------------------------------------- ignoring */

static bool is_ignore_file(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(slash ? slash + 1 : path, ".gitignore");
}

static void split(struct tree_list *from, struct tree_list *ignore_files)
{
	size_t n = 0;

	for (size_t i = 0; i < from->n; i++) {
		if (!is_ignore_file(from->v[i].path)) {
			from->v[n++] = from->v[i];
			continue;
		}
		if (ignore_files->n == ignore_files->room) {
			ignore_files->room = ignore_files->room ? 2 * ignore_files->room : 16;
			ignore_files->v = xrealloc_array(ignore_files->v, ignore_files->room,
							 sizeof(*ignore_files->v));
		}
		ignore_files->v[ignore_files->n++] = from->v[i];
	}
	from->n = n;
}

/* The ignore files of @commit, and nothing else, as files in a directory of ours. */
static struct fault *check_out_ignores(struct fetch *f, const char *commit, const char *tree)
{
	AUTO_FREE char *index = xasprintf("%s/ignore-index", f->x->scratch);
	struct git git = { .git_dir = f->x->scratch, .work_tree = tree, .index = index };
	struct tree_list files = { 0 };
	AUTO_BUF list = BUF_INIT;
	AUTO_FD fd = open(f->x->scratch, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	AUTO_FD dir = -1;
	struct fault *fault;

	if (fd < 0)
		return fault_sys(F_SYS, "making a temporary file");
	TRY(dir_make_path(tree, 0700, &dir));
	fault = git_list(&f->git, commit, &files);
	for (size_t i = 0; i < files.n; i++)
		if (is_ignore_file(files.v[i].path) && files.v[i].mode != 0120000)
			buf_add(&list, files.v[i].path, strlen(files.v[i].path) + 1);
	tree_list_release(&files);
	TRY(fault);
	if (!list.len)
		return NULL;
	TRY(file_write_all(fd, list.data, list.len, "a list of files"));
	if (lseek(fd, 0, SEEK_SET))
		return fault_sys(F_SYS, "keeping a list of files");
	TRY(GIT(&git, NULL, "read-tree", commit));
	return git_run(&git, (const char *const[]){ "checkout-index", "-q", "-f", "-z", "--stdin", NULL },
		       fd, NULL, -1);
}

/* Take what git ignores out of @l. */
static struct fault *drop_ignored(struct fetch *f, const char *commit, struct tree_list *l)
{
	const char *const question[] = { "check-ignore", "-z", "--stdin", "--no-index",
					 "--verbose", "--non-matching", NULL };
	AUTO_FREE char *tree = xasprintf("%s/tree", f->x->scratch);
	struct git git = { .git_dir = f->x->scratch, .work_tree = tree, .cwd = tree };
	AUTO_FD in = open(f->x->scratch, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	AUTO_BUF list = BUF_INIT;
	AUTO_BUF out = BUF_INIT;
	size_t at = 0, n = 0;

	TRY(check_out_ignores(f, commit, tree));
	for (size_t i = 0; i < l->n; i++)
		buf_add(&list, l->v[i].path, strlen(l->v[i].path) + 1);
	if (in < 0)
		return fault_sys(F_SYS, "making a temporary file");
	TRY(file_write_all(in, list.data, list.len, "a list of files"));
	if (lseek(in, 0, SEEK_SET))
		return fault_sys(F_SYS, "keeping a list of files");
	TRY(git_run_matching(&git, question, in, &out));
	/* Four fields each: source, line, pattern, path; a pattern that begins with "!" takes it back. */
	for (size_t i = 0; i < l->n; i++) {
		const char *field[4] = { "", "", "", "" };

		for (size_t k = 0; k < 4 && at < out.len; k++, at += strlen(out.data + at) + 1)
			field[k] = out.data + at;
		if (strcmp(field[3], l->v[i].path))
			return fault_new(F_TOOL, "git did not tell which files are ignored");
		if (*field[2] && field[2][0] != '!') {
			f->x->ignored++;
			free(l->v[i].path);
		} else {
			l->v[n++] = l->v[i];
		}
	}
	l->n = n;
	return NULL;
}

/* --------------------------------------------------------------------------------------- commits */

/* @from (emptied) joins @to, which is sorted again. */
static void join(struct tree_list *to, struct tree_list *from)
{
	for (size_t i = 0; i < from->n; i++) {
		struct tree_entry *e = tree_list_add(to, from->v[i].path);
		char *path = e->path;

		*e = from->v[i];
		free(from->v[i].path);
		e->path = path;
	}
	from->n = 0;
	tree_list_sort(to);
}

static struct fault *fetch_commit(struct fetch *f, const char *parent, struct tree_list *l,
				  const struct strings *removed, const char *name, char **oid)
{
	struct fault *fault;

	TRY(git_stream_begin(&f->stream, f->x->scratch, parent));
	fault = NULL;
	for (size_t i = 0; i < removed->n && !fault; i++)
		fault = git_stream_remove(&f->stream, removed->v[i]);
	if (!fault)
		fault = fetch_list(f, l);
	if (!fault)
		fault = git_stream_commit(&f->stream, &f->git, name, oid);
	git_stream_release(&f->stream);
	return fault;
}

/* A file where another one says that there is a directory: no tree can have both. */
static struct fault *check_nesting(const struct fetch *f)
{
	const struct tree_list *lists[] = { &f->changed, &f->added };

	for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
		for (size_t i = 0; i < lists[k]->n; i++) {
			AUTO_FREE char *path = xstrdup(lists[k]->v[i].path);
			char *slash;

			while ((slash = strrchr(path, '/'))) {
				*slash = '\0';
				if (tree_list_find(&f->changed, path) || tree_list_find(&f->added, path))
					return fault_new(F_GUEST, "the guest has '%s' both as a file and "
							 "as a directory: refused", path);
			}
		}
	}
	return NULL;
}

/* Ignore files first: they decide about the others. */
static struct fault *fetch_all(struct fetch *f)
{
	struct workspace_export *x = f->x;
	bool repository = x->ws->vm.spec.workspace.head || x->ws->vm.spec.workspace.branch;
	struct tree_list rules = { 0 };
	const char *parent = x->base;
	AUTO_FREE char *with_rules = NULL;
	struct strings nothing = { 0 };
	struct fault *fault = NULL;

	TRY(check_nesting(f));
	if (repository && f->added.n) {
		split(&f->changed, &rules);
		split(&f->added, &rules);
		tree_list_sort(&rules);
		fault = fetch_commit(f, parent, &rules, &f->removed, "rules", &with_rules);
		if (!fault && f->added.n)
			fault = drop_ignored(f, with_rules, &f->added);
		for (size_t i = 0; i < rules.n; i++)
			*(tree_list_find(&f->base, rules.v[i].path) ? &x->changed : &x->added) += 1;
	}
	tree_list_release(&rules);
	TRY(fault);
	x->changed += f->changed.n;
	x->added += f->added.n;
	x->removed = f->removed.n;
	join(&f->changed, &f->added);
	return fetch_commit(f, with_rules ? with_rules : parent, &f->changed,
			    with_rules ? &nothing : &f->removed, "result", &x->result);
}

/* ---------------------------------------------------------------------------------- the scratch */

static struct fault *copy_exclude(struct workspace_export *x, const struct workspace_source *s)
{
	AUTO_FREE char *path = xasprintf("%s/info", x->scratch);
	AUTO_FD dir = -1;

	TRY(dir_open(AT_FDCWD, path, &dir));
	return file_write_volatile(dir, "exclude", s->exclude ? s->exclude : "",
				   s->exclude ? strlen(s->exclude) : 0, 0600);
}

/* The rules that are in no file of the tree, and --base-commit, are the host repository's. */
static struct fault *look_at_source(struct fetch *f, const char *base_commit)
{
	struct workspace_export *x = f->x;
	struct workspace_wish wish = workspace_wish_of(&x->ws->vm.spec);
	AUTO_WORKSPACE_SOURCE s = WORKSPACE_SOURCE_INIT;
	AUTO_FREE char *revision = base_commit ? xasprintf("%s^{commit}", base_commit) : NULL;
	struct strings shallow = { 0 };
	struct fault *fault = workspace_source_find(&wish, &s);
	struct git git;

	if (fault && !base_commit) { /* the host's directory may be gone; the guest's work is not */
		fault_free(fault);
		return NULL;
	}
	TRY(fault);
	TRY(copy_exclude(x, &s));
	if (!base_commit)
		return NULL;
	git = workspace_source_git(&s);
	if (!s.repository)
		return fault_new(F_INVALID, "--base-commit: '%s' is no repository", s.root);
	free(x->against);
	x->against = NULL;
	TRY(GIT_ASK(&git, &x->against, "rev-parse", "--verify", "-q", "--end-of-options", revision));
	if (!x->against)
		return fault_new(F_INVALID, "--base-commit: '%s' is no commit of '%s'", base_commit, s.root);
	fault = git_import(&git, &f->git, x->against, 1, NULL, &shallow, NULL);
	strings_release(&shallow);
	return fault;
}

static struct fault *make_scratch(struct fetch *f)
{
	struct workspace_export *x = f->x;

	x->scratch = xasprintf("%s/" SCRATCH, x->ws->vm.dir.path);
	TRY(tree_remove(x->ws->vm.dir.fd, SCRATCH)); /* of one that was killed */
	TRY(git_make(x->scratch, x->ws->git_dir));
	f->git = (struct git){ .git_dir = x->scratch };
	return NULL;
}

static struct fault *copy_shallow(struct workspace_export *x)
{
	AUTO_FD from = -1;
	AUTO_FD to = -1;
	AUTO_BUF text = BUF_INIT;
	struct fault *f;

	TRY(dir_open(AT_FDCWD, x->ws->git_dir, &from));
	TRY(dir_open(AT_FDCWD, x->scratch, &to));
	f = file_read(from, "shallow", 1 << 20, &text);
	if (f) {
		bool none = fault_kind(f) == F_NOT_FOUND;

		if (!none)
			return f;
		fault_free(f);
		return NULL;
	}
	return file_write_volatile(to, "shallow", text.data, text.len, 0600);
}

static struct fault *check_ready(const struct workspace *ws)
{
	const struct vm_workspace *w = &ws->vm.spec.workspace;

	if (!w->source)
		return fault_hint(fault_new(F_STATE, "VM '%s' has no workspace", ws->vm.dir.name),
				  "Send one: banger vm workspace prepare %s PATH", ws->vm.dir.name);
	if (!w->base)
		return fault_hint(fault_new(F_STATE, "the workspace of VM '%s' was never complete",
					    ws->vm.dir.name),
				  "Send it again: banger vm workspace prepare %s", ws->vm.dir.name);
	return NULL;
}

struct fault *workspace_export(struct workspace *ws, const char *base_commit,
			       struct workspace_export *x)
{
	struct fetch f = { .x = x };
	struct fault *fault;

	*x = (struct workspace_export){ .ws = ws };
	TRY(check_ready(ws));
	x->base = xstrdup(ws->vm.spec.workspace.base);
	x->against = xstrdup(x->base);
	fault = make_scratch(&f);
	if (!fault)
		fault = copy_shallow(x);
	if (!fault)
		fault = look_at_source(&f, base_commit);
	if (!fault)
		fault = git_list(&f.git, x->base, &f.base);
	if (!fault)
		fault = mark_absent(&f);
	if (!fault)
		fault = ask_guest(&f);
	if (!fault)
		fault = fetch_all(&f);
	tree_list_release(&f.base);
	tree_list_release(&f.changed);
	tree_list_release(&f.added);
	strings_release(&f.removed);
	return fault;
}

void workspace_export_release(struct workspace_export *x)
{
	if (x->scratch)
		fault_free(tree_remove(x->ws->vm.dir.fd, SCRATCH));
	free(x->scratch);
	free(x->base);
	free(x->result);
	free(x->against);
	*x = (struct workspace_export){ 0 };
}

/* ---------------------------------------------------------------------------------------- output */

static struct fault *write_patch(struct workspace_export *x, int fd)
{
	const struct git git = { .git_dir = x->scratch };

	return git_run(&git, (const char *const[]){ "diff", "--binary", "--full-index", "-M",
						    "--no-ext-diff", "--no-textconv",
						    "--src-prefix=a/", "--dst-prefix=b/", x->against,
						    x->result, NULL }, -1, NULL, fd);
}

/* One commit on the commit that the host was on: what fetches it needs nothing else. */
static struct fault *write_bundle(struct workspace_export *x, int fd)
{
	const struct vm_workspace *w = &x->ws->vm.spec.workspace;
	const struct git git = { .git_dir = x->scratch };
	AUTO_FREE char *tree = xasprintf("%s^{tree}", x->result);
	AUTO_FREE char *message = xasprintf("Changes made in VM '%s'", x->ws->vm.dir.name);
	AUTO_FREE char *ref = xasprintf("refs/heads/banger/%s", x->ws->vm.dir.name);
	AUTO_FREE char *without = w->head ? xasprintf("^%s", w->head) : NULL;
	AUTO_FREE char *commit = NULL;
	const char *const root[] = { "-c", "user.name=banger", "-c", "user.email=banger@localhost",
				     "commit-tree", tree, "-m", message, w->head ? "-p" : NULL, w->head,
				     NULL };

	TRY(git_line(&git, &commit, root));
	TRY(GIT(&git, NULL, "update-ref", ref, commit));
	return git_run(&git, (const char *const[]){ "bundle", "create", "-q", "-", ref, without, NULL },
		       -1, NULL, fd);
}

struct fault *workspace_export_tar(struct workspace_export *x, const char *from, const char *to, int fd)
{
	const struct git git = { .git_dir = x->scratch };
	AUTO_FREE char *index = xasprintf("%s/tar-index", x->scratch);
	const struct git small = { .git_dir = x->scratch, .index = index };
	AUTO_FD list = open(x->scratch, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	AUTO_FREE char *tree = NULL;
	AUTO_BUF raw = BUF_INIT;

	if (list < 0 || (unlink(index) && errno != ENOENT))
		return fault_sys(F_SYS, "making a temporary file");
	TRY(GIT(&git, &raw, "diff-tree", "-r", "-z", "--no-renames", "--diff-filter=AMT", from, to));
	for (size_t at = 0; at < raw.len;) { /* ":100644 100755 <oid> <oid> M", NUL, path, NUL */
		const char *record = raw.data + at;
		const char *path = record + strlen(record) + 1;
		AUTO_FREE char *line = NULL;
		unsigned int mode;
		char oid[TREE_OID_HEX + 1];

		if (sscanf(record, ":%*o %o %*s %40s", &mode, oid) != 2)
			return fault_new(F_TOOL, "git listed '%.100s'", record);
		line = xasprintf("%o %s\t%s", mode, oid, path);
		TRY(file_write_all(list, line, strlen(line) + 1, "a list of files"));
		at += strlen(record) + strlen(path) + 2;
	}
	if (lseek(list, 0, SEEK_SET))
		return fault_sys(F_SYS, "keeping a list of files");
	TRY(git_run(&small, (const char *const[]){ "update-index", "-z", "--index-info", NULL }, list,
		    NULL, -1));
	TRY(GIT_LINE(&small, &tree, "write-tree"));
	return git_run(&git, (const char *const[]){ "-c", "tar.umask=0022", "archive", "--format=tar",
						    tree, NULL }, -1, NULL, fd);
}

struct fault *workspace_export_write(struct workspace_export *x, enum workspace_format format, int fd)
{
	switch (format) {
	case WORKSPACE_BUNDLE:
		return write_bundle(x, fd);
	case WORKSPACE_TAR:
		return workspace_export_tar(x, x->against, x->result, fd);
	case WORKSPACE_PATCH:
		break;
	}
	return write_patch(x, fd);
}

struct fault *workspace_export_stat(struct workspace_export *x, char **text)
{
	const struct git git = { .git_dir = x->scratch };
	AUTO_BUF out = BUF_INIT;

	TRY(GIT(&git, &out, "diff", "--stat", "-M", "--no-ext-diff", "--no-textconv", x->against,
		x->result));
	*text = buf_steal(&out);
	return NULL;
}
