/* SPDX-License-Identifier: MIT */
/* unpack.h - one compressed file, whole and in memory. */
#ifndef BANGER_KERNEL_UNPACK_H
#define BANGER_KERNEL_UNPACK_H

#include "base/buf.h"
#include "base/fault.h"

/*
 * unpack_fd() - append what @fd holds from its current offset on to @out, decompressed when it is
 * compressed.  @what: for messages.  F_CORRUPT when the result is longer than @max bytes.
 */
struct fault *unpack_fd(int fd, size_t max, const char *what, struct buf *out) MUST_CHECK;

#endif
