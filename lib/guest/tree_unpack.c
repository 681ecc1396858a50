/* SPDX-License-Identifier: MIT */
/* tree_unpack.c - an archive becomes files below a directory; see tree.h for what it may not do. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/tree.h"

#define DIRECTORIES_MAX 1000000

/* A directory gets its mode and time last: what is made in it changes the one and needs the other. */
struct made_directory {
	char *name; /* owned */
	mode_t mode;
	struct timespec mtime;
};

struct unpack {
	int dir;
	struct tar_reader *reader;
	struct tree_unpack *options;
	struct made_directory *directories;
	size_t n_directories, room;
	char *parent_name; /* of the descriptor below; owned; NULL = none */
	int parent;
	uint64_t bytes, entries;
	char temp[sizeof(TREE_TEMP) + 24];
};

static void forget_parent(struct unpack *u)
{
	fd_close(u->parent);
	u->parent = -1;
	free(u->parent_name);
	u->parent_name = NULL;
}

static void unpack_release(struct unpack *u)
{
	forget_parent(u);
	for (size_t i = 0; i < u->n_directories; i++)
		free(u->directories[i].name);
	free(u->directories);
}

/* Entries of one directory follow each other: it is looked up once. */
static struct fault *enter_parent(struct unpack *u, const char *name, const char **last)
{
	const char *slash = strrchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) : 0;

	if (u->parent_name && strlen(u->parent_name) == len &&
	    !memcmp(u->parent_name, name, len)) {
		*last = slash ? slash + 1 : name;
		return NULL;
	}
	forget_parent(u);
	TRY(tree_open_parent(u->dir, name, true, &u->parent, last));
	u->parent_name = xstrndup(name, len);
	return NULL;
}

static mode_t mode_of(const struct unpack *u, const struct tar_item *item)
{
	mode_t mask = u->options->mode_mask ? u->options->mode_mask : 07777;

	return item->mode & mask;
}

static void times_of(const struct tar_item *item, struct timespec times[2])
{
	times[0] = (struct timespec){ .tv_nsec = UTIME_NOW };
	times[1] = (struct timespec){ .tv_sec = (time_t)item->mtime_sec,
				      .tv_nsec = (long)item->mtime_nsec };
}

/* --------------------------------------------------------------------------------------- files */

static struct fault *write_at(int fd, const char *data, size_t len, uint64_t offset,
			      const char *name)
{
	while (len) {
		ssize_t n = pwrite(fd, data, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "writing '%s'", name);
		data += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return NULL;
}

static struct fault *copy_data(struct unpack *u, int fd, const struct tar_item *item,
			       const char *name)
{
	const void *data;
	uint64_t offset, end = 0;
	size_t len;

	for (;;) {
		TRY(tar_reader_data(u->reader, &data, &len, &offset));
		if (!len)
			break;
		u->bytes += len;
		if (u->options->max_bytes && u->bytes > u->options->max_bytes)
			return fault_new(F_CORRUPT, "'%s': there is more than the %llu bytes that "
					 "are accepted", name,
					 (unsigned long long)u->options->max_bytes);
		TRY(write_at(fd, data, len, offset, name));
		end = offset + len;
	}
	if (end < item->size && ftruncate(fd, (off_t)item->size))
		return fault_sys(F_SYS, "writing '%s'", name);
	return NULL;
}

static int open_temp(struct unpack *u)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(u->parent, u->temp, flags, 0600);

	/* Left by a process that had our number and was killed. */
	if (fd < 0 && errno == EEXIST && !unlinkat(u->parent, u->temp, 0))
		fd = openat(u->parent, u->temp, flags, 0600);
	return fd;
}

static struct fault *replace(struct unpack *u, const char *last, const char *name)
{
	if (!renameat(u->parent, u->temp, u->parent, last))
		return NULL;
	if (errno == EISDIR || errno == ENOTEMPTY || errno == EEXIST)
		return fault_new(F_EXISTS, "'%s': a directory is in the way", name);
	return fault_sys(F_SYS, "making '%s'", name);
}

static struct fault *fill_file(struct unpack *u, int fd, const struct tar_item *item,
			       const char *name)
{
	struct timespec times[2];

	times_of(item, times);
	TRY(copy_data(u, fd, item, name));
	if (fchmod(fd, mode_of(u, item)))
		return fault_sys(F_SYS, "setting the mode of '%s'", name);
	if (futimens(fd, times))
		return fault_sys(F_SYS, "setting the time of '%s'", name);
	return NULL;
}

