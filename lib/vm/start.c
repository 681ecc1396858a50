/* SPDX-License-Identifier: MIT */
/* start.c - the steps from files to a running VMM, and back. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "image/rootfs.h"
#include "kernel/kernel.h"
#include "vm/start_steps.h"

static const struct step start_steps[] = {
	{ "run-dir", "making the directory for sockets", NULL, step_run_dir_apply,
	  step_run_dir_undo },
	{ "boot-archive", "writing the boot archive", NULL, step_boot_archive_apply,
	  step_boot_archive_undo },
	{ "vmm", "starting the virtual machine", step_vmm_probe, step_vmm_apply, step_vmm_undo },
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

/* What keeps the image from being used is said with the VM's name, and what helps when it is gone. */
static struct fault *image_fault(const struct vm *vm, struct fault *f)
{
	bool gone = f && (fault_kind(f) == F_NOT_FOUND || fault_kind(f) == F_MISSING);

	f = fault_wrap(f, "VM '%s'", vm->dir.name);
	if (gone && !fault_hint_text(f))
		f = fault_hint(f, "Get it again with: banger image pull %s", vm->spec.image);
	return f;
}

static struct fault *preflight(struct vm *vm)
{
	AUTO_FREE char *image = NULL;
	AUTO_FREE char *kernel = store_object_path(vm->store, COLLECTION_KERNELS, vm->spec.kernel,
						   KERNEL_VMLINUX_FILE);
	struct vmm_choice choice;

	TRY(vmm_choose(vm->spec.vmm ? vm->spec.vmm : "auto", vm->config, &choice));
	vmm_choice_release(&choice);
	TRY(image_fault(vm, image_rootfs_path(vm->store, vm->spec.image, &image)));
	if (access(kernel, R_OK) < 0)
		return fault_hint(fault_sys(F_MISSING, "kernel '%s' of VM '%s'", vm->spec.kernel,
					    vm->dir.name),
				  "Get it again with: banger kernel pull %s", vm->spec.kernel);
	if (faccessat(vm->dir.fd, VM_ROOT_FILE, R_OK | W_OK, AT_SYMLINK_NOFOLLOW) < 0 ||
	    faccessat(vm->dir.fd, VM_WORK_FILE, R_OK | W_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_sys(F_MISSING, "the disks of VM '%s'", vm->dir.name);
	return NULL;
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

struct fault *vm_start(struct vm *vm, bool *already)
{
	struct fault *f;

	*already = false;
	TRY(vm_need_spec(vm));
	TRY(step_vmm_probe(vm, already));
	if (*already)
		return NULL;
	TRY(preflight(vm));
	f = vm_teardown(vm); /* what a crash left */
	if (!f)
		f = steps_run(vm, "start", start_steps, ARRAY_LEN(start_steps));
	return record_outcome(vm, f);
}
