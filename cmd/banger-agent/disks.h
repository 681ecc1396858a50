/* SPDX-License-Identifier: MIT */
/* disks.h - the machine's disks and the file systems on them. */
#ifndef BANGER_AGENT_DISKS_H
#define BANGER_AGENT_DISKS_H

#include <stdbool.h>

#include "base/fault.h"

/*
 * disk_find() - the device file ("/dev/vda") of the disk "serial=TEXT" or "name=vda".
 * Waits a few seconds for it.  @device: out, owned.  Return: F_NOT_FOUND with what there is.
 */
struct fault *disk_find(const char *spec, char **device) MUST_CHECK;

/* disk_mount() - mount @device (ext4) on the directory @where. */
struct fault *disk_mount(const char *device, const char *where, bool read_only) MUST_CHECK;

/* disk_grow() - make the ext4 that is mounted on @where as large as its device. */
struct fault *disk_grow(const char *device, const char *where) MUST_CHECK;

#endif
