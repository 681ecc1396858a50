/* SPDX-License-Identifier: MIT */
#include "base/cpio.h"

#include <string.h>

static void pad(struct buf *archive, size_t to)
{
	while (archive->len % to)
		buf_addc(archive, '\0');
}

void cpio_add(struct buf *archive, const char *path, mode_t mode, const void *data, size_t len)
{
	pad(archive, 4);
	/* magic, ino, mode, uid, gid, nlink, mtime, filesize, dev x2, rdev x2, namesize, check */
	buf_addf(archive, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", 0u,
		 (unsigned int)mode, 0u, 0u, 1u, 0u, len, 0u, 0u, 0u, 0u, strlen(path) + 1, 0u);
	buf_add(archive, path, strlen(path) + 1);
	pad(archive, 4);
	buf_add(archive, data, len);
	pad(archive, 4);
}

void cpio_end(struct buf *archive)
{
	cpio_add(archive, "TRAILER!!!", 0, NULL, 0);
	pad(archive, 512);
}
