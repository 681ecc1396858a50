/* SPDX-License-Identifier: MIT */
#include "vm/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/text.h"
#include "guest/ssh_key.h"

#define WORKSPACE_GIT_DEEP 8

static struct fault *copy_range(int from, int to, off_t at, off_t end)
{
	while (at < end) {
		size_t step = end - at < (off_t)(64 * MIB) ? (size_t)(end - at) : 64 * MIB;
		off_t out = at;
		ssize_t n = copy_file_range(from, &at, to, &out, step, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fault_sys(F_SYS, "copying a disk");
		TRY(cancel_check());
	}
	return NULL;
}

static struct fault *copy_used(int from, int to, off_t size)
{
	off_t at = 0;

	if (ftruncate(to, size) < 0)
		return fault_sys(F_SYS, "sizing the copy of a disk");
	for (;;) {
		off_t end;

		at = lseek(from, at, SEEK_DATA);
		if (at < 0 && errno == ENXIO)
			return NULL;
		end = at < 0 ? -1 : lseek(from, at, SEEK_HOLE);
		if (end < 0)
			return fault_sys(F_SYS, "reading a disk");
		TRY(copy_range(from, to, at, end));
		at = end;
	}
}

static struct fault *copy_file(int from, int to, const char *name)
{
	AUTO_FD in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	AUTO_FD out = -1;
	struct stat st;

	if (in < 0 || fstat(in, &st) < 0)
		return fault_sys(F_SYS, "opening '%s' of the VM to be cloned", name);
	if (!S_ISREG(st.st_mode))
		return NULL;
	out = openat(to, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return fault_sys(F_SYS, "creating '%s' of the clone", name);
	if (ioctl(out, FICLONE, in) < 0)
		TRY(copy_used(in, out, st.st_size));
	return fsync(out) < 0 ? fault_sys(F_SYS, "writing '%s' of the clone", name) : NULL;
}

/* Whatever the disk mode: its files begin so. */
static bool is_disk(const char *name)
{
	return !strncmp(name, "root.", 5) || !strncmp(name, "work.", 5);
}

static struct fault *copy_disks(const struct vm_dir *from, const struct vm_dir *to)
{
	struct strings names = { 0 };
	struct fault *f;

	TRY(dir_names(from->fd, "the files of a VM", &names));
	f = NULL;
	for (size_t i = 0; !f && i < names.n; i++)
		if (is_disk(names.v[i]))
			f = copy_file(from->fd, to->fd, names.v[i]);
	strings_release(&names);
	return f;
}

/* A directory of ours, as deep as a repository is. */
static struct fault *copy_directory(int from, int to, const char *name, int deep)
{
	struct strings names = { 0 };
	AUTO_FD in = -1;
	AUTO_FD out = -1;
	struct fault *f;

	TRY(dir_open(from, name, &in));
	if (mkdirat(to, name, 0700) < 0)
		return fault_sys(F_SYS, "creating '%s' of the clone", name);
	TRY(dir_open(to, name, &out));
	f = dir_names(in, name, &names);
	for (size_t i = 0; !f && i < names.n; i++) {
		struct stat st;

		if (fstatat(in, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			f = fault_sys(F_SYS, "looking at '%s' of the VM to be cloned", names.v[i]);
		else if (!S_ISDIR(st.st_mode))
			f = copy_file(in, out, names.v[i]);
		else if (deep)
			f = copy_directory(in, out, names.v[i], deep - 1);
	}
	strings_release(&names);
	return f;
}

/* What the guest was given goes along: its files are on the disks, so its changes can be exported. */
static struct fault *copy_workspace(struct vm *vm, const struct vm_dir *to)
{
	AUTO_LOCK lock = LOCK_INIT;

	if (!vm->spec.workspace.source || faccessat(vm->dir.fd, VM_WORKSPACE_GIT, F_OK, 0))
		return NULL;
	TRY(lock_take(vm->dir.fd, VM_WORKSPACE_LOCK, LOCK_EXCLUSIVE, "the workspace", "clone", 0, &lock));
	return copy_directory(vm->dir.fd, to->fd, VM_WORKSPACE_GIT, WORKSPACE_GIT_DEEP);
}

static void set_text(char **slot, char *text)
{
	free(*slot);
	*slot = text;
}

/* What a VM is goes along; who it is, and what happened to it, does not. */
static struct fault *renew(const struct store *s, struct vm_spec *spec, const char *name)
{
	set_text(&spec->name, xstrdup(name));
	set_text(&spec->created, text_time(time(NULL)));
	set_text(&spec->touched, NULL);
	set_text(&spec->wanted, xstrdup("created"));
	set_text(&spec->last_error, NULL);
	process_id_release(&spec->ephemeral); /* it is nobody's but the user's */
	strings_release(&spec->ports); /* a port of the host has room for one of them */
	TRY(vm_draw_id(s, spec));
	set_text(&spec->machine_id, xstrdup(spec->id));
	return NULL;
}

/* Image and kernel are held, as by create: they must be there for as long as a VM names them. */
static struct fault *make(struct vm *vm, struct vm_dir *dir, struct vm_spec *spec)
{
	const struct store *s = vm->store;
	AUTO_LOCK image = LOCK_INIT;
	AUTO_LOCK kernel = LOCK_INIT;

	TRY(store_object_lock(s, COLLECTION_IMAGES, spec->image, LOCK_SHARED, "clone", &image));
	TRY(store_object_lock(s, COLLECTION_KERNELS, spec->kernel, LOCK_SHARED, "clone", &kernel));
	TRY(renew(s, spec, dir->name));
	TRY(vm_claim_address(s, vm->config, spec));
	TRY(copy_disks(&vm->dir, dir));
	TRY(copy_workspace(vm, dir));
	TRY(ssh_host_key_ensure(dir->fd, spec->name));
	TRY(vm_spec_write(dir, spec));
	return vm_dir_publish(s, dir);
}

struct fault *vm_clone(struct vm *vm, const char *name)
{
	AUTO_VM_DIR dir = VM_DIR_INIT;
	struct vm_spec spec;
	struct fault *f;
	AUTO_FD taken = -1;
	AUTO_FAULT absent = NULL;

	TRY(name_check_vm(name));
	TRY(vm_need_spec(vm));
	if (vm_state(vm) == VM_RUNNING)
		return fault_hint(fault_new(F_STATE, "VM '%s' is running: its disks change while they "
					    "would be copied", vm->dir.name),
				  "Stop it first: banger vm stop %s", vm->dir.name);
	absent = store_object_open(vm->store, COLLECTION_VMS, name, &taken);
	if (!absent)
		return fault_new(F_EXISTS, "there is a VM '%s' already", name);
	TRY(vm_dir_stage(vm->store, name, &dir));
	record_copy(&vm_spec_type, &vm->spec, &spec);
	f = make(vm, &dir, &spec);
	if (f)
		f = fault_attach(f, vm_dir_discard(vm->store, &dir));
	if (f && strcmp(spec.id, vm->spec.id))
		f = fault_attach(f, vm_release_address(vm->store, &spec));
	record_release(&vm_spec_type, &spec);
	return f;
}
