/* SPDX-License-Identifier: MIT */
/* step_vmm.c - the virtual machine monitor. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "image/rootfs.h"
#include "kernel/kernel.h"
#include "net/net.h"
#include "net/own_tap.h"
#include "vm/console.h"
#include "vm/root_disk.h"
#include "vm/start_steps.h"

#define TERM_WAIT_MS 3000
#define KILL_WAIT_MS 10000

static struct fault *check_work(const struct vm *vm)
{
	if (faccessat(vm->dir.fd, VM_WORK_FILE, R_OK | W_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_sys(F_MISSING, "the work disk of VM '%s'", vm->dir.name);
	return NULL;
}

struct fault *step_vmm_choose(const struct vm *vm, struct vmm_choice *choice)
{
	const struct vm_spec *spec = &vm->spec;
	const struct vmm_need need = { .user_net = !strcmp(spec->net, "user"),
				       .qcow2 = !strcmp(spec->disk_mode, "qcow2"),
				       .vcpu = spec->vcpu };

	return vmm_choose(vm->store, spec->vmm ? spec->vmm : "auto", &need, vm->config, choice);
}

struct fault *step_vmm_check(const struct vm *vm)
{
	struct vmm_choice choice = { 0 };
	struct fault *f = step_vmm_choose(vm, &choice);

	vmm_choice_release(&choice);
	return fault_attach(f, check_work(vm));
}

struct fault *step_vmm_probe(struct vm *vm, bool *there)
{
	struct process_id id = { 0 };

	TRY(vm_find_process(vm, there, &id));
	process_id_release(&id);
	return NULL;
}

struct machine_paths {
	char *kernel, *initrd, *log, *metrics, *root, *backing, *work, *modules, *mac, *tap, *tag;
};

static struct fault *make_paths(const struct vm *vm, struct machine_paths *p)
{
	const struct store *s = vm->store;
	const struct vm_spec *spec = &vm->spec;

	*p = (struct machine_paths){
		.kernel = store_object_path(s, COLLECTION_KERNELS, spec->kernel,
					    KERNEL_VMLINUX_FILE),
		.initrd = xasprintf("%s/" VM_INITRD_FILE, vm->dir.path),
		.log = xasprintf("%s/" VM_LOG_FILE, vm->dir.path),
		.metrics = xasprintf("%s/" VM_METRICS_FILE, vm->dir.path),
		.root = vm_root_path(vm),
		.work = xasprintf("%s/" VM_WORK_FILE, vm->dir.path),
		.modules = store_object_path(s, COLLECTION_KERNELS, spec->kernel,
					     KERNEL_MODULES_FILE),
		.mac = net_mac(spec->id),
		.tap = net_interface(spec->net, spec->id),
		.tag = store_tag(s),
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

static int net_kind(const struct vm_spec *spec)
{
	if (!strcmp(spec->net, "bridge") || own_tap_is(spec->net))
		return VMM_NET_TAP;
	return strcmp(spec->net, "user") ? VMM_NET_NONE : VMM_NET_USER;
}

static bool kernel_has_mmio(const struct kernel_record *kernel)
{
	for (size_t i = 0; i < kernel->initrd_modules.n; i++)
		if (!strcmp(kernel->initrd_modules.v[i], "virtio_mmio"))
			return true;
	return false;
}

static void fill_machine(const struct vm *vm, const struct machine_paths *p,
			 const struct kernel_record *kernel, int console,
			 struct vmm_machine *m)
{
	*m = (struct vmm_machine){
		.name = vm->spec.name,
		.tag = p->tag,
		.id = vm->spec.id,
		.run_dir = vm->run_dir,
		.kernel_path = p->kernel,
		.initrd_path = p->initrd,
		.console = console,
		.log_path = p->log,
		.metrics_path = p->metrics,
		.vcpu = (unsigned int)vm->spec.vcpu,
		.memory_bytes = vm->spec.memory_bytes,
		.disks = { { p->root, p->backing ? "qcow2" : "raw", p->backing, "banger-root",
			     false },
			   { p->work, "raw", NULL, "banger-work", false },
			   { p->modules, "raw", NULL, "banger-modules", true } },
		.n_disks = kernel->has_modules ? 3 : 2,
		.net = { .kind = net_kind(&vm->spec), .mac = p->mac, .tap = p->tap },
		.virtio_mmio = kernel_has_mmio(kernel),
	};
}

static struct fault *launch(struct vm *vm, const struct vmm_choice *choice,
			    const struct kernel_record *kernel)
{
	struct machine_paths paths;
	struct vmm_machine machine;
	AUTO_FD console = -1;
	struct fault *f;

	process_id_release(&vm->handles.console);
	TRY(console_start(&vm->dir, &console, &vm->handles.console));
	/* All but its process id, before it is there: it may be us who are not there afterwards. */
	TRY(vm_handles_write(&vm->dir, &vm->handles));
	f = make_paths(vm, &paths);
	if (!f) {
		fill_machine(vm, &paths, kernel, console, &machine);
		f = choice->driver->launch(choice, &machine, &vm->handles.vmm);
	}
	free_paths(&paths);
	return f;
}

struct fault *step_vmm_apply(struct vm *vm)
{
	struct kernel_record kernel = { 0 };
	struct vmm_choice choice;
	struct fault *f;

	TRY(step_vmm_choose(vm, &choice));
	f = kernel_load(vm->store, vm->spec.kernel, &kernel);
	if (!f) {
		process_id_release(&vm->handles.vmm);
		step_set_text(&vm->handles.driver, xstrdup(choice.driver->name));
		step_set_text(&vm->handles.accel, xstrdup(choice.kvm ? "kvm" : "tcg"));
		f = launch(vm, &choice, &kernel);
	}
	if (!f) {
		step_set_text(&vm->handles.started, text_time(time(NULL)));
		f = vm_handles_write(&vm->dir, &vm->handles);
	}
	record_release(&kernel_record_type, &kernel);
	vmm_choice_release(&choice);
	return f;
}

struct fault *step_vmm_adopt(struct vm *vm)
{
	struct process_id id = { 0 };
	bool found = false;

	TRY(vm_find_process(vm, &found, &id));
	if (!found)
		return fault_new(F_STATE, "the virtual machine has ended meanwhile");
	process_id_release(&vm->handles.vmm);
	vm->handles.vmm = id;
	if (!vm->handles.id)
		step_set_text(&vm->handles.id, xstrdup(vm->spec.id));
	if (!vm->handles.run_dir && vm->run_dir)
		step_set_text(&vm->handles.run_dir, xstrdup(vm->run_dir));
	if (!vm->handles.driver)
		step_set_text(&vm->handles.driver, xstrdup(vm_guest_address(vm).transport == GUEST_VSOCK ?
				      vmm_firecracker.name : vmm_qemu.name));
	if (!vm->handles.started)
		step_set_text(&vm->handles.started, text_time(time(NULL)));
	return vm_handles_write(&vm->dir, &vm->handles);
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

struct fault *step_vmm_undo(struct vm *vm)
{
	struct process_id id = { 0 };
	bool found = false;
	struct fault *f = vm_find_process(vm, &found, &id);

	if (found)
		f = end_process(&id);
	process_id_release(&id);
	vm->vmm_stays = f != NULL; /* without what it uses it could not be found again */
	if (f)
		return f;
	f = vmm_clean(vm->dir.fd);
	return fault_attach(f, console_end(&vm->handles.console));
}
