/* SPDX-License-Identifier: MIT */
#include "vm/clone.h"

#include <string.h>

#include "base/file.h"
#include "guest/ssh_key.h"

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

/* Both names (NULL = only one) for the key that pins the guest's ssh server.  A VM may have none. */
static struct fault *pin_names(const struct vm_dir *d, const char *name, const char *also)
{
	AUTO_FREE char *hosts = xasprintf("%s" SSH_DOMAIN "%s%s%s", name, also ? "," : "",
					  also ? also : "", also ? SSH_DOMAIN : "");
	AUTO_BUF line = BUF_INIT;
	struct fault *f = ssh_known_hosts_line(d->fd, hosts, &line);

	if (f && fault_kind(f) == F_NOT_FOUND) {
		fault_free(f);
		return NULL;
	}
	return f ? f : file_write_atomic(d->fd, VM_KNOWN_HOSTS_FILE, line.data, line.len, 0600);
}

/*
 * spec.json first, with both names: whichever the directory has then is right.  The old name goes out
 * of it last.
 */
struct fault *vm_rename(struct vm *vm, const char *name)
{
	AUTO_FREE char *before = xstrdup(vm->dir.name);
	struct fault *f;

	TRY(check(vm, name));
	TRY(vm_teardown(vm)); /* what a crash left is found by paths with the old name */
	TRY(pin_names(&vm->dir, name, before));
	set_names(&vm->spec, name, before);
	TRY(vm_spec_write(&vm->dir, &vm->spec));
	f = vm_dir_rename(vm->store, &vm->dir, name);
	set_names(&vm->spec, vm->dir.name, NULL);
	f = fault_attach(f, vm_spec_write(&vm->dir, &vm->spec));
	return fault_attach(f, pin_names(&vm->dir, vm->dir.name, NULL));
}
