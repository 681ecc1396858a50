/* SPDX-License-Identifier: MIT */
/* step_run_dir.c - the directory for the sockets of a running VM. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "vm/start_steps.h"

/* A directory for sockets that anybody else could have made is not trusted. */
static struct fault *check_private(int dir, const char *path)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return fault_sys(F_SYS, "looking at '%s'", path);
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return fault_new(F_DENIED, "directory '%s' belongs to somebody else or can be written "
				 "by others", path);
	return NULL;
}

/* The link says whose sockets these are; a copy of the state directory has VMs with the same ids. */
static struct fault *link_to_vm(struct vm *vm, int dir)
{
	AUTO_FREE char *link = xasprintf("%s/vm", vm->run_dir);
	struct stat ours, theirs;

	if (!symlinkat(vm->dir.path, dir, "vm"))
		return NULL;
	if (errno != EEXIST)
		return fault_sys(F_SYS, "creating '%s'", link);
	if (fstat(vm->dir.fd, &ours) < 0)
		return fault_sys(F_SYS, "looking at '%s'", vm->dir.path);
	if (!fstatat(dir, "vm", &theirs, 0) &&
	    (ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev))
		return fault_hint(fault_new(F_BUSY, "'%s' is in use by a VM of another state "
					    "directory that has the same id", vm->run_dir),
				  "Delete one of the two, or give this one another BANGER_RUN_DIR.");
	return NULL;
}

/* Where the sockets will be is written down first: the next command may have another environment. */
struct fault *step_run_dir_apply(struct vm *vm)
{
	const char *path = vm->store->run_path;
	AUTO_FD parent = -1;
	AUTO_FD dir = -1;

	step_set_text(&vm->run_dir, vm_run_path(vm->store, vm->spec.id));
	step_set_text(&vm->handles.id, xstrdup(vm->spec.id));
	step_set_text(&vm->handles.run_dir, xstrdup(vm->run_dir));
	TRY(vm_handles_write(&vm->dir, &vm->handles));
	TRY(dir_make_path(path, 0700, &parent));
	TRY(check_private(parent, path));
	TRY(dir_make(parent, strrchr(vm->run_dir, '/') + 1, 0700, &dir));
	TRY(check_private(dir, vm->run_dir));
	return link_to_vm(vm, dir);
}

/* All but the link: without it nobody would know whose it is if something else cannot be removed. */
static struct fault *remove_sockets(int parent, const char *name)
{
	struct strings names = { 0 };
	AUTO_FD dir = -1;
	struct fault *f;

	TRY(dir_open(parent, name, &dir));
	f = dir_names(dir, name, &names);
	for (size_t i = 0; i < names.n; i++)
		if (strcmp(names.v[i], "vm"))
			f = fault_attach(f, tree_remove(dir, names.v[i]));
	strings_release(&names);
	return f;
}

/* What belongs to a VM of another state directory stays. */
struct fault *step_run_dir_undo(struct vm *vm)
{
	AUTO_FREE char *path = vm->run_dir ? xstrdup(vm->run_dir) : NULL;
	char *slash = path ? strrchr(path, '/') : NULL;
	AUTO_FD parent = -1;

	if (vm->vmm_stays)
		return NULL;
	if (slash) {
		*slash = '\0';
		parent = open(slash == path ? "/" : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (parent < 0 && errno != ENOENT && errno != ENOTDIR)
			return fault_sys(F_SYS, "opening '%s'", path);
	}
	if (parent >= 0 && vm_owns_run_dir(vm)) {
		TRY(remove_sockets(parent, slash + 1));
		TRY(tree_remove(parent, slash + 1));
	}
	else if (parent >= 0)
		unlinkat(parent, slash + 1, AT_REMOVEDIR); /* a start that was cut off made it */
	record_release(&vm_handles_type, &vm->handles);
	return tree_remove(vm->dir.fd, VM_HANDLES_FILE);
}