static struct fault *make_file(struct unpack *u, const struct tar_item *item, const char *name,
			       const char *last)
{
	AUTO_FD fd = open_temp(u);
	struct fault *f;

	if (fd < 0)
		return fault_sys(F_SYS, "making '%s'", name);
	f = fill_file(u, fd, item, name);
	if (!f)
		f = replace(u, last, name);
	if (f)
		unlinkat(u->parent, u->temp, 0);
	return f;
}

/* --------------------------------------------------------------------------------------- links */

static struct fault *make_symlink(struct unpack *u, const struct tar_item *item, const char *name,
				  const char *last)
{
	struct timespec times[2];
	struct fault *f = NULL;

	if (!*item->link)
		return fault_new(F_CORRUPT, "'%s': a symbolic link without a target", name);
	if (symlinkat(item->link, u->parent, last)) {
		if (errno != EEXIST)
			return fault_sys(F_SYS, "making '%s'", name);
		unlinkat(u->parent, u->temp, 0);
		if (symlinkat(item->link, u->parent, u->temp))
			return fault_sys(F_SYS, "making '%s'", name);
		f = replace(u, last, name);
		if (f) {
			unlinkat(u->parent, u->temp, 0);
			return f;
		}
	}
	times_of(item, times);
	utimensat(u->parent, last, times, AT_SYMLINK_NOFOLLOW);
	return NULL;
}

/* To a file that an earlier entry made: its name is as confined as any other. */
static struct fault *make_hardlink(struct unpack *u, const struct tar_item *item, const char *name,
				   const char *last)
{
	AUTO_FREE char *target = NULL;
	const char *target_last;
	AUTO_FD from = -1;
	struct stat st;

	TRY(tree_name(item->link, &target));
	if (!*target)
		return fault_new(F_CORRUPT, "'%s': a hard link to nothing", name);
	TRY(tree_open_parent(u->dir, target, false, &from, &target_last));
	if (fstatat(from, target_last, &st, AT_SYMLINK_NOFOLLOW))
		return fault_sys(F_SYS, "'%s': a link to '%s'", name, target);
	if (S_ISDIR(st.st_mode))
		return fault_new(F_CORRUPT, "'%s': a hard link to a directory", name);
	unlinkat(u->parent, u->temp, 0);
	if (linkat(from, target_last, u->parent, u->temp, 0))
		return fault_sys(F_SYS, "'%s': a link to '%s'", name, target);
	TRY(replace(u, last, name));
	unlinkat(u->parent, u->temp, 0); /* rename() of two names of one file does nothing */
	return NULL;
}

/* --------------------------------------------------------------------------------- directories */

static struct fault *remember_directory(struct unpack *u, const struct tar_item *item,
					const char *name)
{
	struct made_directory *d;

	if (u->n_directories == DIRECTORIES_MAX)
		return fault_new(F_CORRUPT, "there are more than %d directories", DIRECTORIES_MAX);
	if (u->n_directories == u->room) {
		u->room = u->room ? 2 * u->room : 64;
		u->directories = xrealloc_array(u->directories, u->room, sizeof(*d));
	}
	d = &u->directories[u->n_directories++];
	d->name = xstrdup(name);
	d->mode = mode_of(u, item);
	d->mtime = (struct timespec){ .tv_sec = (time_t)item->mtime_sec,
				      .tv_nsec = (long)item->mtime_nsec };
	return NULL;
}

static struct fault *make_directory(struct unpack *u, const struct tar_item *item, const char *name,
				    const char *last)
{
	struct stat st;

	if (mkdirat(u->parent, last, 0700)) {
		if (errno != EEXIST)
			return fault_sys(F_SYS, "making directory '%s'", name);
		if (fstatat(u->parent, last, &st, AT_SYMLINK_NOFOLLOW))
			return fault_sys(F_SYS, "making directory '%s'", name);
		if (!S_ISDIR(st.st_mode))
			return fault_new(F_EXISTS, "'%s': what is there is no directory", name);
	}
	return remember_directory(u, item, name);
}

static void settle_directories(struct unpack *u)
{
	while (u->n_directories) {
		struct made_directory *d = &u->directories[--u->n_directories];
		const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, d->mtime };
		AUTO_FREE char *inside = *d->name ? xasprintf("%s/.", d->name) : xstrdup(".");
		AUTO_FD fd = -1;
		const char *last;
		struct fault *f = tree_open_parent(u->dir, inside, false, &fd, &last);

		/* It may have been replaced by a later entry. */
		if (!f && !fchmod(fd, d->mode))
			futimens(fd, times);
		fault_free(f);
		free(d->name);
	}
}

/* ------------------------------------------------------------------------------------- removal */

static struct fault *remove_tree(int parent, const char *last, const char *name);

