/* SPDX-License-Identifier: MIT */
#include "image/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>

#include "image/image.h"

static int64_t mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

void image_rootfs_note(struct image_record *record, const char *path, const struct stat *st)
{
	free(record->rootfs_path);
	record->rootfs_path = xstrdup(path);
	record->rootfs_bytes = (uint64_t)st->st_size;
	record->rootfs_inode = st->st_ino;
	record->rootfs_mtime_ns = mtime_ns(st);
}

void image_rootfs_manage(struct image_record *record)
{
	free(steal_ptr(&record->rootfs_path));
	record->rootfs_bytes = record->rootfs_inode = 0;
	record->rootfs_mtime_ns = 0;
}

static struct fault *check_same(const struct image_record *record, const struct stat *st)
{
	const char *what = NULL;

	if (!S_ISREG(st->st_mode))
		what = "it is no regular file any more";
	else if (st->st_ino != record->rootfs_inode)
		what = "it is another file";
	else if ((uint64_t)st->st_size != record->rootfs_bytes)
		what = "its size is another";
	else if (mtime_ns(st) != record->rootfs_mtime_ns)
		what = "it was written to";
	if (!what)
		return NULL;
	return fault_hint(fault_new(F_STATE, "file '%s' of image '%s' has changed since it was "
				    "registered: %s", record->rootfs_path, record->name, what),
			  "Put the old file back, or delete the image and its VMs and register it again.");
}

struct fault *image_rootfs_open(const struct store *s, const struct image_record *record, int *fd)
{
	AUTO_FREE char *managed = store_object_path(s, COLLECTION_IMAGES, record->name,
						    IMAGE_ROOTFS_FILE);
	const char *path = record->rootfs_path ? record->rootfs_path : managed;
	AUTO_FD file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (file < 0) {
		struct fault *f = fault_sys(errno == ENOENT ? F_MISSING : F_SYS,
					    "file '%s' of image '%s'", path, record->name);

		return record->rootfs_path ? fault_hint(f, "Put the file back.") : f;
	}
	if (fstat(file, &st) < 0)
		return fault_sys(F_SYS, "looking at '%s'", path);
	if (record->rootfs_path)
		TRY(check_same(record, &st));
	*fd = steal_fd(&file);
	return NULL;
}

struct fault *image_rootfs_path(const struct store *s, const char *name, char **path)
{
	struct image_record record = { 0 };
	AUTO_FD fd = -1;
	struct fault *f;

	TRY(image_load(s, name, &record));
	f = image_rootfs_open(s, &record, &fd);
	if (!f)
		*path = record.rootfs_path ? steal_ptr(&record.rootfs_path)
					   : store_object_path(s, COLLECTION_IMAGES, name,
							       IMAGE_ROOTFS_FILE);
	record_release(&image_record_type, &record);
	return f;
}
