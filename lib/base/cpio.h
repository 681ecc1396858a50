/* SPDX-License-Identifier: MIT */
/*
 * cpio.h - writing the "newc" archives that Linux unpacks as an initramfs
 * (Documentation/driver-api/early-userspace/buffer-format.rst).
 */
#ifndef BANGER_BASE_CPIO_H
#define BANGER_BASE_CPIO_H

#include <sys/types.h>

#include "base/buf.h"

/* cpio_add() - append one entry owned by root.  @mode: type and permission bits; @data: the file's
 * content or the symlink's target.  @path: no leading slash.  Parents must be added first. */
void cpio_add(struct buf *archive, const char *path, mode_t mode, const void *data, size_t len);
/* cpio_end() - append the trailer and pad to 512 bytes, so that another archive can follow. */
void cpio_end(struct buf *archive);

#endif
