/* SPDX-License-Identifier: MIT */
/* start.c - the steps from files to a running VMM, and back. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "guest/seed.h"
#include "image/image.h"
#include "image/rootfs.h"
#include "kernel/kernel.h"
#include "vm/steps.h"

#define TERM_WAIT_MS 3000
#define KILL_WAIT_MS 10000

/* QEMU's user-mode network: the guest is .15, the host .2, a DNS forwarder .3 of 10.0.2.0/24. */
#define USER_NET_ADDRESS "10.0.2.15"
#define USER_NET_PREFIX	 24
#define USER_NET_GATEWAY "10.0.2.2"
#define USER_NET_DNS	 "10.0.2.3"

/* ----------------------------------------------------------------------- step: run directory */

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

static void set_text(char **slot, char *text)
{
	free(*slot);
	*slot = text;
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
static struct fault *run_dir_apply(struct vm *vm)
{
	const char *path = vm->store->run_path;
	AUTO_FD parent = -1;
	AUTO_FD dir = -1;

	set_text(&vm->run_dir, vm_run_path(vm->store, vm->spec.id));
	set_text(&vm->handles.id, xstrdup(vm->spec.id));
	set_text(&vm->handles.run_dir, xstrdup(vm->run_dir));
	TRY(vm_handles_write(&vm->dir, &vm->handles));
	TRY(dir_make_path(path, 0700, &parent));
	TRY(check_private(parent, path));
	TRY(dir_make(parent, strrchr(vm->run_dir, '/') + 1, 0700, &dir));
	TRY(check_private(dir, vm->run_dir));
	return link_to_vm(vm, dir);
}

/* What belongs to a VM of another state directory stays. */
static struct fault *run_dir_undo(struct vm *vm)
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
	if (parent >= 0 && vm_owns_run_dir(vm))
		TRY(tree_remove(parent, slash + 1));
	else if (parent >= 0)
		unlinkat(parent, slash + 1, AT_REMOVEDIR); /* a start that was cut off made it */
	record_release(&vm_handles_type, &vm->handles);
	return tree_remove(vm->dir.fd, VM_HANDLES_FILE);
}

/* ------------------------------------------------------------------------ step: boot archive */

/* "02:" and the first five bytes of the id. */
static char *mac_address(const char *id)
{
	return xasprintf("02:%.2s:%.2s:%.2s:%.2s:%.2s", id, id + 2, id + 4, id + 6, id + 8);
}

static void add_all(struct strings *to, const struct strings *from)
{
	for (size_t i = 0; i < from->n; i++)
		strings_add(to, from->v[i]);
}

static void fill_net(const struct vm_spec *spec, struct seed_net *net)
{
	if (strcmp(spec->net, "user"))
		return;
	net->mac = mac_address(spec->id);
	net->address = xstrdup(USER_NET_ADDRESS);
	net->prefix = USER_NET_PREFIX;
	net->gateway = xstrdup(USER_NET_GATEWAY);
	strings_add(&net->dns, USER_NET_DNS);
}

static char *copy_or_null(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static void fill_seed(const struct vm_spec *spec, const struct image_record *image,
		      const struct kernel_record *kernel, struct seed *seed)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*seed = (struct seed){
		.hostname = xstrdup(spec->name),
		.vm_id = xstrdup(spec->id),
		.root_disk = xstrdup("serial=banger-root"),
		.work_disk = xstrdup("serial=banger-work"),
		.modules_disk = kernel->has_modules ? xstrdup("serial=banger-modules") : NULL,
		.kernel_release = copy_or_null(kernel->release),
		.channel = xstrdup("virtio"),
		.working_dir = copy_or_null(spec->workdir ? spec->workdir
							  : image->config.working_dir),
		.run_entrypoint = spec->run_entrypoint,
		.entrypoint_user = copy_or_null(image->config.user),
		.time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
	};
	fill_net(spec, &seed->net);
	add_all(&seed->env, &image->config.env);
	add_all(&seed->env, &spec->env);
	add_all(&seed->entrypoint, &image->config.entrypoint);
	add_all(&seed->entrypoint, &image->config.cmd);
}

