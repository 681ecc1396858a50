/* SPDX-License-Identifier: MIT */
/* gc_devices.c - root disks of the device mapper, loop devices, control groups of jails. */
#include <limits.h>
#include <string.h>

#include "disk/snapshot.h"
#include "host/cgroup.h"
#include "host/dm.h"
#include "host/loop.h"
#include "vm/gc.h"
#include "vmm/jailer.h"

/* -------------------------------------------------------------------------------- device mapper */

static struct fault *remove_device(struct gc *gc, const void *seen)
{
	bool deferred;

	(void)gc;
	TRY(snapshot_drop(seen, &deferred));
	return deferred ? fault_new(F_BUSY, "a program still has it open; the kernel removes it when that "
				    "ends")
			: NULL;
}

struct fault *gc_scan_devices(struct gc *gc)
{
	const struct snapshot_seen *all;
	struct records devices;

	TRY(snapshot_list(&devices));
	all = devices.v;
	for (size_t i = 0; i < devices.n; i++) {
		const char *short_id = all[i].name + strlen(DM_PREFIX);

		if (gc_is_short_id(short_id))
			gc_settle(gc, &(struct gc_thing){ .kind = "root disk", .name = all[i].device,
							  .tag = all[i].tag, .path = all[i].path,
							  .short_id = short_id,
							  .remove = remove_device, .context = &all[i] });
	}
	snapshot_list_release(&devices);
	return NULL;
}

/* ---------------------------------------------------------------------------------------- loops */

/*
 * Ours go with their last user, so one that stands alone is not ours to remove: somebody has mounted or
 * attached a file of this state directory.  It is told when that file is not there any more.
 */
static void look_at_loop(struct gc *gc, const struct loop_seen *l)
{
	struct gc_item *item;

	if (l->held || !l->deleted)
		return;
	item = gc_add(gc, "loop device", l->name, l->file);
	if (l->autoclear)
		gc_judge(item, "in use", "keep", "a program or a mount has it open; its file is deleted, and it "
			 "goes with its last user");
	else
		gc_judge(item, "foreign", "keep", "somebody else attached the file, which is deleted now; "
			 "remove it with: losetup -d /dev/%s", l->name);
}

struct fault *gc_scan_loops(struct gc *gc)
{
	AUTO_FREE char *real = realpath(gc->store->path, NULL);
	AUTO_FREE char *prefix = real ? xasprintf("%s/", real) : NULL;
	const struct loop_seen *all;
	struct records loops;

	if (!prefix)
		return NULL; /* there is no state directory */
	TRY(loop_look(prefix, &loops));
	all = loops.v;
	for (size_t i = 0; i < loops.n; i++)
		look_at_loop(gc, &all[i]);
	loop_look_release(&loops);
	return NULL;
}

/* ------------------------------------------------------------------------------- control groups */

static struct fault *remove_group(struct gc *gc, const void *name)
{
	struct records processes;
	struct process_id *all;
	struct fault *f = NULL;

	(void)gc;
	cgroup_processes(JAIL_GROUP, name, &processes);
	all = processes.v;
	for (size_t i = 0; i < processes.n; i++)
		f = fault_attach(f, gc_end_process(&all[i]));
	cgroup_processes_release(&processes);
	return f ? f : cgroup_remove(JAIL_GROUP, name);
}

struct fault *gc_scan_groups(struct gc *gc)
{
	const struct cgroup_seen *all;
	struct records groups;

	TRY(cgroup_list(JAIL_GROUP, &groups));
	all = groups.v;
	for (size_t i = 0; i < groups.n; i++) {
		const char *short_id = all[i].name + strlen(JAIL_PREFIX);

		if (!strncmp(all[i].name, JAIL_PREFIX, strlen(JAIL_PREFIX)) && gc_is_short_id(short_id))
			gc_settle(gc, &(struct gc_thing){ .kind = "control group", .name = all[i].name,
							  .tag = all[i].tag, .short_id = short_id,
							  .remove = remove_group,
							  .context = all[i].name });
	}
	cgroup_list_release(&groups);
	return NULL;
}
