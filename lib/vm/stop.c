/* SPDX-License-Identifier: MIT */
/* stop.c - the ways down: stop, kill, delete. */
#include <signal.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "vm/vm.h"

#define AGENT_WAIT_MS  2000
#define BUTTON_WAIT_MS 5000
#define SIGNAL_WAIT_MS 5000

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
	struct guest_address address = { GUEST_VIRTIO, vm->run_dir };
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

/* A pidfd of the VMM; -1 when there is none. */
static int open_vmm(const struct vm *vm)
{
	struct process_id id;
	int pidfd;

	if (!vm_find_process(vm, &id))
		return -1;
	pidfd = process_open(&id);
	process_id_release(&id);
	return pidfd;
}

struct fault *vm_stop(struct vm *vm, int timeout_ms, enum vm_stopped *how)
{
	AUTO_FD pidfd = open_vmm(vm);
	bool gone = false;

	*how = VM_WAS_STOPPED;
	if (pidfd >= 0) {
		TRY(vm_op_set(&vm->dir, "stop", "power-off"));
		progress_stage(vm->progress, "stopping %s", vm->dir.name);
		TRY(power_off(vm, pidfd, timeout_ms, &gone));
		*how = gone ? VM_POWERED_OFF : VM_KILLED;
	}
	return finish(vm);
}

struct fault *vm_kill(struct vm *vm, int number, enum vm_stopped *how)
{
	AUTO_FD pidfd = open_vmm(vm);
	bool gone = false;

	*how = VM_WAS_STOPPED;
	if (pidfd >= 0) {
		TRY(vm_op_set(&vm->dir, "kill", "signal"));
		TRY(process_kill(pidfd, number));
		TRY(process_wait_gone(pidfd, SIGNAL_WAIT_MS, &gone));
		if (!gone)
			TRY(process_kill(pidfd, SIGKILL));
		*how = VM_KILLED;
	}
	return finish(vm);
}

struct fault *vm_delete(struct vm *vm)
{
	struct process_id id;
	struct fault *f;

	cancel_hold();
	/* The disks go anyway, so there is nothing to save by asking politely. */
	f = vm_teardown(vm);
	if (vm_find_process(vm, &id))
		process_id_release(&id); /* still there: its disks must stay */
	else
		f = fault_attach(f, vm_dir_discard(vm->store, &vm->dir));
	cancel_release();
	if (!f)
		vm_release(vm);
	return f;
}
