/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>

#define TEMP_MARK	".tmp-"
#define RECORD_SIZE_MAX (1u << 20)

struct fault *file_temp(int dir, const char *name, mode_t mode, char **temp_name, int *fd)
{
	for (int tries = 0; tries < 100; tries++) {
		AUTO_FREE char *candidate = NULL;
		uint64_t random_bits;
		int got;

		if (getrandom(&random_bits, sizeof(random_bits), 0) != sizeof(random_bits))
			return fault_sys(F_SYS, "reading random bytes");
		candidate = xasprintf(".%s" TEMP_MARK "%016llx", name,
				      (unsigned long long)random_bits);
		got = openat(dir, candidate, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			     mode);
		if (got >= 0) {
			/* Says for as long as it is open that somebody works on it. */
			flock(got, LOCK_EX | LOCK_NB);
			*temp_name = steal_ptr(&candidate);
			*fd = got;
			return NULL;
		}
		if (errno != EEXIST)
			return fault_sys(F_SYS, "creating a temporary file for '%s'", name);
	}
	return fault_new(F_SYS, "no free name for a temporary file beside '%s'", name);
}

bool file_is_temp(const char *name)
{
	return name[0] == '.' && strstr(name, TEMP_MARK);
}

enum file_temp_state file_temp_state(int dir, const char *name)
{
	AUTO_FD fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct timespec now;
	struct stat st;
	int64_t age_ms;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return FILE_TEMP_IN_USE;
	clock_gettime(CLOCK_REALTIME, &now);
	age_ms = (int64_t)(now.tv_sec - st.st_mtim.tv_sec) * 1000 +
		 (now.tv_nsec - st.st_mtim.tv_nsec) / 1000000;
	/* From the future: the clock was set back since. */
	return age_ms >= 0 && age_ms < FILE_TEMP_YOUNG_MS ? FILE_TEMP_NEW : FILE_TEMP_ABANDONED;
}

struct fault *dir_sync(int dir, const char *what)
{
	if (fsync(dir) < 0)
		return fault_sys(F_SYS, "writing the directory of '%s' to disk", what);
	return NULL;
}

struct fault *file_publish(int dir, const char *temp_name, const char *name, int fd)
{
	if (fsync(fd) < 0)
		return fault_sys(F_SYS, "writing '%s' to disk", name);
	if (renameat(dir, temp_name, dir, name) < 0)
		return fault_sys(F_SYS, "putting '%s' into place", name);
	return dir_sync(dir, name);
}

struct fault *file_write_all(int fd, const void *data, size_t len, const char *what)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "writing %s", what);
		p += n;
		len -= (size_t)n;
	}
	return NULL;
}

struct fault *file_pwrite_all(int fd, const void *data, size_t len, off_t offset, const char *what)
{
	const char *p = data;

	while (len) {
		ssize_t n = pwrite(fd, p, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "writing %s", what);
		p += n;
		len -= (size_t)n;
		offset += n;
	}
	return NULL;
}

static struct fault *replace(int dir, const char *name, const void *data, size_t len, mode_t mode,
			     bool durable)
{
	AUTO_FREE char *temp = NULL;
	AUTO_FD fd = -1;
	struct fault *f;

	TRY(file_temp(dir, name, mode, &temp, &fd));
	f = file_write_all(fd, data, len, name);
	if (!f && durable)
		f = file_publish(dir, temp, name, fd);
	else if (!f && renameat(dir, temp, dir, name) < 0)
		f = fault_sys(F_SYS, "putting '%s' into place", name);
	if (f)
		unlinkat(dir, temp, 0); /* already renamed when only the last sync failed */
	return f;
}

struct fault *file_write_atomic(int dir, const char *name, const void *data, size_t len,
				mode_t mode)
{
	return replace(dir, name, data, len, mode, true);
}

struct fault *file_write_volatile(int dir, const char *name, const void *data, size_t len,
				  mode_t mode)
{
	return replace(dir, name, data, len, mode, false);
}

struct fault *file_read_fd(int fd, size_t max, const char *what, struct buf *out)
{
	size_t start = out->len;

	for (;;) {
		ssize_t n = read(fd, buf_grow(out, 16384), 16384);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "reading %s", what);
		if (n == 0)
			return NULL;
		out->len += (size_t)n;
		out->data[out->len] = '\0';
		if (out->len - start > max)
			return fault_new(F_CORRUPT, "%s is longer than %zu bytes", what, max);
	}
}

struct fault *file_read(int dir, const char *name, size_t max, struct buf *out)
{
	AUTO_FD fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return fault_sys(errno == ENOENT  ? F_NOT_FOUND
				 : errno == ELOOP ? F_CORRUPT
						  : F_SYS,
				 "opening '%s'", name);
	if (fstat(fd, &st) < 0)
		return fault_sys(F_SYS, "reading '%s'", name);
	if (!S_ISREG(st.st_mode))
		return fault_new(F_CORRUPT, "'%s' is not a regular file", name);
	if (st.st_size > 0)
		buf_grow(out, (size_t)st.st_size < max ? (size_t)st.st_size : max);
	return file_read_fd(fd, max, name, out);
}

bool file_is_zero(const void *data, size_t len)
{
	const char *p = data;

	return !len || (!p[0] && !memcmp(p, p + 1, len - 1));
}

