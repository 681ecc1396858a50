/* SPDX-License-Identifier: MIT */
/* clone.h - another name for a VM, and another VM with the same disks. */
#ifndef BANGER_VM_CLONE_H
#define BANGER_VM_CLONE_H

#include "vm/vm.h"

/*
 * vm_rename() - the VM, which is locked and does not run, is called @name from now on.  Killed at any
 * moment it has one of the two names.  F_INVALID, F_EXISTS, F_STATE, F_SYS.
 */
struct fault *vm_rename(struct vm *vm, const char *name) MUST_CHECK;

/*
 * vm_clone() - a VM @name with the disks of @vm, which is locked and does not run: shared blocks where
 * the file system can, else a copy of what is used.  It has an identity of its own: id, addresses,
 * keys, host name and machine-id.  Nothing is left behind by a failure.
 * F_INVALID, F_EXISTS, F_STATE, F_NO_SPACE, F_CANCELLED, F_SYS.
 */
struct fault *vm_clone(struct vm *vm, const char *name) MUST_CHECK;

#endif
