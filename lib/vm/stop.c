/* SPDX-License-Identifier: MIT */
/* stop.c - the ways down: stop, kill, delete. */
#include <signal.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "vm/peers.h"

#define AGENT_WAIT_MS  2000
#define BUTTON_WAIT_MS 5000
#define SIGNAL_WAIT_MS 5000

/* *@pidfd: of the VMM, -1 when there is none. */
static struct fault *open_vmm(const struct vm *vm, int *pidfd)
{
	struct process_id id;
	struct fault *f;
	bool found;

	TRY(vm_find_process(vm, &found, &id));
	if (!found)
		return NULL;
	f = process_open(&id, pidfd);
	process_id_release(&id);
	return f;
}

/* For observers only: a full disk must not keep anybody from stopping a VM. */
static void tell_stage(const struct vm *vm, const char *verb, const char *stage)
{
	fault_free(vm_op_set(&vm->dir, verb, stage));
}

/* A way down that ends here, with @f, is no operation under way any more. */
static struct fault *interruptible(const struct vm *vm, struct fault *f)
{
	return f ? fault_attach(f, vm_op_set(&vm->dir, NULL, NULL)) : NULL;
}

/* Intent and leftovers after the VMM is gone, whichever way it went. */
static struct fault *finish(struct vm *vm)
{
	struct fault *f = vm_teardown(vm);

	if (vm->spec_fault)
		return f;
	free(vm->spec.wanted);
	vm->spec.wanted = xstrdup("stopped");
	free(vm->spec.last_error);
	vm->spec.last_error = NULL;
	return fault_attach(f, vm_touch(vm));
}

/*
 * Ask the agent to power off, or, when none answers, press the power button: a guest that is still
 * booting or lost its agent may react to it.  *@wait_ms: how long it makes sense to wait.
 */
static struct fault *ask_to_power_off(struct vm *vm, int64_t deadline, int *wait_ms)
{
	struct guest_address address = vm_guest_address(vm);
	struct guest *guest = NULL;
	struct fault *f = guest_connect(&address, AGENT_WAIT_MS, NULL, NULL, &guest);

	*wait_ms = clock_left(deadline);
	if (!f) {
		f = guest_power_off(guest, *wait_ms);
		guest_close(guest);
		*wait_ms = clock_left(deadline);
		return f;
	}
	if (fault_kind(f) == F_CANCELLED)
		return f;
	fault_free(f);
	if (*wait_ms > BUTTON_WAIT_MS)
		*wait_ms = BUTTON_WAIT_MS;
	return vmm_find(vm->handles.driver)->power_button(vm->run_dir);
}

/* Wait for the end after having asked; what goes wrong on the way only means that we must kill. */
static struct fault *power_off(struct vm *vm, int pidfd, int timeout_ms, bool *gone)
{
	int64_t deadline = clock_deadline(timeout_ms);
	int wait_ms = 0;
	struct fault *f;

	if (!vm->run_dir)
		return NULL;
	f = ask_to_power_off(vm, deadline, &wait_ms);
	if (f && fault_kind(f) == F_CANCELLED)
		return f;
	if (f)
		wait_ms = 0;
	fault_free(f);
	return process_wait_gone(pidfd, wait_ms, gone);
}

struct fault *vm_stop(struct vm *vm, int timeout_ms, enum vm_stopped *how)
{
	AUTO_FD pidfd = -1;
	bool gone = false;

	*how = VM_WAS_STOPPED;
	TRY(open_vmm(vm, &pidfd));
	if (pidfd >= 0) {
		tell_stage(vm, "stop", "power-off");
		progress_stage(vm->progress, "stopping %s", vm->dir.name);
		TRY(interruptible(vm, power_off(vm, pidfd, timeout_ms, &gone)));
		*how = gone ? VM_POWERED_OFF : VM_KILLED;
	}
	return finish(vm);
}

struct fault *vm_kill(struct vm *vm, int number, enum vm_stopped *how)
{
	AUTO_FD pidfd = -1;
	bool gone = false;

	*how = VM_WAS_STOPPED;
	TRY(open_vmm(vm, &pidfd));
	if (pidfd >= 0) {
		tell_stage(vm, "kill", "signal");
		TRY(interruptible(vm, process_kill(pidfd, number)));
		TRY(interruptible(vm, process_wait_gone(pidfd, SIGNAL_WAIT_MS, &gone)));
		if (!gone)
			TRY(process_kill(pidfd, SIGKILL));
		*how = VM_KILLED;
	}
	return finish(vm);
}

struct fault *vm_delete(struct vm *vm)
{
	bool peers = !vm->spec_fault && vm->spec.peers;
	struct fault *f;

	cancel_hold();
	/* The disks go anyway, so there is nothing to save by asking politely. */
	f = vm_teardown(vm);
	/* What could not be cleared would have no name any more without the directory. */
	if (!f)
		f = vm_dir_discard(vm->store, &vm->dir);
	if (!f && !vm->spec_fault) /* of a broken one it is taken over when addresses run out */
		f = vm_release_address(vm->store, &vm->spec);
	cancel_release();
	if (!f && peers)
		peers_announce(vm->store, vm->config, vm->dir.name);
	if (!f)
		vm_release(vm);
	return f;
}
