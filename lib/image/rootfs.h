/* SPDX-License-Identifier: MIT */
/*
 * rootfs.h - where the file system of an image is: beside its record, or, of a registered image,
 * wherever its owner keeps it.
 *
 * VMs may share blocks with the file, so one that has changed since it was registered is refused.
 */
#ifndef BANGER_IMAGE_ROOTFS_H
#define BANGER_IMAGE_ROOTFS_H

#include <sys/stat.h>

#include "base/fault.h"
#include "store/image_record.h"
#include "store/store.h"

/*
 * image_rootfs_path() - absolute path of the file, checked.  Owned.
 * Return: F_NOT_FOUND no such image; F_MISSING the file is gone; F_STATE it has changed; F_CORRUPT;
 * F_SYS.
 */
struct fault *image_rootfs_path(const struct store *s, const char *name, char **path) MUST_CHECK;
/* image_rootfs_open() - the same, opened for reading, with the record that was read already. */
struct fault *image_rootfs_open(const struct store *s, const struct image_record *record,
				int *fd) MUST_CHECK;

/* image_rootfs_note() - keep in @record that its file system is @path (copied), which has @st. */
void image_rootfs_note(struct image_record *record, const char *path, const struct stat *st);
/* image_rootfs_manage() - from now on it is beside the record. */
void image_rootfs_manage(struct image_record *record);

#endif
