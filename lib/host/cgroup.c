/* SPDX-License-Identifier: MIT */
#include "host/cgroup.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "host/sysroot.h"

#define TOP	  "/sys/fs/cgroup"
#define BUSY_MS	  5
#define BUSY_TRIES 100

bool cgroup_has(const char *controller)
{
	AUTO_BUF all = BUF_INIT;
	size_t len = strlen(controller);

	if (!sysroot_read(TOP "/cgroup.controllers", 4096, &all))
		return false;
	for (char *at = all.data; (at = strstr(at, controller)); at += len)
		if ((at == all.data || at[-1] == ' ') && strchr(" \n", at[len]))
			return true;
	return false;
}

struct fault *cgroup_remove(const char *parent, const char *name)
{
	AUTO_FREE char *above = NULL;
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *inside = xasprintf(TOP "/%s/%s", parent, name);
	AUTO_FREE char *top = xasprintf(TOP "/%s", parent);

	path = sysroot_path(inside);
	above = sysroot_path(top);
	/* A process that has just ended leaves its group a moment later. */
	for (int i = 0; rmdir(path) < 0 && errno != ENOENT; i++) {
		if (errno != EBUSY || i == BUSY_TRIES)
			return fault_sys(F_SYS, "removing the control group '%s'", path);
		usleep(BUSY_MS * 1000);
	}
	if (rmdir(above) < 0 && errno != ENOENT && errno != EBUSY && errno != ENOTEMPTY)
		return fault_sys(F_SYS, "removing the control group '%s'", above);
	return NULL;
}
