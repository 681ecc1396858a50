/* SPDX-License-Identifier: MIT */
#include "vm/clone.h"

#include <string.h>

#include "vm/peers.h"

static struct fault *check(struct vm *vm, const char *name)
{
	AUTO_FD taken = -1;
	AUTO_FAULT absent = NULL;

	TRY(name_check_vm(name));
	TRY(vm_need_spec(vm));
	if (vm_state(vm) == VM_RUNNING)
		return fault_hint(fault_new(F_STATE, "VM '%s' is running and cannot be renamed now",
					    vm->dir.name),
				  "Stop it first: banger vm stop %s", vm->dir.name);
	absent = store_object_open(vm->store, COLLECTION_VMS, name, &taken);
	return absent ? NULL : fault_new(F_EXISTS, "there is a VM '%s' already", name);
}

static void set_names(struct vm_spec *spec, const char *name, const char *before)
{
	free(spec->name);
	free(spec->renamed_from);
	spec->name = xstrdup(name);
	spec->renamed_from = before ? xstrdup(before) : NULL;
}

/*
 * spec.json first, with both names: whichever the directory has then is right.  The old name goes out
 * of it last; where that fails it stays until spec.json is written again, and does no harm.
 */
struct fault *vm_rename(struct vm *vm, const char *name)
{
	AUTO_FREE char *before = xstrdup(vm->dir.name);

	TRY(check(vm, name));
	TRY(vm_teardown(vm)); /* what a crash left is found by paths with the old name */
	set_names(&vm->spec, name, before);
	TRY(vm_spec_write(&vm->dir, &vm->spec));
	TRY(vm_dir_rename(vm->store, &vm->dir, name));
	set_names(&vm->spec, name, NULL);
	fault_free(vm_spec_write(&vm->dir, &vm->spec));
	if (vm->spec.peers)
		peers_announce(vm->store, vm->config, vm->dir.name);
	return NULL;
}
