/* SPDX-License-Identifier: MIT */
#include "vm/workspace_source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/file.h"
#include "guest/tree.h"

#define EXCLUDE_MAX  (1u << 20)
#define SUBMODULES_DEEP 16

static const char *const mode_names[] = { "shallow_overlay", "full_copy", "metadata_only" };
_Static_assert(ARRAY_LEN(mode_names) == WORKSPACE_MODES, "a name for each mode");

const char *workspace_mode_name(enum workspace_mode mode)
{
	return mode_names[mode];
}

struct fault *workspace_mode_from(const char *name, enum workspace_mode *mode)
{
	for (size_t i = 0; i < WORKSPACE_MODES; i++) {
		if (!strcmp(name, mode_names[i])) {
			*mode = (enum workspace_mode)i;
			return NULL;
		}
	}
	return fault_new(F_INVALID, "'%s' is no mode of a workspace", name);
}

void workspace_source_release(struct workspace_source *s)
{
	user_release(&s->user);
	free(s->root);
	free(s->head);
	free(s->branch);
	free(s->origin);
	free(s->user_name);
	free(s->user_email);
	free(s->exclude);
	strings_release(&s->shallow);
	strings_release(&s->notes);
	strings_release(&s->submodules_left);
	tree_list_release(&s->files);
	*s = WORKSPACE_SOURCE_INIT;
}

struct git workspace_source_git(const struct workspace_source *s)
{
	return (struct git){ .as = &s->user, .cwd = s->root };
}

static void note(struct workspace_source *s, const char *fmt, ...) PRINTF(2, 3);
static void note(struct workspace_source *s, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	strings_add(&s->notes, text);
}

/* -------------------------------------------------------------------------------- configuration */

/* "scheme://user:secret@host/x" without what is before the "@"; ssh's "git@host:x" has no secret. */
static char *without_credentials(const char *url)
{
	const char *start = strstr(url, "://"), *slash, *at = NULL;

	if (!start)
		return xstrdup(url);
	start += 3;
	slash = start + strcspn(start, "/?#");
	for (const char *p = start; p < slash; p++)
		if (*p == '@')
			at = p;
	if (!at)
		return xstrdup(url);
	if (!strncmp(url, "ssh://", 6) && !memchr(start, ':', (size_t)(at - start)))
		return xstrdup(url);
	return xasprintf("%.*s%s", (int)(start - url), url, at + 1);
}

static void set_text(char **slot, const char *value)
{
	free(*slot);
	*slot = *value ? xstrdup(value) : NULL;
}

static void read_setting(struct workspace_source *s, char *record)
{
	char *value = strchr(record, '\n');

	if (!value)
		return;
	*value++ = '\0';
	if (!strcmp(record, "user.name"))
		set_text(&s->user_name, value);
	else if (!strcmp(record, "user.email"))
		set_text(&s->user_email, value);
	else if (!strcmp(record, "remote.origin.url")) {
		free(s->origin);
		s->origin = without_credentials(value);
	}
}

static struct fault *read_config(struct workspace_source *s)
{
	const struct git git = workspace_source_git(s);
	AUTO_BUF out = BUF_INIT;
	size_t at = 0;

	TRY(GIT(&git, &out, "config", "-z", "--list"));
	while (at < out.len) {
		size_t len = strlen(out.data + at);

		read_setting(s, out.data + at);
		at += len + 1;
	}
	return NULL;
}

/* A file of the user's that may be absent; what cannot be read does not matter either. */
static void add_file(const char *path, struct buf *b)
{
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return;
	fault_free(file_read_fd(fd, EXCLUDE_MAX, path, b));
	if (b->len && b->data[b->len - 1] != '\n')
		buf_addc(b, '\n');
}

static struct fault *read_exclude(struct workspace_source *s, const char *common)
{
	const struct git git = workspace_source_git(s);
	AUTO_FREE char *own = xasprintf("%s/info/exclude", common);
	AUTO_FREE char *edge = xasprintf("%s/shallow", common);
	AUTO_FREE char *config = user_xdg(&s->user, "XDG_CONFIG_HOME", ".config");
	AUTO_FREE char *global = NULL;
	AUTO_BUF text = BUF_INIT;
	AUTO_BUF shallow = BUF_INIT;
	char *at;

