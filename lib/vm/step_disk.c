/* SPDX-License-Identifier: MIT */
/* step_disk.c - the device of a root disk that is a snapshot; files need none. */
#include "vm/root_disk.h"
#include "vm/start_steps.h"

struct fault *step_disk_check(const struct vm *vm)
{
	return vm_root_check(vm);
}

struct fault *step_disk_apply(struct vm *vm)
{
	return vm_snapshot_open(vm);
}

struct fault *step_disk_undo(struct vm *vm)
{
	bool deferred;

	if (vm->vmm_stays)
		return NULL;
	TRY(vm_snapshot_close(vm, &deferred));
	if (deferred)
		progress_note(vm->progress, "banger: %s: a program still has the root disk open; the "
			      "kernel removes its device when that ends", vm->dir.name);
	return NULL;
}
