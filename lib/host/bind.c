/* SPDX-License-Identifier: MIT */
#include "host/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

#define LAYERS_MAX 16

/* By its directory's descriptor: nothing above the name can be exchanged. */
static char *place_of(int dir, const char *name)
{
	return xasprintf("/proc/self/fd/%d/%s", dir, name);
}

/* All that lie on each other there. */
static struct fault *undo(int dir, const char *name)
{
	AUTO_FREE char *place = place_of(dir, name);

	for (int i = 0; i < LAYERS_MAX; i++)
		if (umount2(place, MNT_DETACH | UMOUNT_NOFOLLOW) < 0) {
			/* A link, what is no mount, and nothing at all. */
			if (errno == EINVAL || errno == ENOENT || errno == ELOOP)
				return NULL;
			return fault_sys(F_SYS, "unmounting '%s'", name);
		}
	return NULL;
}

struct fault *bind_file(const char *path, int dir, const char *name)
{
	const unsigned long flags = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	AUTO_FREE char *place = place_of(dir, name);
	AUTO_FD own = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
	struct fault *f = NULL;

	if (own < 0)
		return fault_sys(F_SYS, "creating '%s'", name);
	if (mount(path, place, NULL, MS_BIND, NULL) < 0)
		f = fault_sys(F_SYS, "binding '%s' to '%s'", path, name);
	else if (mount(NULL, place, NULL, flags, NULL) < 0)
		f = fault_attach(fault_sys(F_SYS, "making '%s' read-only", name), undo(dir, name));
	if (f)
		unlinkat(dir, name, 0);
	return f;
}

struct fault *bind_undo_all(int dir)
{
	struct strings names = { 0 };
	struct fault *f = dir_names(dir, "the directory", &names);

	for (size_t i = 0; i < names.n; i++)
		f = fault_attach(f, undo(dir, names.v[i]));
	strings_release(&names);
	return f;
}
