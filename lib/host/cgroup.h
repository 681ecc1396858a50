/* SPDX-License-Identifier: MIT */
/* cgroup.h - control groups of version 2. */
#ifndef BANGER_HOST_CGROUP_H
#define BANGER_HOST_CGROUP_H

#include <stdbool.h>

#include "base/fault.h"

/* cgroup_has() - is version 2 mounted in its place, with @controller ("memory")? */
bool cgroup_has(const char *controller);
/*
 * cgroup_remove() - remove the empty group @parent/@name and, when it was the last one in it, @parent.
 * Both are single names.  Absent is success.  F_SYS.
 */
struct fault *cgroup_remove(const char *parent, const char *name) MUST_CHECK;

#endif
