/* SPDX-License-Identifier: MIT */
/*
 * loop.h - regular files as block devices.
 *
 * A device is made with all its settings at once (LOOP_CONFIGURE) and clears itself when its last user
 * closes it: no name has to be kept, and a process that is killed leaves none behind.  Whoever needs it
 * for longer than its descriptor puts it into a table of the device mapper, which holds it.
 */
#ifndef BANGER_HOST_LOOP_H
#define BANGER_HOST_LOOP_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/json.h"

/* loop_check() - can devices be made?  F_MISSING, F_DENIED, F_UNSUPPORTED. */
struct fault *loop_check(void) MUST_CHECK;

/*
 * loop_attach() - a free device over @file (borrowed).
 * @read_only: nobody can write through it; @file need not be open for writing.
 * @direct: go around the page cache where the file system can.
 * @fd: out, owned; the device is gone when this and all other users are closed.  @device: its number.
 * Return: F_MISSING, F_DENIED, F_UNSUPPORTED (a kernel before 5.8), F_BUSY when others took every free
 * device that was offered, F_SYS.
 */
struct fault *loop_attach(int file, bool read_only, bool direct, int *fd,
			  dev_t *device) MUST_CHECK;

/*
 * loop_look() - devices over files whose paths begin with @prefix, for observers: what /sys tells.
 * @out: records of struct loop_seen, owned: loop_look_release() them.  F_SYS.
 */
struct loop_seen {
	char *name;	/* "loop3" */
	char *file;	/* its path now, or when it was deleted */
	bool deleted;
	bool autoclear; /* it goes with its last user, as ours do */
	bool held;	/* by another device: the device mapper's */
};
struct fault *loop_look(const char *prefix, struct records *out) MUST_CHECK;
void loop_look_release(struct records *loops);

#endif