	TRY(GIT_ASK(&git, &global, "config", "--path", "--get", "core.excludesfile"));
	if (!global && config)
		global = xasprintf("%s/git/ignore", config);
	user_enter(&s->user);
	if (global)
		add_file(global, &text);
	add_file(own, &text);
	add_file(edge, &shallow);
	user_leave(&s->user);
	at = shallow.data;
	for (char *line = strsep(&at, "\n"); line; line = strsep(&at, "\n"))
		if (*line)
			strings_add(&s->shallow, line);
	s->exclude = buf_steal(&text);
	return NULL;
}

/* ----------------------------------------------------------------------------------- the place */

static struct fault *find_root(const struct workspace_wish *w, struct workspace_source *s)
{
	AUTO_FREE char *path = NULL;
	struct stat st;
	bool there;
	int reason;

	user_enter(&s->user);
	path = realpath(w->path, NULL);
	reason = errno;
	there = path && !stat(path, &st);
	user_leave(&s->user);
	errno = reason;
	if (!there)
		return fault_sys(errno == ENOENT ? F_NOT_FOUND : F_SYS, "workspace '%s'", w->path);
	if (!S_ISDIR(st.st_mode))
		return fault_new(F_INVALID, "workspace '%s' is no directory", w->path);
	s->root = steal_ptr(&path);
	return NULL;
}

static struct fault *no_repository(const struct workspace_wish *w)
{
	if (w->mode != WORKSPACE_FULL_COPY)
		return fault_hint(fault_new(F_INVALID, "'%s' is not in a git repository", w->path),
				  "Copy it as it is with --mode full_copy, or make it a repository: git init");
	if (w->branch)
		return fault_new(F_INVALID, "'%s' is not in a git repository: it cannot have a branch",
				 w->path);
	return NULL;
}

/* Is there a repository here?  Everything about it that is wrong for us is said now. */
static struct fault *find_repository(const struct workspace_wish *w, struct workspace_source *s)
{
	const struct git git = workspace_source_git(s);
	AUTO_FREE char *about = NULL;
	AUTO_FREE char *top = NULL;
	char *rest, *bare, *inside, *format, *common;
	struct fault *f = GIT_LINE(&git, &about, "rev-parse", "--is-bare-repository",
				   "--is-inside-work-tree", "--show-object-format",
				   "--path-format=absolute", "--git-common-dir");

	if (f && fault_kind(f) == F_TOOL && fault_next(f) &&
	    strstr(fault_message(fault_next(f)), "not a git repository")) {
		fault_free(f);
		return no_repository(w);
	}
	if (f)
		return fault_wrap(f, "repository '%s'", w->path);
	rest = about;
	bare = strsep(&rest, "\n");
	inside = strsep(&rest, "\n");
	format = strsep(&rest, "\n");
	common = rest;
	if (!common)
		return fault_new(F_TOOL, "git said nothing about '%s'", w->path);
	if (!strcmp(bare, "true"))
		return fault_hint(fault_new(F_INVALID, "'%s' is a bare repository: it has no files to copy",
					    w->path), "Clone it first, and use the clone.");
	if (strcmp(inside, "true"))
		return fault_hint(fault_new(F_INVALID, "'%s' is inside a .git directory", w->path),
				  "Name the working tree instead.");
	if (strcmp(format, "sha1"))
		return fault_hint(fault_new(F_UNSUPPORTED, "'%s' names its objects by %s; only sha1 is "
					    "supported", w->path, format),
				  "Its files alone: use --mode full_copy on a copy without .git");
	TRY(GIT_LINE(&git, &top, "rev-parse", "--show-toplevel"));
	free(s->root);
	s->root = steal_ptr(&top);
	s->repository = true;
	TRY(read_config(s));
	return read_exclude(s, common);
}

