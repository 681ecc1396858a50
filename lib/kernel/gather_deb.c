/* SPDX-License-Identifier: MIT */
/* gather_deb.c - the parts of a kernel from a Debian package, the first third of parts.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cancel.h"
#include "base/file.h"
#include "kernel/deb.h"
#include "kernel/parts.h"

#define IMAGE_NAME "image"

enum member { MEMBER_OTHER, MEMBER_IMAGE, MEMBER_CONFIG, MEMBER_MODULE };

/* Strip @prefix from *@path. */
static bool strip(const char **path, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(*path, prefix, len))
		return false;
	*path += len;
	return true;
}

/*
 * What is the entry @path?  *@release: owned, of images and modules; *@rest: behind the release,
 * "" for the module tree itself.
 */
static enum member classify(const char *path, char **release, const char **rest)
{
	size_t len;

	*release = NULL;
	*rest = "";
	strip(&path, "usr/");
	if (strip(&path, "lib/modules/")) {
		len = strcspn(path, "/");
		*release = xstrndup(path, len);
		*rest = path[len] ? path + len + 1 : "";
		return **rest && !strcmp(*rest, "vmlinuz") ? MEMBER_IMAGE : MEMBER_MODULE;
	}
	if (!strip(&path, "boot/") || strchr(path, '/'))
		return MEMBER_OTHER;
	if (strip(&path, "vmlinuz-") || strip(&path, "vmlinux-")) {
		*release = xstrdup(path);
		return MEMBER_IMAGE;
	}
	return strip(&path, "config-") ? MEMBER_CONFIG : MEMBER_OTHER;
}

/* Copy the current entry's data to @fd, at most @max bytes. */
static struct fault *copy_data(struct deb *d, int fd, uint64_t max, const char *what,
			       uint64_t *copied)
{
	const void *data;
	uint64_t offset;
	size_t len;

	*copied = 0;
	for (;;) {
		TRY(cancel_check());
		TRY(deb_data(d, &data, &len, &offset));
		if (!len)
			return NULL;
		if (offset != *copied || offset > max || len > max - offset)
			return fault_new(F_CORRUPT, "%s holds a file that is sparse or too long",
					 what);
		TRY(file_pwrite_all(fd, data, len, (off_t)offset, "an unpacked file"));
		*copied = offset + len;
	}
}

static struct fault *take_image(struct parts *p, struct deb *d)
{
	uint64_t copied;

	if (p->image >= 0)
		return fault_new(F_INVALID, "%s holds more than one kernel", p->what);
	p->image = openat(p->work, IMAGE_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (p->image < 0)
		return fault_sys(F_SYS, "creating a file for the kernel");
	return copy_data(d, p->image, KERNEL_IMAGE_BYTES_MAX, p->what, &copied);
}

static struct fault *take_config(struct parts *p, struct deb *d)
{
	const void *data;
	uint64_t offset;
	size_t len;

	buf_clear(&p->config);
	for (;;) {
		TRY(deb_data(d, &data, &len, &offset));
		if (!len)
			break;
		if (len > KERNEL_CONFIG_BYTES_MAX - p->config.len)
			return fault_new(F_CORRUPT, "%s holds a configuration that is too long",
					 p->what);
		buf_add(&p->config, data, len);
	}
	p->has_config = true;
	return NULL;
}

static struct fault *take_module(struct parts *p, struct deb *d, const char *path)
{
	AUTO_FD fd = -1;
	uint64_t copied;

	TRY(parts_create(p, path, &fd));
	TRY(copy_data(d, fd, KERNEL_MODULES_BYTES_MAX - p->bytes, p->what, &copied));
	return parts_count(p, copied);
}

static struct fault *take(struct parts *p, struct deb *d, const struct archive_item *item)
{
	AUTO_FREE char *release = NULL;
	const char *rest;
	enum member member = classify(item->path, &release, &rest);

	if (member == MEMBER_OTHER)
		return NULL;
	if (item->hardlink)
		return fault_new(F_CORRUPT, "%s holds a hard link where a kernel file belongs",
				 p->what);
	if (!S_ISREG(item->mode))
		return NULL;
	if (member == MEMBER_IMAGE)
		return take_image(p, d);
	if (member == MEMBER_CONFIG)
		return take_config(p, d);
	if (!*rest || !parts_wants(rest))
		return NULL;
	TRY(parts_set_release(p, release));
	return take_module(p, d, rest);
}

struct fault *gather_deb(struct parts *p, int fd)
{
	struct archive_item item;
	AUTO_DEB d = NULL;
	bool end = false;

	TRY(deb_open(fd, p->what, &d));
	while (!end) {
		TRY(deb_next(d, &item, &end));
		if (!end)
			TRY(take(p, d, &item));
		progress_amount(p->progress, p->bytes, 0);
	}
	if (p->image < 0)
		return fault_new(F_INVALID, "%s holds no kernel (boot/vmlinuz-*)", p->what);
	return NULL;
}

struct fault *peek_deb(int fd, const char *what, char **release)
{
	struct archive_item item;
	AUTO_DEB d = NULL;
	bool end = false;

	TRY(deb_open(fd, what, &d));
	for (;;) {
		AUTO_FREE char *found = NULL;
		const char *rest;

		TRY(deb_next(d, &item, &end));
		if (end)
			return fault_new(F_INVALID, "%s holds no kernel (boot/vmlinuz-*)", what);
		classify(item.path, &found, &rest);
		if (!found || !*found || !S_ISREG(item.mode))
			continue;
		if (!release_is_valid(found))
			return fault_new(F_CORRUPT, "%s holds a kernel without a proper release",
					 what);
		*release = steal_ptr(&found);
		return NULL;
	}
}