/* How much of @data, which belongs at @offset, comes before the next block border; all at the end. */
static size_t to_border(size_t len, off_t offset)
{
	size_t left = FILE_SPARSE_BLOCK - (size_t)(offset % FILE_SPARSE_BLOCK);

	return left < len ? left : len;
}

struct fault *file_pwrite_sparse(int fd, const void *data, size_t len, off_t offset,
				 const char *what)
{
	const char *p = data;

	while (len) {
		size_t n = to_border(len, offset), run = 0;
		bool hole = n == FILE_SPARSE_BLOCK && file_is_zero(p, n);

		while (!hole && run < len) { /* as many blocks with data as there are */
			run += n;
			n = to_border(len - run, offset + (off_t)run);
			hole = n == FILE_SPARSE_BLOCK && file_is_zero(p + run, n);
		}
		if (run)
			TRY(file_pwrite_all(fd, p, run, offset, what));
		else
			run = n;
		p += run;
		len -= run;
		offset += (off_t)run;
	}
	return NULL;
}

struct fault *file_read_record(int dir, const char *name, const struct record_type *type,
			       const char *what, void *out)
{
	AUTO_BUF text = BUF_INIT;

	memset(out, 0, type->size);
	TRY(fault_wrap(file_read(dir, name, RECORD_SIZE_MAX, &text), "%s", what));
	return record_read(type, text.data, text.len, what, out);
}

struct fault *file_write_record(int dir, const char *name, const struct record_type *type,
				const void *record)
{
	AUTO_BUF text = BUF_INIT;

	record_write(type, record, &text);
	return file_write_atomic(dir, name, text.data, text.len, 0600);
}

struct fault *file_write_record_volatile(int dir, const char *name,
					 const struct record_type *type, const void *record)
{
	AUTO_BUF text = BUF_INIT;

	record_write(type, record, &text);
	return file_write_volatile(dir, name, text.data, text.len, 0600);
}

struct fault *dir_open(int at, const char *path, int *fd)
{
	int got = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (got < 0)
		return fault_sys(errno == ENOENT ? F_NOT_FOUND : F_SYS, "opening directory '%s'",
				 path);
	*fd = got;
	return NULL;
}

struct fault *dir_make(int dir, const char *name, mode_t mode, int *fd)
{
	if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
		return fault_sys(F_SYS, "creating directory '%s'", name);
	return dir_open(dir, name, fd);
}

struct fault *dir_make_path(const char *path, mode_t mode, int *fd)
{
	AUTO_FREE char *partial = xstrdup(path);

	for (char *slash = strchr(partial + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(partial, mode) < 0 && errno != EEXIST)
			return fault_sys(F_SYS, "creating directory '%s'", partial);
		*slash = '/';
	}
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return fault_sys(F_SYS, "creating directory '%s'", path);
	return dir_open(AT_FDCWD, path, fd);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* readdir() over a private descriptor, so that @dir's own offset stays where it is. */
static struct fault *open_listing(int dir, const char *what, DIR **out)
{
	AUTO_FD copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*out = copy < 0 ? NULL : fdopendir(copy);
	if (!*out)
		return fault_sys(F_SYS, "listing %s", what);
	steal_fd(&copy);
	return NULL;
}

struct fault *dir_names(int dir, const char *what, struct strings *out)
{
	AUTO_DIR listing = NULL;
	struct dirent *entry;
	size_t room = 0;

	TRY(open_listing(dir, what, &listing));
	*out = (struct strings){ 0 };
	while ((errno = 0, entry = readdir(listing))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (out->n + 2 > room) {
			room = room ? room * 2 : 32;
			out->v = xrealloc_array(out->v, room, sizeof(*out->v));
		}
		out->v[out->n++] = xstrdup(entry->d_name);
		out->v[out->n] = NULL;
	}
	if (errno) {
		struct fault *f = fault_sys(F_SYS, "listing %s", what);

		strings_release(out);
		return f;
	}
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), compare_names);
	return NULL;
}

static struct fault *remove_children(int dir, const char *name)
{
	AUTO_FD fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct strings names = { 0 };
	struct fault *f;

	if (fd < 0)
		return errno == ENOENT ? NULL : fault_sys(F_SYS, "opening '%s' to remove it", name);
	f = dir_names(fd, name, &names);
	for (size_t i = 0; i < names.n; i++)
		f = fault_attach(f, tree_remove(fd, names.v[i]));
	strings_release(&names);
	return f;
}

#define REMOVE_TRIES 8

struct fault *tree_remove(int dir, const char *name)
{
	struct fault *f;

	if (!unlinkat(dir, name, 0) || errno == ENOENT)
		return NULL;
	if (errno != EISDIR && errno != EPERM)
		return fault_sys(F_SYS, "removing '%s'", name);
	for (unsigned int tries = 0;; tries++) {
		f = remove_children(dir, name);
		if (!unlinkat(dir, name, AT_REMOVEDIR) || errno == ENOENT || f)
			return f;
		/* A process that has the directory open may have made a file meanwhile. */
		if (errno != ENOTEMPTY || tries == REMOVE_TRIES)
			return fault_sys(F_SYS, "removing directory '%s'", name);
	}
}
