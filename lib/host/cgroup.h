/* SPDX-License-Identifier: MIT */
/* cgroup.h - control groups of version 2. */
#ifndef BANGER_HOST_CGROUP_H
#define BANGER_HOST_CGROUP_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/json.h"
#include "host/process.h"

/* cgroup_has() - is version 2 mounted in its place, with @controller ("memory")? */
bool cgroup_has(const char *controller);
/*
 * cgroup_remove() - remove the empty group @parent/@name and, when it was the last one in it, @parent.
 * Both are single names.  Absent is success.  F_SYS.
 */
struct fault *cgroup_remove(const char *parent, const char *name) MUST_CHECK;
/*
 * cgroup_make() - make the group @parent/@name, which tells by @tag whose it is where the kernel keeps
 * that.  There already is success; so is a host without version 2.  F_SYS.
 */
struct fault *cgroup_make(const char *parent, const char *name, const char *tag) MUST_CHECK;

/* cgroup_tag() - what cgroup_make() gave the group.  Owned; NULL = none, or we may not read it. */
char *cgroup_tag(const char *parent, const char *name);

/* One of the groups in @parent. */
struct cgroup_seen {
	char *name;
	char *tag; /* NULL = it has none, or we may not read it */
};
/* cgroup_list() - all of them; records, owned: cgroup_list_release().  F_SYS. */
struct fault *cgroup_list(const char *parent, struct records *out) MUST_CHECK;
void cgroup_list_release(struct records *groups);
/* cgroup_processes() - those in it now; records of struct process_id, owned. */
void cgroup_processes(const char *parent, const char *name, struct records *out);
void cgroup_processes_release(struct records *processes);

#endif