static struct fault *find_state(struct workspace_source *s)
{
	static const struct {
		const char *file, *what;
	} under_way[] = {
		{ "MERGE_HEAD", "a merge" }, { "rebase-merge", "a rebase" },
		{ "rebase-apply", "a rebase" }, { "CHERRY_PICK_HEAD", "a cherry-pick" },
		{ "REVERT_HEAD", "a revert" },
	};
	const struct git git = workspace_source_git(s);
	AUTO_FREE char *dir = NULL;
	struct stat st;

	TRY(GIT_ASK(&git, &s->head, "rev-parse", "--verify", "-q", "HEAD^{commit}"));
	TRY(GIT_ASK(&git, &s->branch, "symbolic-ref", "-q", "--short", "HEAD"));
	TRY(GIT_LINE(&git, &dir, "rev-parse", "--absolute-git-dir"));
	for (size_t i = 0; i < ARRAY_LEN(under_way); i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", dir, under_way[i].file);
		bool there;

		user_enter(&s->user);
		there = !lstat(path, &st);
		user_leave(&s->user);
		if (there)
			note(s, "the repository is in the middle of %s: its files go along as they are now",
			     under_way[i].what);
	}
	return NULL;
}

/* --------------------------------------------------------------------------------------- files */

struct listing {
	struct workspace_source *s;
	const struct workspace_wish *wish;
};

static struct fault *list_tracked(struct listing *l, const char *prefix, int depth);

/* A submodule that was never checked out is an empty directory. */
static struct fault *list_submodule(struct listing *l, const char *path, int depth)
{
	AUTO_FREE char *dot_git = xasprintf("%s/%s/.git", l->s->root, path);
	AUTO_FREE char *prefix = xasprintf("%s/", path);
	struct stat st;
	bool there;

	user_enter(&l->s->user);
	there = !lstat(dot_git, &st);
	user_leave(&l->s->user);
	if (l->wish->no_submodules || !there || depth > SUBMODULES_DEEP) {
		strings_add(&l->s->submodules_left, path);
		return NULL;
	}
	return list_tracked(l, prefix, depth);
}

/* "H 100644 <oid> <stage>\t<path>"; the letter S: not in the working tree on purpose. */
static struct fault *add_tracked(struct listing *l, const char *prefix, const char *record,
				 int depth)
{
	const char *tab = strchr(record, '\t');
	AUTO_FREE char *path = NULL;
	struct tree_entry *e;
	unsigned int mode;
	char letter;

	if (!tab || sscanf(record, "%c %o ", &letter, &mode) != 2)
		return fault_new(F_TOOL, "git listed '%.100s'", record);
	path = xasprintf("%s%s", prefix, tab + 1);
	if (mode == 0160000)
		return list_submodule(l, path, depth + 1);
	e = tree_list_add(&l->s->files, path);
	e->optional = letter == 'S' || l->wish->mode == WORKSPACE_METADATA_ONLY;
	return NULL;
}

static struct fault *list_tracked(struct listing *l, const char *prefix, int depth)
{
	AUTO_FREE char *cwd = xasprintf("%s/%s", l->s->root, prefix);
	const struct git git = { .as = &l->s->user, .cwd = cwd };
	AUTO_BUF out = BUF_INIT;

	TRY(GIT(&git, &out, "ls-files", "-z", "-s", "-t"));
	for (size_t at = 0; at < out.len; at += strlen(out.data + at) + 1)
		TRY(add_tracked(l, prefix, out.data + at, depth));
	return NULL;
}

/* A file that `workspace export --apply` was killed over. */
static bool is_half_made(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !strncmp(slash ? slash + 1 : path, TREE_TEMP, strlen(TREE_TEMP));
}

static struct fault *list_untracked(struct listing *l)
{
	const struct git git = workspace_source_git(l->s);
	bool wanted = l->wish->untracked || l->wish->mode == WORKSPACE_FULL_COPY;
	AUTO_BUF out = BUF_INIT;

