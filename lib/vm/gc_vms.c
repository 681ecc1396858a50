/* SPDX-License-Identifier: MIT */
/* gc_vms.c - VMs that an operation was cut off on, or that left things behind when they ended. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "store/session.h"
#include "vm/gc.h"
#include "vmm/jailer.h"

enum finding { FINE, INTERRUPTED, LEFTOVERS, UNDER_WAY, BROKEN, ORPHAN };

/* Files that only a VM that runs has. */
static const char *const running_files[] = { VM_HANDLES_FILE, VM_INITRD_FILE, VM_FORWARD_LOG,
					    JAIL_DIR };

static bool has_leftovers(const struct vm *vm)
{
	for (size_t i = 0; i < ARRAY_LEN(running_files); i++)
		if (!faccessat(vm->dir.fd, running_files[i], F_OK, AT_SYMLINK_NOFOLLOW))
			return true;
	return vm_owns_run_dir(vm);
}

/* @op is filled when there is one, and to be released. */
static enum finding examine(const struct vm *vm, bool running, struct vm_op *op)
{
	AUTO_FAULT none = vm_op_read(&vm->dir, op);
	AUTO_FD alive = -1;

	if (none && fault_kind(none) != F_NOT_FOUND)
		return INTERRUPTED; /* nobody can read what was begun */
	if (!none) {
		AUTO_FAULT unsure = process_open(&op->by, &alive);

		if (unsure || alive >= 0)
			return UNDER_WAY;
	}
	if (vm_is_orphan(vm))
		return ORPHAN;
	if (!none)
		return INTERRUPTED;
	if (!running && has_leftovers(vm))
		return LEFTOVERS;
	return vm->spec_fault && !running ? BROKEN : FINE;
}

static bool is_start(const struct vm_op *op)
{
	return op->verb && !strcmp(op->verb, "start");
}

static void judge(struct gc_item *item, const struct vm *vm, enum finding what,
		  const struct vm_op *op, bool running)
{
	if (what == BROKEN)
		gc_judge(item, "broken", "keep", "%s; remove it with: banger vm delete %s",
			 fault_message(vm->spec_fault), vm->dir.name);
	else if (what == UNDER_WAY)
		gc_judge(item, "busy", "keep", "'%s' works on it (pid %llu, since %s)", op->verb,
			 (unsigned long long)op->by.pid, op->since ? op->since : "?");
	else if (what == ORPHAN)
		gc_judge(item, "orphaned", "delete", "'vm run --rm' (pid %llu), which made it, was killed",
			 (unsigned long long)vm->spec.ephemeral.pid);
	else if (what == LEFTOVERS)
		gc_judge(item, "stopped", "tear down", "it does not run, but left things behind");
	else
		gc_judge(item, "interrupted",
			 !running	? "tear down"
			 : is_start(op) ? "complete"
					: "forget the operation",
			 "'%s' ended at step '%s', begun %s", op->verb ? op->verb : "?",
			 op->stage ? op->stage : "?", op->since ? op->since : "?");
}

/* Somebody else may be in it by now. */
static struct fault *delete_orphan(struct vm *vm)
{
	AUTO_LOCK sessions = LOCK_INIT;
	bool alone = false;

	TRY(session_shut_out(&vm->dir, &sessions, &alone));
	if (!alone)
		return fault_new(F_BUSY, "somebody has a session in it");
	return vm_delete(vm);
}

/* The VM as it is under its lock: what was seen before may have been dealt with. */
static struct fault *act(struct gc *gc, const char *name)
{
	struct vm_op op = { 0 };
	AUTO_VM vm = VM_INIT;
	enum vm_started how;
	bool running;
	enum finding what;
	struct fault *f;

	f = vm_lock(&gc->at_once, gc->config, NULL, name, "gc", &vm);
	if (f && fault_kind(f) == F_NOT_FOUND) {
		fault_free(f);
		return NULL;
	}
	TRY(f);
	vm.store = gc->store;
	running = vm_state(&vm) == VM_RUNNING;
	what = examine(&vm, running, &op);
	if (what == ORPHAN)
		f = delete_orphan(&vm);
	else if (what == LEFTOVERS || (what == INTERRUPTED && !running))
		f = vm_teardown(&vm);
	else if (what == INTERRUPTED && is_start(&op) && !vm.spec_fault)
		f = vm_start(&vm, &how);
	else if (what == INTERRUPTED)
		f = vm_op_set(&vm.dir, NULL, NULL);
	record_release(&vm_op_type, &op);
	return vm_ended(&vm, f);
}

static void look_at(struct gc *gc, const char *name)
{
	AUTO_VM vm = VM_INIT;
	AUTO_FAULT gone = vm_open(gc->store, gc->config, name, &vm);
	struct vm_op op = { 0 };
	struct gc_item *item;
	enum finding what;
	bool running;

	if (gone)
		return;
	running = vm_state(&vm) == VM_RUNNING;
	what = examine(&vm, running, &op);
	gc_know(gc, &vm, running, what == FINE || what == BROKEN);
	if (what != FINE) {
		item = gc_add(gc, "vm", name, NULL);
		judge(item, &vm, what, &op, running);
		if (!gc->dry_run && (what == INTERRUPTED || what == LEFTOVERS || what == ORPHAN))
			gc_done(item, act(gc, name));
	}
	record_release(&vm_op_type, &op);
}

struct fault *gc_scan_vms(struct gc *gc)
{
	struct strings names;
	struct fault *f = NULL;

	TRY(store_names(gc->store, COLLECTION_VMS, &names));
	for (size_t i = 0; i < names.n && !f; i++) {
		f = cancel_check();
		if (!f)
			look_at(gc, names.v[i]);
	}
	strings_release(&names);
	return f;
}
