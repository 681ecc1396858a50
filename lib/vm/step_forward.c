/* SPDX-License-Identifier: MIT */
/* step_forward.c - the ports that the VM was made with, and whatever else is forwarded to it. */
#include "vm/forward.h"
#include "vm/start_steps.h"

struct fault *step_forward_check(const struct vm *vm)
{
	TRY(fault_wrap(forward_check(&vm->spec.ports, false), "the ports of VM '%s'", vm->dir.name));
	return fault_hint(fault_wrap(forward_check_free(&vm->spec.ports), "a port of VM '%s'",
				     vm->dir.name),
			  "Choose others with: banger vm set %s -p HOSTPORT:GUESTPORT", vm->dir.name);
}

struct fault *step_forward_apply(struct vm *vm)
{
	return vm->spec.ports.n ? forward_start(vm, &vm->spec.ports, NULL) : NULL;
}

struct fault *step_forward_undo(struct vm *vm)
{
	unsigned int n;

	return forward_stop(vm, &n);
}
