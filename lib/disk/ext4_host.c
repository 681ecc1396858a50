/* SPDX-License-Identifier: MIT */
/* ext4_host.c - single host files as inodes (declared in ext4_tree.h). */
#include "disk/ext4_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/cancel.h"
#include "base/text.h"

#define READ_BYTES  (256 * 1024)
#define TARGET_MAX  4095
#define XATTRS_MANY (64 * 1024)

struct ext4_attr ext4_attr_of(const struct stat *st, const struct host_xattrs *x)
{
	return (struct ext4_attr){
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime_sec = st->st_mtim.tv_sec,
		.mtime_nsec = (uint32_t)st->st_mtim.tv_nsec,
		.rdev_major = major(st->st_rdev),
		.rdev_minor = minor(st->st_rdev),
		.xattrs = x ? x->items : NULL,
		.n_xattrs = x ? x->n : 0,
	};
}

/* -- extended attributes -- */

static struct fault *read_values(int fd, const char *path, const char *names, size_t names_len,
				 struct buf *values, struct host_xattrs *out)
{
	size_t n = 0;

	for (const char *p = names; p < names + names_len; p += strlen(p) + 1)
		n++;
	out->items = xcalloc(n, sizeof(*out->items));
	for (const char *p = names; p < names + names_len; p += strlen(p) + 1) {
		ssize_t len = fgetxattr(fd, p, buf_grow(values, XATTRS_MANY), XATTRS_MANY);

		if (len < 0 && (errno == ENODATA || errno == EOPNOTSUPP))
			continue;
		if (len < 0)
			return fault_sys(F_SYS, "reading the extended attribute '%s' of '%s'", p,
					 path);
		out->items[out->n++] = (struct ext4_xattr){.name = p, .len = (size_t)len};
		values->len += (size_t)len;
	}
	return NULL;
}

/* The buffers have stopped moving: point into one block that holds names and values. */
static void settle(struct host_xattrs *x, const char *names, size_t names_len, struct buf *values)
{
	size_t at = 0;
	char *memory = xmalloc(names_len + values->len + 1);

	memcpy(memory, names, names_len);
	memcpy(memory + names_len, values->data, values->len);
	for (size_t i = 0; i < x->n; i++) {
		x->items[i].name = memory + (x->items[i].name - names);
		x->items[i].value = memory + names_len + at;
		at += x->items[i].len;
	}
	x->memory = memory;
}

struct fault *host_xattrs_read(int fd, const char *path, struct host_xattrs *out)
{
	AUTO_BUF values = BUF_INIT;
	char names[4096];
	ssize_t len = flistxattr(fd, names, sizeof(names));
	struct fault *f;

	*out = (struct host_xattrs){0};
	if (len < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))
		return NULL;
	if (len < 0)
		return fault_sys(F_SYS, "listing the extended attributes of '%s'", path);
	if (!len)
		return NULL;
	f = read_values(fd, path, names, (size_t)len, &values, out);
	if (f) {
		host_xattrs_release(out);
		return f;
	}
	settle(out, names, (size_t)len, &values);
	return NULL;
}

void host_xattrs_release(struct host_xattrs *x)
{
	free(x->items);
	free(x->memory);
	*x = (struct host_xattrs){0};
}

/* -- hard links -- */

static size_t slot_of(const struct host_links *l, uint64_t dev, uint64_t ino)
{
	uint64_t hash = (ino ^ (dev << 32 | dev >> 32)) * UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (size_t)(hash >> 20) & (l->room - 1);

	while (l->slots[i].inode && (l->slots[i].dev != dev || l->slots[i].ino != ino))
		i = (i + 1) & (l->room - 1);
	return i;
}

static void grow_links(struct host_links *l)
{
	struct host_links bigger = {.used = l->used, .room = l->room ? 2 * l->room : 256};

	bigger.slots = xcalloc(bigger.room, sizeof(*bigger.slots));
	for (size_t i = 0; i < l->room; i++)
		if (l->slots[i].inode)
			bigger.slots[slot_of(&bigger, l->slots[i].dev, l->slots[i].ino)] =
				l->slots[i];
	free(l->slots);
	*l = bigger;
}

struct host_link *host_links_find(struct host_links *l, const struct stat *st)
{
	struct host_link *link;

