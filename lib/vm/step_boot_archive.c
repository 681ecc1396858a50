/* SPDX-License-Identifier: MIT */
/* step_boot_archive.c - what the guest is told at this start, behind the kernel's initramfs. */
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "guest/seed.h"
#include "guest/ssh_key.h"
#include "image/image.h"
#include "kernel/kernel.h"
#include "net/net.h"
#include "net/own_tap.h"
#include "vm/file_sync.h"
#include "vm/peers.h"
#include "vm/start_steps.h"

/* QEMU's user-mode network: the guest is .15, the host .2, a DNS forwarder .3 of 10.0.2.0/24. */
#define USER_NET_ADDRESS "10.0.2.15"
#define USER_NET_PREFIX	 24
#define USER_NET_GATEWAY "10.0.2.2"
#define USER_NET_DNS	 "10.0.2.3"

#define RESOLV_CONF_MAX 65536
#define RESOLVERS_MAX	3

static void add_all(struct strings *to, const struct strings *from)
{
	for (size_t i = 0; i < from->n; i++)
		strings_add(to, from->v[i]);
}

/* The servers of a resolv.conf(5) that a guest can reach: not those on the host's loopback. */
static void add_resolvers(const char *path, struct strings *dns)
{
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	AUTO_BUF text = BUF_INIT;
	uint32_t address;
	char *rest;

	if (fd < 0)
		return;
	fault_free(file_read_fd(fd, RESOLV_CONF_MAX, path, &text));
	rest = text.data;
	for (char *line = strsep(&rest, "\n"); line && dns->n < RESOLVERS_MAX;
	     line = strsep(&rest, "\n")) {
		if (strncmp(line, "nameserver", 10) || !line[10] || !strchr(" \t", line[10]))
			continue;
		line += 10 + strspn(line + 10, " \t");
		line[strcspn(line, " \t")] = '\0';
		if (address_parse(line, &address) && address >> 24 != 127)
			strings_add(dns, line);
	}
}

static void add_host_resolvers(struct strings *dns)
{
	add_resolvers("/etc/resolv.conf", dns);
	if (!dns->n) /* what systemd-resolved has behind its loopback address */
		add_resolvers("/run/systemd/resolve/resolv.conf", dns);
}

static struct fault *fill_own_tap_net(const struct vm *vm, struct seed_net *net)
{
	struct own_tap tap;

	TRY(own_tap_parse(vm->spec.net, &tap));
	net->mac = net_mac(vm->spec.id);
	net->address = address_text(tap.address);
	net->prefix = tap.prefix;
	if (!tap.gateway)
		return NULL;
	net->gateway = address_text(tap.gateway);
	add_host_resolvers(&net->dns);
	return NULL;
}

static struct fault *fill_bridge_net(const struct vm *vm, struct seed_net *net)
{
	struct subnet subnet;

	TRY(fault_wrap(subnet_parse(vm->config->subnet, &subnet), "net.subnet"));
	net->mac = net_mac(vm->spec.id);
	net->address = xstrdup(vm->spec.address);
	net->prefix = subnet.prefix;
	net->gateway = address_text(subnet.gateway);
	add_host_resolvers(&net->dns);
	return peers_list(vm, &net->peers);
}

static struct fault *fill_net(const struct vm *vm, struct seed_net *net)
{
	const struct vm_spec *spec = &vm->spec;

	if (!strcmp(spec->net, "bridge"))
		return fill_bridge_net(vm, net);
	if (own_tap_is(spec->net))
		return fill_own_tap_net(vm, net);
	if (strcmp(spec->net, "user"))
		return NULL;
	net->mac = net_mac(spec->id);
	net->address = xstrdup(USER_NET_ADDRESS);
	net->prefix = USER_NET_PREFIX;
	net->gateway = xstrdup(USER_NET_GATEWAY);
	strings_add(&net->dns, USER_NET_DNS);
	return NULL;
}

