/* SPDX-License-Identifier: MIT */
#include "host/trust.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fault *check(const char *path, const char *program)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return fault_sys(F_SYS, "looking at '%s'", path);
	if (!st.st_uid && !(st.st_mode & S_IWOTH) && (!(st.st_mode & S_IWGRP) || !st.st_gid))
		return NULL;
	return fault_hint(fault_new(F_DENIED, "root does not run '%s', as others than root can write "
				    "'%s'", program, path),
			  "Give it to root alone: chown root:root '%s'; chmod go-w '%s'", path, path);
}

struct fault *trust_program(const char *path)
{
	AUTO_FREE char *real = NULL;

	if (geteuid())
		return NULL;
	real = realpath(path, NULL);
	if (!real)
		return fault_sys(F_SYS, "looking at '%s'", path);
	TRY(check(real, path));
	for (char *slash = strrchr(real, '/'); slash != real; slash = strrchr(real, '/')) {
		*slash = '\0';
		TRY(check(real, path));
	}
	return check("/", path);
}
