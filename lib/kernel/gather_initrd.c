/* SPDX-License-Identifier: MIT */
/*
 * gather_initrd.c - the modules of a kernel from the initramfs that was made for it.
 *
 * Theory of operation.  An initramfs is one or more cpio archives behind each other: plain ones
 * first (microcode and the like), then usually a compressed one
 * (Documentation/driver-api/early-userspace/buffer-format.rst of Linux).  libarchive stops at the end
 * of the first archive, so the plain ones are walked by their headers to find where the next begins.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/archive_reader.h"
#include "base/cancel.h"
#include "base/file.h"
#include "kernel/deb.h"
#include "kernel/parts.h"

#define NEWC_HEADER   110
#define NEWC_NAME_MAX 4096u
#define MODULES_DIR   "lib/modules/"

/* The 8 hex digits at @text. */
static bool hex_field(const char *text, uint64_t *out)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";

	*out = 0;
	for (int i = 0; i < 8; i++) {
		const char *at = text[i] ? strchr(digits, text[i]) : NULL;

		if (!at)
			return false;
		*out = *out << 4 | (uint64_t)((at - digits) % 16);
	}
	return true;
}

static bool is_newc(const char *head)
{
	return !memcmp(head, "070701", 6) || !memcmp(head, "070702", 6);
}

/* Where the plain archive at @at ends. */
static struct fault *walk_archive(int fd, const char *what, uint64_t at, uint64_t *end)
{
	char head[NEWC_HEADER], name[16];
	uint64_t size, name_len;

	for (;;) {
		TRY(cancel_check());
		if (pread(fd, head, sizeof(head), (off_t)at) != sizeof(head) || !is_newc(head) ||
		    !hex_field(head + 54, &size) || !hex_field(head + 94, &name_len) || !name_len ||
		    name_len > NEWC_NAME_MAX)
			return fault_new(F_CORRUPT, "%s is damaged", what);
		memset(name, 0, sizeof(name));
		if (pread(fd, name, sizeof(name) - 1, (off_t)at + NEWC_HEADER) < 0)
			return fault_sys(F_SYS, "reading %s", what);
		at = (at + NEWC_HEADER + name_len + 3) / 4 * 4;
		at = (at + size + 3) / 4 * 4;
		if (!strcmp(name, "TRAILER!!!")) {
			*end = at;
			return NULL;
		}
	}
}

/* Zeros between archives. */
static struct fault *skip_zeros(int fd, const char *what, uint64_t *at, bool *more)
{
	char block[4096];

	for (;;) {
		ssize_t n = pread(fd, block, sizeof(block), (off_t)*at);
		ssize_t i = 0;

		if (n < 0)
			return fault_sys(F_SYS, "reading %s", what);
		while (i < n && !block[i])
			i++;
		*at += (uint64_t)i;
		*more = i < n;
		if (i < n || !n)
			return NULL;
	}
}

static struct fault *copy_item(struct parts *p, struct archive_reader *r, const char *what, int fd,
			       uint64_t *copied)
{
	const void *data;
	uint64_t offset;
	size_t len;

	*copied = 0;
	for (;;) {
		TRY(archive_reader_data(r, &data, &len, &offset));
		if (!len)
			return NULL;
		if (offset != *copied || len > KERNEL_MODULES_BYTES_MAX - p->bytes - offset)
			return fault_new(F_CORRUPT, "%s holds a file that is too long", what);
		TRY(file_pwrite_all(fd, data, len, (off_t)offset, "an unpacked file"));
		*copied = offset + len;
	}
}

static struct fault *take_item(struct parts *p, struct archive_reader *r, const char *what,
			       const struct archive_item *item)
{
	const char *path = item->path;
	AUTO_FREE char *release = NULL;
	AUTO_FD fd = -1;
	uint64_t copied;
	size_t len;

	path += strspn(path, "./");
	path += strncmp(path, "usr/", 4) ? 0 : 4;
	if (strncmp(path, MODULES_DIR, strlen(MODULES_DIR)) || !S_ISREG(item->mode))
		return NULL;
	path += strlen(MODULES_DIR);
	len = strcspn(path, "/");
	if (!path[len] || !parts_wants(path + len + 1))
		return NULL;
	if (!path_is_clean(path))
		return fault_new(F_CORRUPT, "%s holds a file with an unsafe name", what);
	release = xstrndup(path, len);
	TRY(parts_set_release(p, release));
	TRY(parts_create(p, path + len + 1, &fd));
	TRY(copy_item(p, r, what, fd, &copied));
	return parts_count(p, copied);
}

static struct fault *take_archive(struct parts *p, int fd, const char *what, uint64_t at)
{
	struct archive_reader *r = NULL;
	struct archive_item item;
	struct fault *f;
	bool end = false;

	if (lseek(fd, (off_t)at, SEEK_SET) < 0)
		return fault_sys(F_SYS, "reading %s", what);
	TRY(archive_reader_open_fd(fd, ARCHIVE_CPIO, what, &r));
	f = archive_reader_next(r, &item, &end);
	while (!f && !end) {
		f = take_item(p, r, what, &item);
		if (!f)
			f = cancel_check();
		if (!f)
			f = archive_reader_next(r, &item, &end);
	}
	archive_reader_free(r);
	return f;
}

struct fault *gather_initrd(struct parts *p, const char *path, const char *release)
{
	AUTO_FREE char *what = xasprintf("initramfs '%s'", path);
	AUTO_FD fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	uint64_t at = 0;
	struct stat st;
	bool more;

	if (fd < 0)
		return fault_sys(F_SYS, "opening %s", what);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return fault_new(F_INVALID, "%s is not a regular file", what);
	for (;;) {
		char head[6] = { 0 };
		bool plain;

		TRY(skip_zeros(fd, what, &at, &more));
		if (!more)
			break;
		plain = pread(fd, head, sizeof(head), (off_t)at) == sizeof(head) && is_newc(head);
		TRY(take_archive(p, fd, what, at));
		if (!plain)
			break; /* compressed: the last one */
		TRY(walk_archive(fd, what, at, &at));
	}
	if (!p->release)
		return fault_new(F_INVALID, "%s holds no modules", what);
	if (strcmp(p->release, release))
		return fault_new(F_INVALID, "%s holds the modules of %s, the kernel is %s", what,
				 p->release, release);
	return NULL;
}