static char *copy_or_null(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

/* How the guest tells disk @index apart: by a serial, or by the order where the VMM has none. */
static char *disk_name(const struct vmm_driver *driver, size_t index)
{
	static const char *const serials[] = { "banger-root", "banger-work", "banger-modules" };

	return driver->serials ? xasprintf("serial=%s", serials[index])
			       : xasprintf("name=vd%c", (int)('a' + index));
}

static void fill_seed(const struct vm_spec *spec, const struct vmm_driver *driver, const struct image_record *image,
		      const struct kernel_record *kernel, struct seed *seed)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*seed = (struct seed){
		.hostname = xstrdup(spec->name),
		.vm_id = xstrdup(spec->id),
		.machine_id = copy_or_null(spec->machine_id),
		.root_disk = disk_name(driver, VMM_DISK_ROOT),
		.work_disk = disk_name(driver, VMM_DISK_WORK),
		.modules_disk = kernel->has_modules ? disk_name(driver, VMM_DISK_MODULES) : NULL,
		.kernel_release = copy_or_null(kernel->release),
		.channel = xstrdup(driver->transport == GUEST_VSOCK ? "vsock" : "virtio"),
		.working_dir = copy_or_null(spec->workdir ? spec->workdir
							  : image->config.working_dir),
		.run_entrypoint = spec->run_entrypoint,
		.entrypoint_user = copy_or_null(image->config.user),
		.operation = xstrdup(log_operation()),
		.time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
	};
	add_all(&seed->env, &image->config.env);
	add_all(&seed->env, &spec->env);
	add_all(&seed->entrypoint, &image->config.entrypoint);
	add_all(&seed->entrypoint, &image->config.cmd);
}

/* A VM of a banger that made no keys gets one now. */
static struct fault *add_host_key(const struct vm *vm, struct seed *seed)
{
	AUTO_BUF key = BUF_INIT;

	TRY(ssh_host_key_ensure(vm->dir.fd, vm->spec.name));
	TRY(ssh_host_key_read(vm->dir.fd, &key));
	seed->ssh_host_key = buf_steal(&key);
	return NULL;
}

static struct fault *write_boot_archive(struct vm *vm, const struct vmm_driver *driver,
					const struct image_record *image,
					const struct kernel_record *kernel)
{
	AUTO_BUF archive = BUF_INIT;
	AUTO_FD dir = -1;
	struct records files = { 0 };
	struct seed seed;
	struct fault *f;

	TRY(store_object_open(vm->store, COLLECTION_KERNELS, vm->spec.kernel, &dir));
	TRY(file_read(dir, KERNEL_INITRD_FILE, 256 * MIB, &archive));
	fill_seed(&vm->spec, driver, image, kernel, &seed);
	f = fill_net(vm, &seed.net);
	if (!f)
		f = add_host_key(vm, &seed);
	if (!f)
		f = file_sync_pack(vm->config, vm->progress, &files);
	if (!f)
		seed_archive(&seed, &files, &archive);
	seed_files_release(&files);
	record_release(&seed_type, &seed);
	if (f)
		return f;
	return file_write_volatile(vm->dir.fd, VM_INITRD_FILE, archive.data, archive.len, 0600);
}

struct fault *step_boot_archive_check(const struct vm *vm)
{
	AUTO_FREE char *vmlinux = store_object_path(vm->store, COLLECTION_KERNELS, vm->spec.kernel,
						    KERNEL_VMLINUX_FILE);

	if (access(vmlinux, R_OK) < 0)
		return fault_hint(fault_sys(F_MISSING, "kernel '%s' of VM '%s'", vm->spec.kernel,
					    vm->dir.name),
				  "Get it again with: banger kernel pull %s", vm->spec.kernel);
	return NULL;
}

struct fault *step_boot_archive_apply(struct vm *vm)
{
	struct image_record image = { 0 };
	struct kernel_record kernel = { 0 };
	struct vmm_choice choice;
	struct fault *f;

	TRY(step_vmm_choose(vm, &choice));
	f = image_load(vm->store, vm->spec.image, &image);

	if (!f)
		f = kernel_load(vm->store, vm->spec.kernel, &kernel);
	if (!f)
		f = write_boot_archive(vm, choice.driver, &image, &kernel);
	record_release(&image_record_type, &image);
	record_release(&kernel_record_type, &kernel);
	vmm_choice_release(&choice);
	return f;
}

struct fault *step_boot_archive_undo(struct vm *vm)
{
	return vm->vmm_stays ? NULL : tree_remove(vm->dir.fd, VM_INITRD_FILE);
}
