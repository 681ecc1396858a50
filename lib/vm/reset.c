/* SPDX-License-Identifier: MIT */
/* reset.c - back to the image: a new root disk is made beside the old one and takes its name. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "disk/root_disk.h"
#include "image/image.h"
#include "image/rootfs.h"
#include "vm/root_disk.h"

/* Hidden, so that nothing takes a half-made one for a disk; emptied by the next reset. */
#define NEW_FILE ".root.new"

static struct fault *bring_down(struct vm *vm, bool force)
{
	enum vm_stopped how;

	if (vm_state(vm) == VM_RUNNING && !force)
		return fault_hint(fault_new(F_STATE, "VM '%s' is running: its root disk cannot be "
					    "reset now", vm->dir.name),
				  "Stop it first, or kill it with: banger vm reset --force %s",
				  vm->dir.name);
	/* What a crash left goes, too. */
	return vm_state(vm) == VM_RUNNING ? vm_kill(vm, SIGKILL, &how) : vm_teardown(vm);
}

/* A device that somebody keeps open would still show the old disk under the VM's name. */
static struct fault *check_closed(const struct vm *vm)
{
	bool deferred;

	TRY(vm_snapshot_close(vm, &deferred));
	if (deferred)
		return fault_new(F_BUSY, "a program still has the root disk of VM '%s' open",
				 vm->dir.name);
	return NULL;
}

static struct fault *make_new(struct vm *vm)
{
	const struct vm_spec *spec = &vm->spec;
	struct image_record image = { 0 };
	AUTO_LOCK lock = LOCK_INIT;
	AUTO_FREE char *rootfs = NULL;
	const char *made = NULL;

	TRY(store_object_lock(vm->store, COLLECTION_IMAGES, spec->image, LOCK_SHARED, "reset", &lock));
	TRY(image_rootfs_path(vm->store, spec->image, &rootfs));
	if (unlinkat(vm->dir.fd, NEW_FILE, 0) < 0 && errno != ENOENT)
		return fault_sys(F_SYS, "removing what an earlier reset left");
	/* The VMM that reads qcow2 today was there when the VM was made. */
	TRY(root_disk_make(rootfs, vm->dir.fd, NEW_FILE, NEW_FILE, spec->system_bytes,
			   spec->disk_mode, true, &made));
	TRY(image_load(vm->store, spec->image, &image));
	free(vm->spec.image_digest);
	vm->spec.image_digest = steal_ptr(&image.manifest_digest);
	record_release(&image_record_type, &image);
	return NULL;
}

static struct fault *put_in_place(const struct vm *vm)
{
	const char *file = strcmp(vm->spec.disk_mode, DISK_MODE_DM) ? VM_ROOT_FILE : VM_COW_FILE;

	if (renameat(vm->dir.fd, NEW_FILE, vm->dir.fd, file) < 0)
		return fault_sys(F_SYS, "replacing the root disk of VM '%s'", vm->dir.name);
	return dir_sync(vm->dir.fd, vm->dir.path);
}

struct fault *vm_reset(struct vm *vm, bool force)
{
	AUTO_FREE char *rootfs = NULL;
	struct fault *f;

	TRY(vm_need_spec(vm));
	TRY(fault_wrap(image_rootfs_path(vm->store, vm->spec.image, &rootfs), "VM '%s'",
		       vm->dir.name));
	TRY(root_disk_check(vm->dir.fd, vm->spec.disk_mode, true));
	TRY(bring_down(vm, force));
	TRY(check_closed(vm));
	f = make_new(vm);
	if (!f)
		f = put_in_place(vm);
	if (f) {
		unlinkat(vm->dir.fd, NEW_FILE, 0);
		return fault_wrap(f, "the root disk of VM '%s' stays as it is", vm->dir.name);
	}
	free(vm->spec.last_error); /* it may have been about the disk that is gone */
	vm->spec.last_error = NULL;
	return vm_touch(vm);
}
