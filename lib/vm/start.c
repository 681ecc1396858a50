/* SPDX-License-Identifier: MIT */
/* start.c - the steps from files to a running VMM, and back. */
#include <string.h>

#include "base/text.h"
#include "vm/peers.h"
#include "vm/start_steps.h"
#include "vm/watch.h"

#define RESUME_MS 5000

static const struct step start_steps[] = {
	{ "run-dir", "making the directory for sockets", NULL, step_run_dir_apply,
	  step_run_dir_undo },
	{ "boot-archive", "writing the boot archive", NULL, step_boot_archive_apply,
	  step_boot_archive_undo, step_boot_archive_check },
	{ "root-disk", "making the root disk's device", NULL, step_disk_apply, step_disk_undo,
	  step_disk_check },
	{ "tap", "attaching it to the bridge", NULL, step_tap_apply, step_tap_undo, step_tap_check },
	{ "firewall", "setting its rules in the packet filter", NULL, step_firewall_apply,
	  step_firewall_undo },
	{ "vmm", "starting the virtual machine", step_vmm_probe, step_vmm_apply, step_vmm_undo,
	  step_vmm_check },
	{ "forward", "forwarding its ports", NULL, step_forward_apply, step_forward_undo,
	  step_forward_check },
};

void step_set_text(char **slot, char *text)
{
	free(*slot);
	*slot = text;
}

struct fault *vm_teardown(struct vm *vm)
{
	return steps_undo(vm, start_steps, ARRAY_LEN(start_steps));
}

/* The outcome goes to spec.json: intent after success, the reason after failure. */
static struct fault *record_outcome(struct vm *vm, struct fault *f)
{
	struct fault *unsaved;

	if (f && fault_kind(f) == F_CANCELLED)
		return f; /* the user's wish, not a failure of the VM */
	step_set_text(&vm->spec.last_error, f ? xstrdup(fault_message(f)) : NULL);
	if (!f)
		step_set_text(&vm->spec.wanted, xstrdup("running"));
	unsaved = vm_touch(vm);
	if (f)
		return fault_attach(f, fault_wrap(unsaved, "keeping the reason"));
	/* A start that nobody can know of is none. */
	return unsaved ? fault_attach(unsaved, vm_teardown(vm)) : NULL;
}

/* Without it the VM runs as well, so it is only told. */
static void launch_watcher(struct vm *vm)
{
	AUTO_FAULT f = watch_launch(vm->store, vm->config);

	if (f && vm->progress)
		progress_note(vm->progress, "banger: %s", fault_message(f));
}

/* Was a start cut off?  The VM is locked: what op.json tells is not under way any more. */
static bool was_cut_off(const struct vm *vm)
{
	struct vm_op op = { 0 };
	AUTO_FAULT none = vm_op_read(&vm->dir, &op);
	bool start = !none && op.verb && !strcmp(op.verb, "start");

	record_release(&vm_op_type, &op);
	return start;
}

/*
 * The VMM of a start that was cut off after it is there, and may be in use since then: what comes
 * after it is made anew, and nothing is taken away.
 */
static struct fault *complete(struct vm *vm)
{
	const struct step *after = start_steps;
	size_t n = ARRAY_LEN(start_steps);

	do
		n--;
	while (strcmp((after++)->name, "vmm"));
	TRY(step_vmm_adopt(vm));
	TRY(steps_undo(vm, after, n));
	return record_outcome(vm, steps_run(vm, "start", after, n));
}

/* It runs, but what a start that was cut off left undone is done, and a machine that is halted goes on. */
static struct fault *start_again(struct vm *vm, enum vm_started *how)
{
	*how = VM_WAS_RUNNING;
	if (was_cut_off(vm))
		return complete(vm);
	if (!vm_is_halted(vm))
		return NULL;
	*how = VM_RESUMED;
	return fault_wrap(vmm_find(vm->handles.driver)->resume(vm->run_dir, RESUME_MS),
			  "letting VM '%s' go on", vm->dir.name);
}

struct fault *vm_start(struct vm *vm, enum vm_started *how)
{
	bool running = false;
	struct fault *f;

	*how = VM_STARTED;
	TRY(vm_need_spec(vm));
	TRY(step_vmm_probe(vm, &running));
	if (running)
		return start_again(vm, how);
	TRY(steps_check(vm, start_steps, ARRAY_LEN(start_steps)));
	f = vm_teardown(vm); /* what a crash left */
	if (!f)
		f = steps_run(vm, "start", start_steps, ARRAY_LEN(start_steps));
	TRY(record_outcome(vm, f));
	if (vm->spec.peers)
		peers_announce(vm->store, vm->config, vm->dir.name);
	launch_watcher(vm);
	return NULL;
}