static struct fault *write_boot_archive(struct vm *vm, const struct image_record *image,
					const struct kernel_record *kernel)
{
	AUTO_BUF archive = BUF_INIT;
	AUTO_FD dir = -1;
	struct seed seed;

	TRY(store_object_open(vm->store, COLLECTION_KERNELS, vm->spec.kernel, &dir));
	TRY(file_read(dir, KERNEL_INITRD_FILE, 256 * MIB, &archive));
	fill_seed(&vm->spec, image, kernel, &seed);
	seed_archive(&seed, &archive);
	record_release(&seed_type, &seed);
	return file_write_volatile(vm->dir.fd, VM_INITRD_FILE, archive.data, archive.len, 0600);
}

static struct fault *boot_archive_apply(struct vm *vm)
{
	struct image_record image = { 0 };
	struct kernel_record kernel = { 0 };
	struct fault *f = image_load(vm->store, vm->spec.image, &image);

	if (!f)
		f = kernel_load(vm->store, vm->spec.kernel, &kernel);
	if (!f)
		f = write_boot_archive(vm, &image, &kernel);
	record_release(&image_record_type, &image);
	record_release(&kernel_record_type, &kernel);
	return f;
}

static struct fault *boot_archive_undo(struct vm *vm)
{
	return vm->vmm_stays ? NULL : tree_remove(vm->dir.fd, VM_INITRD_FILE);
}

/* --------------------------------------------------------------------------------- step: vmm */

static struct fault *vmm_probe(struct vm *vm, bool *there)
{
	struct process_id id = { 0 };

	TRY(vm_find_process(vm, there, &id));
	process_id_release(&id);
	return NULL;
}

struct machine_paths {
	char *kernel, *initrd, *console, *log, *root, *backing, *work, *modules, *mac;
};

static struct fault *make_paths(const struct vm *vm, struct machine_paths *p)
{
	const struct store *s = vm->store;
	const struct vm_spec *spec = &vm->spec;

	*p = (struct machine_paths){
		.kernel = store_object_path(s, COLLECTION_KERNELS, spec->kernel,
					    KERNEL_VMLINUX_FILE),
		.initrd = xasprintf("%s/" VM_INITRD_FILE, vm->dir.path),
		.console = xasprintf("%s/" VM_CONSOLE_FILE, vm->dir.path),
		.log = xasprintf("%s/" VM_LOG_FILE, vm->dir.path),
		.root = xasprintf("%s/" VM_ROOT_FILE, vm->dir.path),
		.work = xasprintf("%s/" VM_WORK_FILE, vm->dir.path),
		.modules = store_object_path(s, COLLECTION_KERNELS, spec->kernel,
					     KERNEL_MODULES_FILE),
		.mac = mac_address(spec->id),
	};
	return strcmp(spec->disk_mode, "qcow2") ? NULL
						: image_rootfs_path(s, spec->image, &p->backing);
}

static void free_paths(struct machine_paths *p)
{
	char **all = &p->kernel;

	for (size_t i = 0; i < sizeof(*p) / sizeof(*all); i++)
		free(all[i]);
}

static bool kernel_has_mmio(const struct kernel_record *kernel)
{
	for (size_t i = 0; i < kernel->initrd_modules.n; i++)
		if (!strcmp(kernel->initrd_modules.v[i], "virtio_mmio"))
			return true;
	return false;
}

