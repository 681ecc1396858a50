/* SPDX-License-Identifier: MIT */
/*
 * sysroot.h - /proc, /sys and /dev of this host, or a dump of them.
 *
 * BANGER_SYSROOT (ignored in privileged programs) names a directory that holds proc/ and sys/ of
 * another machine; everything that reads them goes through here, so that reconciling can be tested
 * without root or KVM.
 */
#ifndef BANGER_HOST_SYSROOT_H
#define BANGER_HOST_SYSROOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"

/* sysroot_path() - the real path of absolute @path; owned. */
char *sysroot_path(const char *path);
/* sysroot_read() - append at most @max bytes of @path; false when it cannot be read (errno set). */
bool sysroot_read(const char *path, size_t max, struct buf *out);
/* sysroot_exists() - is there anything at @path? */
bool sysroot_exists(const char *path);
/* sysroot_is_dump() - is it another machine that is looked at? */
bool sysroot_is_dump(void);
/* sysroot_open_dir() - descriptor of directory @path, -1 on failure (errno set); owned. */
int sysroot_open_dir(const char *path);

#endif
