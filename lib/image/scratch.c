/* SPDX-License-Identifier: MIT */
#include "image/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define PREFIX "banger-scratch-"

static const char *parent_path(void)
{
	const char *from_env = secure_getenv("TMPDIR");

	if (from_env && from_env[0] == '/')
		return from_env;
	/* /tmp is often memory; a root file system does not belong there. */
	return access("/var/tmp", W_OK | X_OK) < 0 ? "/tmp" : "/var/tmp";
}

/* Open and lock directory @name if it is ours and nobody uses it; -1 otherwise. */
static int lock_stale(int parent, const char *name)
{
	AUTO_FD dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (dir < 0 || fstat(dir, &st) < 0 || st.st_uid != geteuid() ||
	    flock(dir, LOCK_EX | LOCK_NB) < 0)
		return -1;
	return steal_fd(&dir);
}

/* A failure is not a reason to fail: it is somebody else's rubbish by now. */
static void remove_stale(int parent)
{
	struct strings names = { 0 };
	AUTO_FAULT f = dir_names(parent, "the directory for temporary files", &names);

	for (size_t i = 0; !f && i < names.n; i++) {
		AUTO_FD stale = strncmp(names.v[i], PREFIX, strlen(PREFIX))
					? -1
					: lock_stale(parent, names.v[i]);

		if (stale >= 0)
			fault_free(tree_remove(parent, names.v[i]));
	}
	strings_release(&names);
}

static struct fault *make(struct scratch *s, const char *parent)
{
	uint64_t bits;

	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		return fault_sys(F_SYS, "reading random bytes");
	s->name = xasprintf(PREFIX "%016llx", (unsigned long long)bits);
	s->path = xasprintf("%s/%s", parent, s->name);
	if (mkdirat(s->parent, s->name, 0700) < 0)
		return fault_sys(F_SYS, "creating directory '%s'", s->path);
	s->dir = openat(s->parent, s->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir < 0 || flock(s->dir, LOCK_EX | LOCK_NB) < 0 || fchmod(s->dir, 0711) < 0)
		return fault_sys(F_SYS, "preparing directory '%s'", s->path);
	return NULL;
}

struct fault *scratch_open(struct scratch *s)
{
	const char *parent = parent_path();
	struct fault *f;

	*s = SCRATCH_INIT;
	s->parent = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->parent < 0)
		return fault_sys(F_SYS, "opening directory '%s'", parent);
	remove_stale(s->parent);
	f = make(s, parent);
	return f ? fault_attach(f, scratch_close(s)) : NULL;
}

struct fault *scratch_close(struct scratch *s)
{
	struct fault *f = s->dir < 0 ? NULL : tree_remove(s->parent, s->name);

	fd_close(s->dir);
	fd_close(s->parent);
	free(s->name);
	free(s->path);
	*s = SCRATCH_INIT;
	return f;
}
