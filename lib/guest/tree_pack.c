/* SPDX-License-Identifier: MIT */
/* tree_pack.c - files below a directory become an archive. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/tree.h"

#define CHUNK	   65536
#define RANGES_MAX 99999

struct pack {
	struct tar_writer *writer;
	struct tree_pack *options;
};

static struct fault *pack_entry(struct pack *p, int parent, const char *last, const char *name);

static void item_of(const struct stat *st, const char *name, struct tar_item *item)
{
	*item = (struct tar_item){ .path = name, .mode = st->st_mode & 07777, .uid = st->st_uid,
				   .gid = st->st_gid, .mtime_sec = st->st_mtim.tv_sec,
				   .mtime_nsec = (uint32_t)st->st_mtim.tv_nsec };
}

/* --------------------------------------------------------------------------------------- files */

/* The parts that hold data; NULL when the whole file does or when nobody can tell. */
static struct tar_range *find_ranges(int fd, const struct stat *st, size_t *n)
{
	struct tar_range *ranges = NULL;
	off_t at = 0, end;

	*n = 0;
	if ((off_t)st->st_blocks * 512 >= st->st_size)
		return NULL;
	ranges = xcalloc(1, sizeof(*ranges));
	while (at < st->st_size && (at = lseek(fd, at, SEEK_DATA)) >= 0 && at < st->st_size) {
		end = lseek(fd, at, SEEK_HOLE);
		if (end < 0 || *n == RANGES_MAX) {
			free(ranges);
			return NULL;
		}
		if (end > st->st_size)
			end = st->st_size;
		ranges = xrealloc_array(ranges, *n + 1, sizeof(*ranges));
		ranges[(*n)++] = (struct tar_range){ (uint64_t)at, (uint64_t)(end - at) };
		at = end;
	}
	return ranges;
}

static struct fault *copy_range(struct pack *p, int fd, struct tar_range range, const char *name)
{
	char data[CHUNK];

	while (range.len) {
		size_t want = range.len < sizeof(data) ? (size_t)range.len : sizeof(data);
		ssize_t n = pread(fd, data, want, (off_t)range.offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "reading '%s'", name);
		if (!n)
			return fault_new(F_STATE, "'%s' became shorter while it was read", name);
		TRY(tar_writer_data(p->writer, data, (size_t)n));
		range.offset += (uint64_t)n;
		range.len -= (uint64_t)n;
	}
	return NULL;
}

static struct fault *pack_file(struct pack *p, int parent, const char *last, const char *name)
{
	AUTO_FD fd = openat(parent, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_FREE struct tar_range *ranges = NULL;
	struct tar_item item;
	struct stat st;
	size_t n = 0;

	if (fd < 0 || fstat(fd, &st))
		return fault_sys(F_SYS, "reading '%s'", name);
	if (!S_ISREG(st.st_mode))
		return fault_new(F_STATE, "'%s' was replaced while it was read", name);
	item_of(&st, name, &item);
	item.kind = TAR_FILE;
	item.size = (uint64_t)st.st_size;
	ranges = find_ranges(fd, &st, &n);
	TRY(tar_writer_add(p->writer, &item, ranges, n));
	if (!ranges)
		return copy_range(p, fd, (struct tar_range){ 0, item.size }, name);
	for (size_t i = 0; i < n; i++)
		TRY(copy_range(p, fd, ranges[i], name));
	return NULL;
}

static struct fault *pack_symlink(struct pack *p, int parent, const char *last, const char *name,
				  const struct stat *st)
{
	char target[TAR_PATH_MAX + 2];
	ssize_t n = readlinkat(parent, last, target, sizeof(target));
	struct tar_item item;

	if (n < 0)
		return fault_sys(F_SYS, "reading link '%s'", name);
	target[(size_t)n < sizeof(target) ? (size_t)n : sizeof(target) - 1] = '\0';
	item_of(st, name, &item);
	item.kind = TAR_SYMLINK;
	item.mode = 0777;
	item.link = target;
	return tar_writer_add(p->writer, &item, NULL, 0);
}

/* --------------------------------------------------------------------------------- directories */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* @fd is taken over. */
static struct fault *read_names(int fd, const char *name, struct strings *names)
{
	AUTO_DIR dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		fd_close(fd);
		return fault_sys(F_SYS, "reading directory '%s'", name);
	}
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") &&
		    strncmp(e->d_name, TREE_TEMP, strlen(TREE_TEMP)))
			strings_add(names, e->d_name);
	if (names->n)
		qsort(names->v, names->n, sizeof(*names->v), by_name);
	return NULL;
}

static struct fault *pack_inside(struct pack *p, int dir, const char *name)
{
	struct strings names = { 0 };
	struct fault *f = read_names(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), name,
				     &names);

	for (size_t i = 0; i < names.n && !f; i++) {
		AUTO_FREE char *path = *name ? xasprintf("%s/%s", name, names.v[i])
					     : xstrdup(names.v[i]);

		f = pack_entry(p, dir, names.v[i], path);
		if (f && fault_errno(f) == ENOENT) { /* removed meanwhile */
			fault_free(f);
			f = NULL;
		}
	}
	strings_release(&names);
	return f;
}

static struct fault *pack_directory(struct pack *p, int parent, const char *last, const char *name)
{
	AUTO_FD fd = openat(parent, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct tar_item item;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return fault_sys(F_SYS, "reading directory '%s'", name);
	if (*name) {
		item_of(&st, name, &item);
		item.kind = TAR_DIRECTORY;
		TRY(tar_writer_add(p->writer, &item, NULL, 0));
	}
	return p->options->no_recurse ? NULL : pack_inside(p, fd, name);
}

static struct fault *pack_entry(struct pack *p, int parent, const char *last, const char *name)
{
	struct stat st;

	if (fstatat(parent, last, &st, AT_SYMLINK_NOFOLLOW))
		return fault_sys(F_SYS, "'%s'", *name ? name : last);
	if (S_ISDIR(st.st_mode))
		return pack_directory(p, parent, last, name);
	if (!*name)
		return fault_new(F_INVALID, "'%s' is no directory", last);
	if (S_ISREG(st.st_mode))
		return pack_file(p, parent, last, name);
	if (S_ISLNK(st.st_mode) && !p->options->no_links)
		return pack_symlink(p, parent, last, name, &st);
	p->options->skipped++;
	return NULL;
}

struct fault *tree_pack(struct tar_writer *w, int dir, const char *path, struct tree_pack *options)
{
	struct pack p = { w, options };
	AUTO_FD parent = -1;
	const char *last;

	if (!strcmp(path, "."))
		return pack_entry(&p, dir, ".", options->as);
	TRY(tree_open_parent(dir, path, false, &parent, &last));
	return pack_entry(&p, parent, last, options->as);
}
