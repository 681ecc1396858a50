/* SPDX-License-Identifier: MIT */
/*
 * dm.h - the device mapper, for devices of our own.
 *
 * Only devices whose names begin with DM_PREFIX are made, looked at or removed.  Their uuid begins with
 * DM_UUID_PREFIX and tells whose they are.  udev is told to leave them alone and is not waited for: nobody
 * but the VMM shall read what a guest wrote, and there may be no udev.  Device nodes are in /dev/mapper.
 *
 * libdevmapper is loaded at first use and keeps state of its own, so calls from several threads take
 * turns.  Waiting is done between calls.
 */
#ifndef BANGER_HOST_DM_H
#define BANGER_HOST_DM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/json.h"

#define DM_PREFIX      "banger-"
#define DM_UUID_PREFIX "BANGER-"
#define DM_UUID_MAX    128
#define DM_SECTOR      512u

struct dm_target {
	uint64_t start, length; /* sectors */
	const char *type;	/* "linear" */
	const char *params;
};

struct dm_device {
	dev_t number;
	unsigned int users; /* how many have it open: mounts, programs, other devices */
	bool going;	    /* removed by the kernel when its last user closes it */
	char uuid[DM_UUID_MAX + 1];
};

/*
 * dm_check() - does the kernel have the device mapper with target types @types (NULL-terminated), and may
 * we use it?  Loads their modules.  F_MISSING (also the library), F_DENIED, F_UNSUPPORTED.
 */
struct fault *dm_check(const char *const *types) MUST_CHECK;

/* dm_path() - the device node of @name.  Owned. */
char *dm_path(const char *name);

/*
 * dm_create() - make device @name.  @number: out, may be NULL.
 * Return: F_EXISTS when there is one; F_SYS with what the kernel or the library said; F_MISSING, F_DENIED.
 */
struct fault *dm_create(const char *name, const char *uuid, bool read_only,
			const struct dm_target *targets, size_t n, dev_t *number) MUST_CHECK;

/* dm_find() - *@found tells whether there is a device @name, and *@device what it is. */
struct fault *dm_find(const char *name, bool *found, struct dm_device *device) MUST_CHECK;

/* dm_list() - the names of all devices that begin with DM_PREFIX. */
struct fault *dm_list(struct strings *names) MUST_CHECK;

/*
 * dm_look() - the same for observers, who may not ask the device mapper: what /sys tells.  @out: records of struct
 * dm_seen, those on others first; owned: dm_look_release() them.  F_SYS.
 */
struct dm_seen {
	char *name, *uuid;
	char *backing; /* the file of its last loop device, as loop_look() has it; NULL = none */
};
struct fault *dm_look(struct records *out) MUST_CHECK;
void dm_look_release(struct records *devices);

/*
 * dm_remove() - remove device @name; absent is success.  While somebody has it open it is tried again for
 * @wait_ms; then the kernel is told to remove it at its last close, and *@deferred is true.
 */
struct fault *dm_remove(const char *name, int wait_ms, bool *deferred) MUST_CHECK;

/* dm_status() - append the status line of the first target of @name.  F_NOT_FOUND. */
struct fault *dm_status(const char *name, struct buf *out) MUST_CHECK;

#endif
