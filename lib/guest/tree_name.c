/* SPDX-License-Identifier: MIT */
/* tree_name.c - names below a directory, and reaching what they name without leaving it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "guest/tree.h"

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static bool component_ok(const char *at, size_t len)
{
	return len && !(len == 1 && at[0] == '.') && !(len == 2 && at[0] == '.' && at[1] == '.');
}

struct fault *tree_name(const char *path, char **name)
{
	const char *at = path;
	size_t len;

	while (at[0] == '.' && at[1] == '/')
		for (at += 2; *at == '/'; at++)
			;
	len = strlen(at);
	while (len && at[len - 1] == '/' && at > path)
		len--;
	if (len > 1 && at[len - 1] == '/')
		while (len > 1 && at[len - 1] == '/')
			len--;
	if ((len == 1 && at[0] == '.') || (!len && at > path)) {
		*name = xstrdup("");
		return NULL;
	}
	for (size_t from = 0; from <= len;) {
		const char *slash = memchr(at + from, '/', len - from);
		size_t end = slash ? (size_t)(slash - at) : len;

		if (!component_ok(at + from, end - from))
			return fault_new(F_CORRUPT, "'%.200s' is no name below a directory", path);
		from = end + 1;
	}
	*name = xstrndup(at, len);
	return NULL;
}

/* Without openat2 (Linux before 5.6): one component after the other, following no link. */
static int open_walking(int dir, const char *path, bool make)
{
	AUTO_FREE char *copy = xstrdup(path);
	AUTO_FD at = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	char *rest = copy;

	for (char *part = strsep(&rest, "/"); part && at >= 0; part = strsep(&rest, "/")) {
		int next = openat(at, part, OPEN_DIRECTORY);

		if (next < 0 && errno == ENOENT && make &&
		    (!mkdirat(at, part, 0755) || errno == EEXIST))
			next = openat(at, part, OPEN_DIRECTORY);
		fd_close(at);
		at = next;
	}
	return steal_fd(&at);
}

static int open_beneath(int dir, const char *path, bool make)
{
	struct open_how how = { .flags = OPEN_DIRECTORY,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					   RESOLVE_NO_MAGICLINKS };
	int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));

	if (fd < 0 && (errno == ENOSYS || (errno == ENOENT && make)))
		fd = open_walking(dir, path, make);
	return fd;
}

struct fault *tree_open_parent(int dir, const char *name, bool make, int *fd, const char **last)
{
	const char *slash = strrchr(name, '/');
	AUTO_FREE char *parent = slash ? xstrndup(name, (size_t)(slash - name)) : xstrdup(".");

	*last = slash ? slash + 1 : name;
	*fd = open_beneath(dir, parent, make && slash);
	if (*fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return fault_new(F_CORRUPT, "'%s': what should be a directory on the way is a link "
				 "or a file", name);
	return *fd < 0 ? fault_sys(F_SYS, "directory of '%s'", name) : NULL;
}
