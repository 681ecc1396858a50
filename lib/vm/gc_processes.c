/* SPDX-License-Identifier: MIT */
/*
 * gc_processes.c - processes that work for a VM which is not there any more.
 *
 * A VMM, a console keeper and a forwarder each have a path in their VM's directory as an argument of
 * its own, after an option that nobody else has there; only this user's processes are looked at.
 */
#include <signal.h>
#include <string.h>

#include "vm/console.h"
#include "vm/forward.h"
#include "vm/gc.h"

#define TERM_WAIT_MS 3000
#define KILL_WAIT_MS 10000

/* Virtual machines first: a console keeper ends with its machine, and not for a signal. */
static const char *const options[] = { "-initrd", "--log-path", CONSOLE_KEEPER, FORWARD_OPTION };
static const char *const roles[] = { "virtual machine", "virtual machine", "console keeper", "forwarder" };
#define VMM_OPTIONS 2

struct fault *gc_end_process(const struct process_id *id)
{
	static const struct {
		int number, wait_ms;
	} ways[] = { { SIGTERM, TERM_WAIT_MS }, { SIGKILL, KILL_WAIT_MS } };
	AUTO_FD pidfd = -1;
	bool gone = false;

	TRY(process_open(id, &pidfd));
	if (pidfd < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(ways) && !gone; i++) {
		TRY(process_kill(pidfd, ways[i].number));
		TRY(process_wait_gone(pidfd, ways[i].wait_ms, &gone));
	}
	return gone ? NULL : fault_new(F_SYS, "process %llu did not end after SIGKILL",
				       (unsigned long long)id->pid);
}

/* The VM of a path below vms/.  Owned. */
static char *vm_of(const char *path, size_t prefix)
{
	return xstrndup(path + prefix, strcspn(path + prefix, "/"));
}

static void look_at(struct gc *gc, const struct process_match *match, size_t prefix)
{
	AUTO_FREE char *vm = vm_of(match->value, prefix);
	AUTO_FREE char *pid = xasprintf("%llu", (unsigned long long)match->id.pid);
	AUTO_FREE char *owner = xasprintf("vm %s", vm);
	AUTO_FD dir = -1;
	AUTO_FAULT absent = store_object_open(gc->store, COLLECTION_VMS, vm, &dir);
	struct gc_item *item = NULL;

	if (!absent || fault_kind(absent) != F_NOT_FOUND)
		return; /* teardown of its VM ends it */
	item = gc_add(gc, "process", pid, owner);
	gc_judge(item, "stray", "end it", "%s of a VM that is not there any more",
		 roles[match->option]);
	if (!gc->dry_run)
		gc_done(item, gc_end_process(&match->id));
}

struct fault *gc_scan_processes(struct gc *gc)
{
	AUTO_FREE char *vms = xasprintf("%s/%s/", gc->store->path, store_directory(COLLECTION_VMS));
	struct records matches;
	const struct process_match *all;

	TRY(process_list(options, ARRAY_LEN(options), vms, &matches));
	all = matches.v;
	for (size_t i = 0; i < 2 * matches.n; i++) {
		const struct process_match *m = &all[i % matches.n];

		if ((m->option < VMM_OPTIONS) == (i < matches.n))
			look_at(gc, m, strlen(vms));
	}
	process_list_release(&matches);
	return NULL;
}
