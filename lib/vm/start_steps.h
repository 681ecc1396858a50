/* SPDX-License-Identifier: MIT */
/*
 * start_steps.h - the steps of a start, one file each; start.c has the list.
 *
 * All work on a locked VM whose spec.json was read (apply) or perhaps could not be (probe, undo).  The
 * contract of probe, apply and undo is in steps.h.
 */
#ifndef BANGER_VM_START_STEPS_H
#define BANGER_VM_START_STEPS_H

#include "vm/steps.h"

/* step_set_text() - replace an owned text by @text, which is taken over. */
void step_set_text(char **slot, char *text);

/* step_run_dir.c: the directory of the sockets; written to handles.json before it is made. */
struct fault *step_run_dir_apply(struct vm *vm) MUST_CHECK;
struct fault *step_run_dir_undo(struct vm *vm) MUST_CHECK;

/* step_boot_archive.c: initrd.img in the VM's directory, with the seed of this start. */
struct fault *step_boot_archive_check(const struct vm *vm) MUST_CHECK;
struct fault *step_boot_archive_apply(struct vm *vm) MUST_CHECK;
struct fault *step_boot_archive_undo(struct vm *vm) MUST_CHECK;

/* step_disk.c: the device of a root disk in mode dm.  Its names follow from the VM's id and directory. */
struct fault *step_disk_check(const struct vm *vm) MUST_CHECK;
struct fault *step_disk_apply(struct vm *vm) MUST_CHECK;
struct fault *step_disk_undo(struct vm *vm) MUST_CHECK;

/* step_net.c: the tap on the bridge, and the rules that are there before the guest runs.  For VMs
 * whose network is a bridge; undo also when nobody knows what it was. */
struct fault *step_tap_check(const struct vm *vm) MUST_CHECK;
struct fault *step_tap_apply(struct vm *vm) MUST_CHECK;
struct fault *step_tap_undo(struct vm *vm) MUST_CHECK;
struct fault *step_firewall_apply(struct vm *vm) MUST_CHECK;
struct fault *step_firewall_undo(struct vm *vm) MUST_CHECK;

/* step_vmm.c: the process.  When undo cannot end it, vm->vmm_stays keeps what it uses. */
/* step_vmm_choose() - the VMM of this start.  The faults of vmm_choose(). */
struct fault *step_vmm_choose(const struct vm *vm, struct vmm_choice *choice) MUST_CHECK;
struct fault *step_vmm_check(const struct vm *vm) MUST_CHECK;
struct fault *step_vmm_probe(struct vm *vm, bool *there) MUST_CHECK;
struct fault *step_vmm_apply(struct vm *vm) MUST_CHECK;
struct fault *step_vmm_undo(struct vm *vm) MUST_CHECK;
/* step_vmm_adopt() - the VMM runs, but handles.json may not know it yet. */
struct fault *step_vmm_adopt(struct vm *vm) MUST_CHECK;

/* step_forward.c: the process that listens on the VM's ports; undo ends every forwarder of the VM. */
struct fault *step_forward_check(const struct vm *vm) MUST_CHECK;
struct fault *step_forward_apply(struct vm *vm) MUST_CHECK;
struct fault *step_forward_undo(struct vm *vm) MUST_CHECK;

#endif
