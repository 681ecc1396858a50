/* SPDX-License-Identifier: MIT */
#include "guest/tree_compare.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/tree.h"

/* --------------------------------------------------------------------------------------- lists */

struct tree_entry *tree_list_add(struct tree_list *l, const char *path)
{
	struct tree_entry *e;

	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 256;
		l->v = xrealloc_array(l->v, l->room, sizeof(*l->v));
	}
	e = &l->v[l->n++];
	*e = (struct tree_entry){ .path = xstrdup(path) };
	return e;
}

void tree_list_release(struct tree_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].path);
	free(l->v);
	*l = (struct tree_list){ 0 };
}

static int by_path(const void *a, const void *b)
{
	const struct tree_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

void tree_list_sort(struct tree_list *l)
{
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_path);
}

struct tree_entry *tree_list_find(const struct tree_list *l, const char *path)
{
	struct tree_entry wanted = { .path = (char *)(uintptr_t)path };

	return l->n ? bsearch(&wanted, l->v, l->n, sizeof(*l->v), by_path) : NULL;
}

void tree_list_write(const struct tree_list *l, struct buf *b)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct tree_entry *e = &l->v[i];

		buf_addf(b, "%o %llu %s %c %s", e->mode, (unsigned long long)e->size, e->oid,
			 e->optional ? 'o' : 'r', e->path);
		buf_addc(b, '\0');
	}
}

static bool read_entry(const char *text, struct tree_list *l)
{
	unsigned long long size;
	unsigned int mode;
	char oid[TREE_OID_HEX + 1], flag;
	struct tree_entry *e;
	int used = 0;

	if (sscanf(text, "%o %llu %40[0-9a-f] %c %n", &mode, &size, oid, &flag, &used) != 4 ||
	    !used || text[used - 1] != ' ' || !text[used])
		return false;
	e = tree_list_add(l, text + used);
	e->mode = mode;
	e->size = size;
	e->optional = flag == 'o';
	memcpy(e->oid, oid, sizeof(oid));
	return true;
}

struct fault *tree_list_read(const char *data, size_t len, struct tree_list *l)
{
	for (size_t at = 0; at < len;) {
		size_t n = strnlen(data + at, len - at);

		if (at + n == len || !read_entry(data + at, l))
			return fault_new(F_CORRUPT, "the list of files is malformed");
		at += n + 1;
	}
	tree_list_sort(l);
	return NULL;
}

/* ----------------------------------------------------------------------------------- comparing */

struct compare {
	const struct tree_list *list;
	bool *seen;
	struct buf *out;
};

static uint32_t git_mode(mode_t mode)
{
	if (S_ISLNK(mode))
		return 0120000;
	return !S_ISREG(mode) ? 0 : mode & 0100 ? 0100755 : 0100644;
}

static struct fault *hash_link(int parent, const char *last, const char *name, uint64_t *size,
			       char *oid)
{
	char target[TAR_PATH_MAX + 2];
	ssize_t n = readlinkat(parent, last, target, sizeof(target));
	struct tree_hash h;

	if (n < 0)
		return fault_sys(F_SYS, "reading link '%s'", name);
	*size = (uint64_t)n;
	tree_hash_start(&h, (uint64_t)n);
	tree_hash_add(&h, target, (size_t)n);
	tree_hash_finish(&h, oid);
	return NULL;
}

struct fault *tree_entry_examine(int parent, const char *last, const char *name,
				 const struct stat *st, uint32_t *mode, uint64_t *size, char *oid)
{
	AUTO_FD fd = -1;

	*mode = git_mode(st->st_mode);
	*size = (uint64_t)st->st_size;
	if (!*mode || !oid)
		return NULL;
	if (*mode == 0120000)
		return hash_link(parent, last, name, size, oid);
	fd = openat(parent, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return fault_sys(F_SYS, "reading '%s'", name);
	return tree_hash_fd(fd, *size, name, oid);
}

static void say(struct buf *out, char what, uint32_t mode, uint64_t size, const char *name)
{
	buf_addf(out, "%c %o %llu %s", what, mode, (unsigned long long)size, name);
	buf_addc(out, '\0');
}

static struct fault *compare_file(struct compare *c, int parent, const char *last,
				  const char *name, const struct stat *st)
{
	const struct tree_entry *e = tree_list_find(c->list, name);
	char oid[TREE_OID_HEX + 1];
	uint32_t mode;
	uint64_t size;

	TRY(tree_entry_examine(parent, last, name, st, &mode, &size, NULL));
	if (!mode)
		return NULL;
	if (!e) {
		say(c->out, 'N', mode, size, name);
		return NULL;
	}
	c->seen[e - c->list->v] = true;
	if (mode == e->mode && size == e->size) {
		TRY(tree_entry_examine(parent, last, name, st, &mode, &size, oid));
		if (!strcmp(oid, e->oid))
			return NULL;
	}
	say(c->out, 'M', mode, size, name);
	return NULL;
}

static bool passed_over(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, ".git") ||
	       !strncmp(name, TREE_TEMP, strlen(TREE_TEMP));
}

static struct fault *walk(struct compare *c, int parent, const char *last, const char *name)
{
	int fd = openat(parent, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_DIR dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;

	if (!dir) {
		fd_close(fd);
		return errno == ENOENT ? NULL : fault_sys(F_SYS, "directory '%s'", name);
	}
	while ((e = readdir(dir))) {
		AUTO_FREE char *path = *name ? xasprintf("%s/%s", name, e->d_name)
					     : xstrdup(e->d_name);
		struct fault *f = NULL;

		if (passed_over(e->d_name) || strlen(path) > TAR_PATH_MAX ||
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (S_ISDIR(st.st_mode))
			f = walk(c, dirfd(dir), e->d_name, path);
		else
			f = compare_file(c, dirfd(dir), e->d_name, path, &st);
		if (f && fault_errno(f) != ENOENT)
			return f;
		fault_free(f);
		if (c->out->len > TREE_COMPARE_MAX)
			return fault_new(F_STATE, "there are too many changed files");
	}
	return NULL;
}

static struct fault *look_up(struct compare *c, int dir, const char *path)
{
	AUTO_FD parent = -1;
	const char *last;
	struct stat st;
	struct fault *f = tree_open_parent(dir, path, false, &parent, &last);

	/* Without its directory, or below a file, it is not there. */
	if (f) {
		bool absent = fault_errno(f) == ENOENT || fault_kind(f) == F_CORRUPT;

		if (!absent)
			return f;
		fault_free(f);
		return NULL;
	}
	if (fstatat(parent, last, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? NULL : fault_sys(F_SYS, "'%s'", path);
	return compare_file(c, parent, last, path, &st);
}

struct fault *tree_compare(int dir, const struct tree_list *l, bool all, struct buf *out)
{
	AUTO_FREE bool *seen = xcalloc(l->n + 1, sizeof(*seen));
	struct compare c = { l, seen, out };

	if (all)
		TRY(walk(&c, dir, ".", ""));
	for (size_t i = 0; i < l->n && !all; i++)
		TRY(look_up(&c, dir, l->v[i].path));
	for (size_t i = 0; i < l->n; i++) {
		if (seen[i] || l->v[i].optional)
			continue;
		buf_addf(out, "D %s", l->v[i].path);
		buf_addc(out, '\0');
	}
	return NULL;
}
