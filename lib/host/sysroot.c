/* SPDX-License-Identifier: MIT */
#include "host/sysroot.h"

#include <fcntl.h>

#include "base/file.h"

char *sysroot_path(const char *path)
{
	const char *root = secure_getenv("BANGER_SYSROOT");

	return xasprintf("%s%s", root ? root : "", path);
}

bool sysroot_read(const char *path, size_t max, struct buf *out)
{
	AUTO_FREE char *real = sysroot_path(path);
	AUTO_FD fd = open(real, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	AUTO_FAULT f = fd < 0 ? NULL : file_read_fd(fd, max, path, out);

	return fd >= 0 && !f;
}

bool sysroot_exists(const char *path)
{
	AUTO_FREE char *real = sysroot_path(path);

	return !access(real, F_OK);
}

bool sysroot_is_dump(void)
{
	return secure_getenv("BANGER_SYSROOT") != NULL;
}

int sysroot_open_dir(const char *path)
{
	AUTO_FREE char *real = sysroot_path(path);

	return open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}
