/* SPDX-License-Identifier: MIT */
/*
 * root_disk.h - a VM's own root disk, made from an image that is never written.
 *
 * Modes, tried in this order when none is forced: reflink (shares blocks in the file system), qcow2
 * (an overlay that QEMU understands), copy (only the used parts).
 */
#ifndef BANGER_DISK_ROOT_DISK_H
#define BANGER_DISK_ROOT_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

/* The words of --disk-mode, separated by spaces. */
#define DISK_MODE_WORDS "auto reflink qcow2 copy"

/*
 * root_disk_make() - create @name in directory @dir.
 * @image_path: absolute path of the image's rootfs.ext4, opened read-only.
 * @size_bytes: size that the guest sees; not below the image's own (F_INVALID).
 * @wanted: one of DISK_MODE_WORDS.  @qcow2_ok: does the VMM read qcow2?
 * @made: out, static: "reflink", "qcow2" or "copy".
 * Return: NULL; F_UNSUPPORTED when the forced mode cannot be had here; F_SYS, F_NO_SPACE.  The
 * file is gone after a fault.
 */
struct fault *root_disk_make(const char *image_path, int dir, const char *name, uint64_t size_bytes,
			     const char *wanted, bool qcow2_ok, const char **made) MUST_CHECK;

#endif
