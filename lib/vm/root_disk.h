/* SPDX-License-Identifier: MIT */
/* root_disk.h - the root disk of one VM: where it is, how full, and back to the image. */
#ifndef BANGER_VM_ROOT_DISK_H
#define BANGER_VM_ROOT_DISK_H

#include "disk/snapshot.h"
#include "vm/vm.h"

/* vm_root_path() - what a VMM opens: a file or, in mode dm, the device that the start makes.  Owned. */
char *vm_root_path(const struct vm *vm);

/*
 * vm_cow_use() - how full the file of changes of a VM in mode dm is.  While the device is there the kernel
 * says it; else it is what the file takes on the host's disk.
 * Return: F_UNSUPPORTED the VM has no such file; F_DENIED, F_MISSING, F_SYS, F_CORRUPT.  Takes no lock.
 */
struct fault *vm_cow_use(const struct vm *vm, struct snapshot_use *use) MUST_CHECK;

/*
 * vm_reset() - give a VM the root disk that it was made with, from its image; its work disk stays.  The VM
 * is locked.  At every moment there is either the old disk or the new one.
 * @force: kill the VM when it is running.
 * Return: F_STATE when it runs; F_BUSY when somebody still has the old disk open; what making a disk
 * returns.
 */
struct fault *vm_reset(struct vm *vm, bool force) MUST_CHECK;

/* For the start steps: make the device of a VM in mode dm, and remove it. */
struct fault *vm_snapshot_open(const struct vm *vm) MUST_CHECK;
/* @deferred: somebody else has it open; the kernel removes it when they close it. */
struct fault *vm_snapshot_close(const struct vm *vm, bool *deferred) MUST_CHECK;
/* vm_root_check() - can the root disk be used?  F_MISSING, F_STATE, F_CORRUPT, F_DENIED, F_UNSUPPORTED. */
struct fault *vm_root_check(const struct vm *vm) MUST_CHECK;

#endif