static struct fault *remove_inside(int parent, const char *last, const char *name)
{
	int fd = openat(parent, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_DIR dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		fd_close(fd);
		return fault_sys(F_SYS, "removing '%s'", name);
	}
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			TRY(remove_tree(dirfd(dir), e->d_name, name));
	return NULL;
}

static struct fault *remove_tree(int parent, const char *last, const char *name)
{
	if (!unlinkat(parent, last, 0) || errno == ENOENT)
		return NULL;
	if (errno == EISDIR || errno == EPERM) {
		TRY(remove_inside(parent, last, name));
		if (!unlinkat(parent, last, AT_REMOVEDIR) || errno == ENOENT)
			return NULL;
	}
	return fault_sys(F_SYS, "removing '%s'", name);
}

/* As git does: a directory goes with the last file in it. */
static void remove_empty_parents(int dir, const char *name)
{
	AUTO_FREE char *path = xstrdup(name);
	char *slash;

	while ((slash = strrchr(path, '/'))) {
		AUTO_FD parent = -1;
		const char *last;
		struct fault *f;

		*slash = '\0';
		f = tree_open_parent(dir, path, false, &parent, &last);
		if (f || unlinkat(parent, last, AT_REMOVEDIR)) {
			fault_free(f);
			return;
		}
	}
}

/* What is no longer there is removed already; so is what lies below something else than a directory. */
static struct fault *remove_entry(struct unpack *u, const char *name)
{
	AUTO_FD parent = -1;
	const char *last;
	struct fault *f = tree_open_parent(u->dir, name, false, &parent, &last);

	forget_parent(u);
	if (f && (fault_errno(f) == ENOENT || fault_kind(f) == F_CORRUPT)) {
		fault_free(f);
		return NULL;
	}
	if (!f)
		f = remove_tree(parent, last, name);
	if (!f)
		remove_empty_parents(u->dir, name);
	return f;
}

/* ------------------------------------------------------------------------------------- entries */

static struct fault *make_entry(struct unpack *u, const struct tar_item *item, const char *name)
{
	const char *last;

	if (item->kind == TAR_SPECIAL) {
		u->options->skipped++;
		return u->options->fail_special
			       ? fault_new(F_UNSUPPORTED, "'%s' is a device or a pipe", name)
			       : NULL;
	}
	if (!*name) /* "." itself */
		return item->kind == TAR_DIRECTORY ? remember_directory(u, item, name)
						   : fault_new(F_CORRUPT, "an entry has no name");
	if (item->kind == TAR_REMOVE)
		return u->options->allow_remove
			       ? remove_entry(u, name)
			       : fault_new(F_CORRUPT, "'%s': the archive asks for a removal", name);
	TRY(enter_parent(u, name, &last));
	switch (item->kind) {
	case TAR_DIRECTORY:
		return make_directory(u, item, name, last);
	case TAR_SYMLINK:
		return make_symlink(u, item, name, last);
	case TAR_HARDLINK:
		return make_hardlink(u, item, name, last);
	default:
		return make_file(u, item, name, last);
	}
}

static struct fault *check_entry(struct unpack *u, const struct tar_item *item, const char *name)
{
	struct tree_unpack *o = u->options;

	if (o->max_entries && ++u->entries > o->max_entries)
		return fault_new(F_CORRUPT, "there are more than the %llu entries that are accepted",
				 (unsigned long long)o->max_entries);
	if (o->max_bytes && item->size > o->max_bytes)
		return fault_new(F_CORRUPT, "'%s' is larger than the %llu bytes that are accepted",
				 name, (unsigned long long)o->max_bytes);
	return o->check ? o->check(o->context, item, name) : NULL;
}

static struct fault *unpack_all(struct unpack *u)
{
	struct tar_item item;
	bool end;

	for (;;) {
		AUTO_FREE char *name = NULL;

		TRY(tar_reader_next(u->reader, &item, &end));
		if (end)
			return tar_reader_drain(u->reader);
		TRY(tree_name(item.path, &name));
		TRY(check_entry(u, &item, name));
		TRY(make_entry(u, &item, name));
	}
}

struct fault *tree_unpack(int dir, struct tar_reader *r, struct tree_unpack *options)
{
	struct unpack u = { .dir = dir, .reader = r, .options = options, .parent = -1 };
	struct fault *f;

	if (options->temp)
		snprintf(u.temp, sizeof(u.temp), TREE_TEMP "%.16s", options->temp);
	else
		snprintf(u.temp, sizeof(u.temp), TREE_TEMP "%d", (int)getpid());
	f = unpack_all(&u);
	settle_directories(&u);
	unpack_release(&u);
	return f;
}
