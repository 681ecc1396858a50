/* SPDX-License-Identifier: MIT */
#include "disk/root_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <linux/fs.h>

#include "base/cancel.h"
#include "base/text.h"
#include "disk/qcow2.h"

struct source {
	int fd;
	const char *path;
	uint64_t size;
};

static struct fault *make_reflink(const struct source *image, int fd, uint64_t size)
{
	if (ioctl(fd, FICLONE, image->fd) < 0)
		return fault_new(F_UNSUPPORTED, "this file system cannot share blocks between "
						"files (no reflinks)");
	if (ftruncate(fd, (off_t)size) < 0)
		return fault_sys(F_SYS, "sizing the root disk");
	return NULL;
}

static struct fault *make_qcow2(const struct source *image, int fd, uint64_t size)
{
	return qcow2_make_overlay(fd, image->path, size);
}

static struct fault *copy_range(const struct source *image, int fd, off_t from, off_t to)
{
	off_t out = from;

	while (from < to) {
		size_t step =
			(size_t)(to - from < (off_t)(64 * MIB) ? to - from : (off_t)(64 * MIB));
		ssize_t n = copy_file_range(image->fd, &from, fd, &out, step, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fault_sys(F_SYS, "copying the image");
		TRY(cancel_check());
	}
	return NULL;
}

static struct fault *make_copy(const struct source *image, int fd, uint64_t size)
{
	off_t at = 0;

	if (ftruncate(fd, (off_t)size) < 0)
		return fault_sys(F_SYS, "sizing the root disk");
	for (;;) {
		off_t end;

		at = lseek(image->fd, at, SEEK_DATA);
		if (at < 0 && errno == ENXIO)
			return NULL;
		end = at < 0 ? -1 : lseek(image->fd, at, SEEK_HOLE);
		if (end < 0)
			return fault_sys(F_SYS, "reading the image");
		TRY(copy_range(image, fd, at, end));
		at = end;
	}
}

static const struct {
	const char *name;
	struct fault *(*make)(const struct source *image, int fd, uint64_t size);
} modes[] = {
	{"reflink", make_reflink},
	{"qcow2", make_qcow2},
	{"copy", make_copy},
};

static struct fault *open_image(const char *path, uint64_t size, struct source *image)
{
	struct stat st;

	image->path = path;
	image->fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (image->fd < 0)
		return fault_sys(F_SYS, "opening image file '%s'", path);
	if (fstat(image->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return fault_new(F_CORRUPT, "image file '%s' is not a regular file", path);
	image->size = (uint64_t)st.st_size;
	if (size < image->size) {
		AUTO_FREE char *have = text_size(image->size), *want = text_size(size);

		return fault_hint(fault_new(F_INVALID,
					    "the root disk cannot be %s: the image is %s", want,
					    have),
				  "Give at least --system-overlay-size %s.", have);
	}
	return NULL;
}

/* Try each allowed mode in turn on an empty file; only "not supported here" leads to the next. */
static struct fault *try_modes(const struct source *image, int fd, uint64_t size,
			       const char *wanted, bool qcow2_ok, const char **made)
{
	struct fault *f = NULL;

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		bool forced = !strcmp(wanted, modes[i].name);

		if (!forced && strcmp(wanted, "auto"))
			continue;
		if (!strcmp(modes[i].name, "qcow2") && !qcow2_ok) {
			if (forced)
				return fault_new(F_UNSUPPORTED, "this VMM cannot use qcow2 disks");
			continue;
		}
		fault_free(f);
		f = modes[i].make(image, fd, size);
		if (!f)
			*made = modes[i].name;
		if (!f || fault_kind(f) != F_UNSUPPORTED)
			return f;
	}
	return f ? f : fault_new(F_INVALID, "there is no disk mode '%s'", wanted);
}

struct fault *root_disk_make(const char *image_path, int dir, const char *name, uint64_t size_bytes,
			     const char *wanted, bool qcow2_ok, const char **made)
{
	struct source image = {.fd = -1};
	struct fault *f = open_image(image_path, size_bytes, &image);
	AUTO_FD in = image.fd;
	AUTO_FD fd = -1;

	if (f)
		return f;
	(void)in; /* closes the image at the end of the scope */
	fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fault_sys(F_SYS, "creating the root disk");
	f = try_modes(&image, fd, size_bytes, wanted, qcow2_ok, made);
	if (f)
		unlinkat(dir, name, 0);
	return f;
}