	TRY(GIT(&git, &out, "ls-files", "-z", "-o", "--exclude-standard"));
	for (size_t at = 0; at < out.len; at += strlen(out.data + at) + 1) {
		const char *path = out.data + at;

		if (is_half_made(path))
			continue;
		if (!wanted || path[strlen(path) - 1] == '/') /* another repository */
			l->s->untracked_left++;
		else
			tree_list_add(&l->s->files, path);
	}
	return NULL;
}

/* A directory without a repository: everything in it. */
static struct fault *list_everything(struct workspace_source *s)
{
	const struct tree_list none = { 0 };
	AUTO_BUF out = BUF_INIT;
	AUTO_FD dir = -1;
	struct fault *f;

	user_enter(&s->user);
	f = dir_open(AT_FDCWD, s->root, &dir);
	if (!f)
		f = tree_compare(dir, &none, true, &out);
	user_leave(&s->user);
	TRY(f);
	for (size_t at = 0; at < out.len; at += strlen(out.data + at) + 1) {
		int used = 0;
		unsigned int mode;
		unsigned long long size;

		if (sscanf(out.data + at, "N %o %llu %n", &mode, &size, &used) == 2 && used)
			tree_list_add(&s->files, out.data + at + used);
	}
	return NULL;
}

/* A file in conflict is in the index several times. */
static void drop_doubles(struct tree_list *l)
{
	size_t n = 0;

	tree_list_sort(l);
	for (size_t i = 0; i < l->n; i++) {
		if (n && !strcmp(l->v[n - 1].path, l->v[i].path))
			free(l->v[i].path);
		else
			l->v[n++] = l->v[i];
	}
	l->n = n;
}

static struct fault *list_repository(const struct workspace_wish *w, struct workspace_source *s)
{
	struct listing l = { .s = s, .wish = w };
	bool one;

	TRY(list_tracked(&l, "", 0));
	TRY(list_untracked(&l));
	one = s->submodules_left.n == 1;
	if (s->submodules_left.n)
		note(s, "%zu submodule%s behind%s", s->submodules_left.n,
		     one ? " stays" : "s stay",
		     w->no_submodules ? ""
		     : one	      ? ": it is not checked out here"
				      : ": they are not checked out here");
	if (!s->untracked_left)
		return NULL;
	one = s->untracked_left == 1;
	if (w->untracked || w->mode == WORKSPACE_FULL_COPY)
		note(s, "%llu untracked director%s behind, with a repository of %s own",
		     (unsigned long long)s->untracked_left, one ? "y stays" : "ies stay",
		     one ? "its" : "their");
	else
		note(s, "%llu untracked file%s behind; --include-untracked sends %s, too",
		     (unsigned long long)s->untracked_left, one ? " stays" : "s stay",
		     one ? "it" : "them");
	return NULL;
}

static struct fault *check_from(const struct workspace_wish *w, struct workspace_source *s)
{
	const struct git git = workspace_source_git(s);
	AUTO_FREE char *revision = w->from ? xasprintf("%s^{commit}", w->from) : NULL;
	AUTO_FREE char *valid = NULL;
	AUTO_FREE char *commit = NULL;
	AUTO_FAULT bad = NULL;

	if (!w->branch)
		return NULL;
	bad = GIT_ASK(&git, &valid, "check-ref-format", "--branch", w->branch);
	if (bad || !valid || strcmp(valid, w->branch))
		return fault_new(F_INVALID, "'%s' cannot be the name of a branch", w->branch);
	if (w->from) {
		TRY(GIT_ASK(&git, &commit, "rev-parse", "--verify", "-q", "--end-of-options", revision));
		if (!commit)
			return fault_new(F_INVALID, "--from: '%s' is no commit of '%s'", w->from, s->root);
		free(s->head);
		s->head = steal_ptr(&commit);
	} else if (!s->head) {
		return fault_new(F_INVALID, "'%s' has no commit yet that a branch could start from",
				 s->root);
	}
	free(s->branch);
	s->branch = xstrdup(w->branch);
	return NULL;
}

