/* SPDX-License-Identifier: MIT */
#include "vmm/vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/vm_store.h"
#include "vmm/firecracker.h"
#include "vmm/jailer.h"

#define LOG_KEPT	(1 << 20)
#define LOG_BLOCK	4096
#define ANY_ID		"00000000"
#define LONGEST_SOCKET	FC_VSOCK_SOCKET "_4294967295" /* of a port that the guest connects to */
#define SOCKET_PATH_MAX 107			       /* sun_path less its NUL */

static const struct vmm_driver *const drivers[] = { &vmm_firecracker, &vmm_qemu };

void vmm_choice_release(struct vmm_choice *choice)
{
	free(choice->program);
	free(choice->jailer);
	free(choice->note);
	*choice = (struct vmm_choice){ 0 };
}

/* The sockets' names are made from it, and QEMU's options separate their parts by commas. */
static struct fault *check_run_dir(const struct store *s)
{
	AUTO_FREE char *dir = vm_run_path(s, ANY_ID);

	if (strlen(dir) + 1 + strlen(LONGEST_SOCKET) > SOCKET_PATH_MAX)
		return fault_hint(fault_new(F_INVALID, "the run directory '%s' is too long for "
					    "sockets", s->run_path),
				  "Set XDG_RUNTIME_DIR or BANGER_RUN_DIR to a shorter directory.");
	if (strchr(dir, ','))
		return fault_hint(fault_new(F_INVALID, "the run directory '%s' must not contain a "
					    "comma", s->run_path),
				  "Set XDG_RUNTIME_DIR or BANGER_RUN_DIR to another directory.");
	return NULL;
}

static struct fault *check_need(const struct vmm_driver *d, const struct vmm_need *need)
{
	if (need->user_net && !d->user_net)
		return fault_hint(fault_new(F_UNSUPPORTED, "%s has no user-mode network", d->name),
				  "Choose another network with --net, or --vmm qemu.");
	if (need->qcow2 && !d->qcow2)
		return fault_hint(fault_new(F_UNSUPPORTED, "%s cannot read the VM's qcow2 disk",
					    d->name),
				  "Make the VM with another --disk-mode, or use --vmm qemu.");
	if (d->vcpu_max && need->vcpu > d->vcpu_max)
		return fault_hint(fault_new(F_UNSUPPORTED, "%s gives a VM at most %u CPUs, not %llu",
					    d->name, d->vcpu_max, (unsigned long long)need->vcpu),
				  "Choose fewer with --vcpu, or use --vmm qemu.");
	return NULL;
}

struct fault *vmm_choose(const struct store *s, const char *wanted, const struct vmm_need *need,
			 const struct config *config, struct vmm_choice *choice)
{
	struct fault *f = NULL;

	*choice = (struct vmm_choice){ 0 };
	TRY(check_run_dir(s));
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		struct fault *refusal;

		if (strcmp(wanted, "auto") && strcmp(wanted, drivers[i]->name))
			continue;
		refusal = check_need(drivers[i], need);
		if (!refusal)
			refusal = drivers[i]->probe(s, config, choice);
		if (!refusal) {
			fault_free(f);
			choice->driver = drivers[i];
			return NULL;
		}
		vmm_choice_release(choice);
		/* What is said of the last one, which needs least, helps most. */
		f = fault_attach(refusal, f);
	}
	return f ? f : fault_new(F_INVALID, "there is no VMM '%s'; known are: %s", wanted, VMM_WORDS);
}

const struct vmm_driver *vmm_find(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_LEN(drivers); i++)
		if (!strcmp(name, drivers[i]->name))
			return drivers[i];
	return &vmm_qemu;
}

struct fault *vmm_find_process(const char *name, const char *run_dir, const char *initrd_path,
			       bool *found, struct process_id *process)
{
	*found = false;
	if (name)
		return vmm_find(name)->find(run_dir, initrd_path, found, process);
	for (size_t i = 0; !*found && i < ARRAY_LEN(drivers); i++)
		TRY(drivers[i]->find(run_dir, initrd_path, found, process));
	return NULL;
}

struct fault *vmm_clean(int vm_dir)
{
	struct fault *f = NULL;

	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		if (drivers[i]->clean)
			f = fault_attach(f, drivers[i]->clean(vm_dir));
	return f;
}

/* Whoever writes it has a position of their own, so the older part becomes a hole. */
static struct fault *bound_log(int vm_dir)
{
	AUTO_FD fd = openat(vm_dir, VM_LOG_FILE, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOENT ? NULL : fault_sys(F_SYS, "opening '" VM_LOG_FILE "'");
	if ((uint64_t)st.st_blocks * 512 <= VMM_LOG_MAX || st.st_size <= LOG_KEPT)
		return NULL;
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		      (st.st_size - LOG_KEPT) / LOG_BLOCK * LOG_BLOCK) < 0)
		return fault_sys(F_SYS, "shortening '" VM_LOG_FILE "'");
	return NULL;
}

struct fault *vmm_tidy(int vm_dir)
{
	struct fault *f = bound_log(vm_dir);

	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		if (drivers[i]->tidy)
			f = fault_attach(f, drivers[i]->tidy(vm_dir));
	return f;
}

uid_t vmm_owner(const struct vmm_choice *choice, const char *id)
{
	return choice->jailer ? jailer_uid(id) : geteuid();
}