	if (2 * (l->used + 1) > l->room)
		grow_links(l);
	link = &l->slots[slot_of(l, st->st_dev, st->st_ino)];
	if (!link->inode) {
		link->dev = st->st_dev;
		link->ino = st->st_ino;
		link->names = 0;
		l->used++;
	}
	return link;
}

void host_links_release(struct host_links *l)
{
	free(l->slots);
	*l = (struct host_links){0};
}

/* -- files -- */

/* Copies the bytes from @from up to @to; a file that has shrunk meanwhile reads as zeros. */
static struct fault *copy_range(struct ext4_writer *w, int fd, char *memory, off_t from, off_t to,
				const char *path)
{
	while (from < to) {
		size_t want = to - from < READ_BYTES ? (size_t)(to - from) : READ_BYTES;
		ssize_t n = pread(fd, memory, want, from);

		TRY(cancel_check());
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "reading '%s'", path);
		if (n == 0)
			return NULL;
		TRY(fault_wrap(ext4_file_write(w, (uint64_t)from, memory, (size_t)n), "'%s'",
			       path));
		from += n;
	}
	return NULL;
}

static struct fault *copy_data(struct ext4_writer *w, int fd, off_t size, const char *path)
{
	AUTO_FREE char *memory = NULL;
	off_t at = 0;

	if (size)
		memory = xmalloc(size < READ_BYTES ? (size_t)size : READ_BYTES);
	while (at < size) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			return NULL; /* nothing but a hole up to the end */
		if (data < 0)
			data = at;
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0 || hole > size)
			hole = size;
		if (data >= size)
			return NULL;
		TRY(copy_range(w, fd, memory, data, hole, path));
		at = hole > data ? hole : size;
	}
	return NULL;
}

static struct fault *add_open_file(struct ext4_writer *w, int fd, const char *path,
				   const struct stat *st, uint32_t *inode)
{
	struct host_xattrs x;
	struct ext4_attr attr;
	struct fault *f;

	TRY(host_xattrs_read(fd, path, &x));
	attr = ext4_attr_of(st, &x);
	f = ext4_file_open(w, &attr, (uint64_t)st->st_size);
	host_xattrs_release(&x);
	TRY(fault_wrap(f, "'%s'", path));
	TRY(copy_data(w, fd, st->st_size, path));
	return fault_wrap(ext4_file_close(w, inode), "'%s'", path);
}

static struct fault *add_file(struct ext4_writer *w, int dir_fd, const char *name, const char *path,
			      const struct stat *seen, uint32_t *inode)
{
	/* O_NONBLOCK: it may have become a fifo since it was looked at. */
	AUTO_FD fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return fault_sys(F_SYS, "opening '%s'", path);
	if (st.st_dev != seen->st_dev || st.st_ino != seen->st_ino || !S_ISREG(st.st_mode))
		return fault_new(F_SYS, "'%s' was replaced while it was read", path);
	st.st_uid = seen->st_uid; /* the caller may have put other owners there */
	st.st_gid = seen->st_gid;
	return add_open_file(w, fd, path, &st, inode);
}

static struct fault *add_symlink(struct ext4_writer *w, int dir_fd, const char *name,
				 const char *path, const struct stat *st, uint32_t *inode)
{
	struct ext4_attr attr = ext4_attr_of(st, NULL);
	char target[TARGET_MAX + 1];
	ssize_t len = readlinkat(dir_fd, name, target, sizeof(target));

	if (len < 0)
		return fault_sys(F_SYS, "reading the symbolic link '%s'", path);
	return fault_wrap(ext4_symlink(w, &attr, target, (size_t)len, inode), "'%s'", path);
}

struct fault *ext4_add_host(struct ext4_writer *w, int dir_fd, const char *name, const char *path,
			    const struct stat *st, uint32_t *inode)
{
	struct ext4_attr attr;

	if (S_ISREG(st->st_mode))
		return add_file(w, dir_fd, name, path, st, inode);
	if (S_ISLNK(st->st_mode))
		return add_symlink(w, dir_fd, name, path, st, inode);
	attr = ext4_attr_of(st, NULL);
	return fault_wrap(ext4_node(w, &attr, inode), "'%s'", path);
}