/* With --from it is that commit's files that go along, not the working tree's. */
static struct fault *list_commit(struct workspace_source *s)
{
	const struct git git = workspace_source_git(s);
	AUTO_BUF out = BUF_INIT;

	tree_list_release(&s->files);
	strings_release(&s->notes);
	s->untracked_left = 0;
	TRY(GIT(&git, &out, "ls-tree", "-r", "-z", "--full-tree", s->head));
	for (size_t at = 0; at < out.len; at += strlen(out.data + at) + 1) {
		const char *tab = strchr(out.data + at, '\t');

		if (tab && strncmp(out.data + at, "160000", 6))
			tree_list_add(&s->files, tab + 1);
	}
	return NULL;
}

struct fault *workspace_source_find(const struct workspace_wish *w, struct workspace_source *s)
{
	static const char *const tools[] = { ".mise.toml", "mise.toml", ".tool-versions" };

	*s = WORKSPACE_SOURCE_INIT;
	user_real(&s->user);
	TRY(find_root(w, s));
	TRY(find_repository(w, s));
	if (s->repository) {
		TRY(find_state(s));
		TRY(list_repository(w, s));
		TRY(check_from(w, s));
		if (w->from)
			TRY(list_commit(s));
	} else {
		TRY(list_everything(s));
	}
	drop_doubles(&s->files);
	for (size_t i = 0; i < ARRAY_LEN(tools); i++)
		s->bootstrap |= tree_list_find(&s->files, tools[i]) != NULL;
	return NULL;
}

/* ------------------------------------------------------------------------------------- reading */

static bool is_lfs_pointer(int parent, const char *last, uint64_t size)
{
	static const char head[] = "version https://git-lfs.github.com/spec/";
	char text[sizeof(head)] = "";
	AUTO_FD fd = -1;

	if (size < sizeof(head) || size > 1024)
		return false;
	fd = openat(parent, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 && read(fd, text, sizeof(head) - 1) == sizeof(head) - 1 &&
	       !strcmp(text, head);
}

/* *@there: a file or link that can be sent. */
static struct fault *read_file(int root, struct tree_entry *e, bool *there, bool *lfs)
{
	AUTO_FD parent = -1;
	const char *last;
	struct stat st;
	struct fault *f = tree_open_parent(root, e->path, false, &parent, &last);

	*there = false;
	if (f && (fault_errno(f) == ENOENT || fault_kind(f) == F_CORRUPT)) {
		fault_free(f);
		return NULL;
	}
	TRY(f);
	if (fstatat(parent, last, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? NULL : fault_sys(F_SYS, "'%s'", e->path);
	TRY(tree_entry_examine(parent, last, e->path, &st, &e->mode, &e->size, e->oid));
	*there = e->mode != 0;
	*lfs |= *there && is_lfs_pointer(parent, last, e->size);
	return NULL;
}

static struct fault *read_files(struct workspace_source *s, int root)
{
	bool lfs = false;
	size_t n = 0;

	for (size_t i = 0; i < s->files.n; i++) {
		struct tree_entry *e = &s->files.v[i];
		bool there = false;
		struct fault *f = cancel_check();

		if (!f)
			f = read_file(root, e, &there, &lfs);
		if (f) { /* the rest moves up, so that everything has one owner */
			memmove(&s->files.v[n], e, (s->files.n - i) * sizeof(*e));
			s->files.n -= i - n;
			return f;
		}
		if (!there && !e->optional)
			free(e->path);
		else
			s->files.v[n++] = *e;
	}
	s->files.n = n;
	if (lfs)
		note(s, "some files are pointers of Git LFS, not their content");
	return NULL;
}

struct fault *workspace_source_read(struct workspace_source *s)
{
	AUTO_FD root = -1;
	struct fault *f;

	user_enter(&s->user);
	f = dir_open(AT_FDCWD, s->root, &root);
	if (!f)
		f = read_files(s, root);
	user_leave(&s->user);
	return fault_wrap(f, "workspace '%s'", s->root);
}
