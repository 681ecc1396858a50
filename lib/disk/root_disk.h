/* SPDX-License-Identifier: MIT */
/*
 * root_disk.h - a VM's own root disk, made from an image that is never written.
 *
 * Modes, tried in this order when none is forced: dm (a snapshot by the device mapper, for root: snapshot.h),
 * reflink (shares blocks in the file system), qcow2 (an overlay that QEMU understands), copy (only the
 * used parts).
 */
#ifndef BANGER_DISK_ROOT_DISK_H
#define BANGER_DISK_ROOT_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

/* The words of --disk-mode, separated by spaces. */
#define DISK_MODE_WORDS "auto dm reflink qcow2 copy"
#define DISK_MODE_DM	"dm"

/*
 * root_disk_check() - can a forced mode be had?  @dir: where the disk will be, on the image's file system.
 * @wanted: one of DISK_MODE_WORDS.  @qcow2_ok: does the VMM read qcow2?
 * Return: F_UNSUPPORTED, F_DENIED, F_MISSING with the reason.
 */
struct fault *root_disk_check(int dir, const char *wanted, bool qcow2_ok) MUST_CHECK;

/*
 * root_disk_make() - create the file in directory @dir, and write it to the disk.
 * @image_path: absolute path of the image's rootfs.ext4, opened read-only.
 * @name, @cow_name: of the file; @cow_name in mode dm, where it only holds what differs from the image.
 * @size_bytes: size that the guest sees; not below the image's own (F_INVALID).
 * @made: out, static: the mode, which is not "auto".
 * Return: NULL; F_UNSUPPORTED when the forced mode cannot be had here; F_SYS, F_NO_SPACE.  The
 * file is gone after a fault.
 */
struct fault *root_disk_make(const char *image_path, int dir, const char *name,
			     const char *cow_name, uint64_t size_bytes, const char *wanted,
			     bool qcow2_ok, const char **made) MUST_CHECK;

#endif
