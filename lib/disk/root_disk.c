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
#include "disk/snapshot.h"

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

/* Before anything is made: the device mapper is asked whenever a disk is to be its snapshot. */
static struct fault *make_dm(const struct source *image, int fd, uint64_t size)
{
	(void)image;
	TRY(snapshot_check());
	return snapshot_make_cow(fd, size);
}

static const struct mode {
	const char *name;
	struct fault *(*make)(const struct source *image, int fd, uint64_t size);
} modes[] = {
	{ DISK_MODE_DM, make_dm },
	{ "reflink", make_reflink },
	{ "qcow2", make_qcow2 },
	{ "copy", make_copy },
};

/* Two files without names, and blocks of one for the other. */
static struct fault *check_reflink(int dir)
{
	static const char block[4096] = "reflink";
	AUTO_FD from = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	AUTO_FD to = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	const struct source image = { from, "", sizeof(block) };

	if (from < 0 || to < 0 || pwrite(from, block, sizeof(block), 0) != sizeof(block))
		return fault_sys(F_SYS, "trying whether files can share blocks");
	return make_reflink(&image, to, sizeof(block));
}

struct fault *root_disk_check(int dir, const char *wanted, bool qcow2_ok)
{
	struct fault *f = NULL;

	if (!strcmp(wanted, DISK_MODE_DM))
		f = snapshot_check();
	else if (!strcmp(wanted, "reflink"))
		f = check_reflink(dir);
	else if (!strcmp(wanted, "qcow2") && !qcow2_ok)
		f = fault_new(F_UNSUPPORTED, "this VMM cannot use qcow2 disks");
	return fault_wrap(f, "disk mode '%s'", wanted);
}

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

/* What a mode says when this host, or this user, cannot have it. */
static bool leads_to_next(const struct fault *f)
{
	return fault_kind(f) == F_UNSUPPORTED || fault_kind(f) == F_MISSING ||
	       fault_kind(f) == F_DENIED;
}

static struct fault *make_file(const struct source *image, int dir, const char *name,
			       const struct mode *mode, uint64_t size)
{
	AUTO_FD fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct fault *f;

	if (fd < 0)
		return fault_sys(F_SYS, "creating the root disk");
	f = mode->make(image, fd, size);
	/* A VM that is there after a power failure has its disks. */
	if (!f && fsync(fd) < 0)
		f = fault_sys(F_SYS, "writing the root disk");
	if (f)
		unlinkat(dir, name, 0);
	return f;
}

struct fault *root_disk_make(const char *image_path, int dir, const char *name,
			     const char *cow_name, uint64_t size_bytes, const char *wanted,
			     bool qcow2_ok, const char **made)
{
	struct source image = { .fd = -1 };
	struct fault *f = open_image(image_path, size_bytes, &image);
	AUTO_FD in = image.fd;
	bool forced = strcmp(wanted, "auto") != 0;

	(void)in; /* closes the image at the end of the scope */
	TRY(f);
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		bool dm = !strcmp(modes[i].name, DISK_MODE_DM);

		if (forced && strcmp(wanted, modes[i].name) != 0)
			continue;
		if (!strcmp(modes[i].name, "qcow2") && !qcow2_ok) {
			if (forced)
				return fault_new(F_UNSUPPORTED, "this VMM cannot use qcow2 disks");
			continue;
		}
		fault_free(f);
		f = make_file(&image, dir, dm ? cow_name : name, &modes[i], size_bytes);
		if (!f)
			*made = modes[i].name;
		if (!f || forced || !leads_to_next(f))
			return f;
	}
	return f ? f : fault_new(F_INVALID, "there is no disk mode '%s'", wanted);
}