static void fill_machine(const struct vm *vm, const struct machine_paths *p,
			 const struct kernel_record *kernel, struct vmm_machine *m)
{
	*m = (struct vmm_machine){
		.name = vm->spec.name,
		.run_dir = vm->run_dir,
		.kernel_path = p->kernel,
		.initrd_path = p->initrd,
		.console_path = p->console,
		.log_path = p->log,
		.vcpu = (unsigned int)vm->spec.vcpu,
		.memory_bytes = vm->spec.memory_bytes,
		.disks = { { p->root, p->backing ? "qcow2" : "raw", p->backing, "banger-root",
			     false },
			   { p->work, "raw", NULL, "banger-work", false },
			   { p->modules, "raw", NULL, "banger-modules", true } },
		.n_disks = kernel->has_modules ? 3 : 2,
		.net = !strcmp(vm->spec.net, "user"),
		.mac = p->mac,
		.virtio_mmio = kernel_has_mmio(kernel),
	};
}

static struct fault *launch(struct vm *vm, const struct vmm_choice *choice,
			    const struct kernel_record *kernel)
{
	struct machine_paths paths;
	struct vmm_machine machine;
	struct fault *f;

	f = make_paths(vm, &paths);
	if (!f) {
		fill_machine(vm, &paths, kernel, &machine);
		f = choice->driver->launch(choice, &machine, &vm->handles.vmm);
	}
	free_paths(&paths);
	return f;
}

static struct fault *vmm_apply(struct vm *vm)
{
	struct kernel_record kernel = { 0 };
	struct vmm_choice choice;
	struct fault *f;

	TRY(vmm_choose(vm->spec.vmm ? vm->spec.vmm : "auto", vm->config, &choice));
	f = kernel_load(vm->store, vm->spec.kernel, &kernel);
	if (!f) {
		process_id_release(&vm->handles.vmm);
		f = launch(vm, &choice, &kernel);
	}
	if (!f) {
		set_text(&vm->handles.driver, xstrdup(choice.driver->name));
		set_text(&vm->handles.accel, xstrdup(choice.kvm ? "kvm" : "tcg"));
		set_text(&vm->handles.started, text_time(time(NULL)));
		f = vm_handles_write(&vm->dir, &vm->handles);
	}
	record_release(&kernel_record_type, &kernel);
	vmm_choice_release(&choice);
	return f;
}

/* Ask, then insist; only a process that is surely ours, through its pidfd. */
static struct fault *end_process(const struct process_id *id)
{
	AUTO_FD pidfd = -1;
	bool gone = false;

	TRY(process_open(id, &pidfd));
	if (pidfd < 0)
		return NULL;
	/* SIGTERM lets QEMU write its metadata caches back. */
	TRY(process_kill(pidfd, SIGTERM));
	TRY(process_wait_gone(pidfd, TERM_WAIT_MS, &gone));
	if (gone)
		return NULL;
	TRY(process_kill(pidfd, SIGKILL));
	TRY(process_wait_gone(pidfd, KILL_WAIT_MS, &gone));
	if (!gone)
		return fault_new(F_SYS, "process %llu did not end after SIGKILL",
				 (unsigned long long)id->pid);
	return NULL;
}

static struct fault *vmm_undo(struct vm *vm)
{
	struct process_id id = { 0 };
	bool found = false;
	struct fault *f = vm_find_process(vm, &found, &id);

	if (found)
		f = end_process(&id);
	process_id_release(&id);
	vm->vmm_stays = f != NULL; /* without what it uses it could not be found again */
	return f;
}

/* ------------------------------------------------------------------------------- the lists */

static const struct step start_steps[] = {
	{ "run-dir", "making the directory for sockets", NULL, run_dir_apply, run_dir_undo },
	{ "boot-archive", "writing the boot archive", NULL, boot_archive_apply, boot_archive_undo },
	{ "vmm", "starting the virtual machine", vmm_probe, vmm_apply, vmm_undo },
};

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
	set_text(&vm->spec.last_error, f ? xstrdup(fault_message(f)) : NULL);
	if (!f)
		set_text(&vm->spec.wanted, xstrdup("running"));
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
	TRY(vmm_probe(vm, already));
	if (*already)
		return NULL;
	TRY(preflight(vm));
	f = vm_teardown(vm); /* what a crash left */
	if (!f)
		f = steps_run(vm, "start", start_steps, ARRAY_LEN(start_steps));
	return record_outcome(vm, f);
}
