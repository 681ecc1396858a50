/* SPDX-License-Identifier: MIT */
/*
 * qemu.c - the QEMU driver.
 *
 * Theory of operation.  QEMU is started detached with everything on its command line and makes its
 * own sockets in the run directory: "qmp" for control and "agent.0" ... for the agent's
 * virtio-serial ports "banger.0" ...  Its process is found again by the path of "qmp" among its
 * arguments.  Where the guest's kernel finds virtio devices over MMIO the small "microvm" machine is
 * used, otherwise, and where this QEMU has no microvm, "q35".
 */
#include "vmm/vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "guest/client.h"
#include "host/machine.h"
#include "host/spawn.h"
#include "vmm/qmp.h"

#define LAUNCH_WAIT_MS	 30000
#define LOG_TAIL	 2048
#define QMP_NAME	 "qmp"

static char *socket_path(const char *run_dir)
{
	return xasprintf("%s/" QMP_NAME, run_dir);
}

static struct fault *probe(const struct store *s, const struct config *config,
			   struct vmm_choice *choice)
{
	struct fault *no_kvm;

	(void)s;
	choice->program = machine_find_program(config->qemu_bin);
	if (!choice->program)
		return fault_hint(fault_new(F_MISSING, "QEMU is not installed (no program '%s')",
					    config->qemu_bin),
				  "Install it: sudo apt-get install qemu-system-x86");
	no_kvm = machine_kvm_fault();
	choice->kvm = !no_kvm;
	if (no_kvm)
		choice->note = xasprintf("no usable KVM (%s): the VM is emulated, which is slower",
					 fault_message(no_kvm));
	fault_free(no_kvm);
	return NULL;
}

/* ------------------------------------------------------------------------- the command line */

struct args {
	struct strings list;
	bool microvm;
};

static void add(struct args *a, const char *option, const char *fmt, ...) PRINTF(3, 4);

static void add(struct args *a, const char *option, const char *fmt, ...)
{
	AUTO_FREE char *value = NULL;
	va_list ap;

	va_start(ap, fmt);
	value = xvasprintf(fmt, ap);
	va_end(ap);
	strings_add(&a->list, option);
	strings_add(&a->list, value);
}

/* A value inside a comma-separated option: commas are doubled.  Owned. */
static char *escaped(const char *value)
{
	struct buf text = BUF_INIT;

	for (; *value; value++)
		buf_adds(&text, *value == ',' ? ",," : (const char[]){ *value, '\0' });
	return buf_steal(&text);
}

/* The device name of a virtio device on this machine's bus. */
static const char *bus(const struct args *a)
{
	return a->microvm ? "device" : "pci";
}

static void add_machine(struct args *a, const struct vmm_choice *choice,
			const struct vmm_machine *m)
{
	add(a, "-name", "banger-%s", m->name);
	strings_add(&a->list, "-no-user-config");
	strings_add(&a->list, "-nodefaults");
	strings_add(&a->list, "-no-reboot");
	add(a, "-display", "none");
	add(a, "-machine", "%s,accel=%s",
	    a->microvm ? "microvm,acpi=on,rtc=on,pit=off,pic=off" : "q35,vmport=off,smm=off,sata=off",
	    choice->kvm ? "kvm" : "tcg");
	add(a, "-cpu", "%s", choice->kvm ? "host" : "max,+svm");
	add(a, "-smp", "%u", m->vcpu);
	add(a, "-m", "%lluM", (unsigned long long)(m->memory_bytes / MIB));
	add(a, "-sandbox",
	    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

static void add_kernel(struct args *a, const struct vmm_choice *choice,
		       const struct vmm_machine *m)
{
	AUTO_BUF line = BUF_INIT;

	add(a, "-kernel", "%s", m->kernel_path);
	add(a, "-initrd", "%s", m->initrd_path);
	buf_adds(&line, "console=ttyS0 quiet reboot=t panic=-1 no_timer_check");
	/* Without a PIT the guest cannot calibrate its TSC under emulation, and hangs. */
	if (a->microvm && !choice->kvm)
		buf_addf(&line, " tsc_early_khz=%llu", (unsigned long long)machine_tsc_khz());
	add(a, "-append", "%s", line.data);
}

/* QEMU has a driver of its own for devices, and refuses them in the other. */
static const char *file_driver(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISBLK(st.st_mode) ? "host_device" : "file";
}

static void add_file_node(struct buf *json, const char *name, const char *path, bool read_only)
{
	buf_addf(json, "{\"driver\":\"%s\",\"node-name\":\"%s-file\",\"filename\":",
		 file_driver(path), name);
	json_add_string(json, path);
	/* Images and module disks are shared by many VMs and never written. */
	buf_addf(json, ",\"read-only\":%s,\"locking\":\"%s\"}", read_only ? "true" : "false",
		 read_only ? "off" : "on");
}

static void add_disk(struct args *a, const struct vmm_disk *disk, size_t index)
{
	AUTO_FREE char *name = xasprintf("disk%zu", index);
	AUTO_FREE char *below = xasprintf("disk%zu-image", index);
	AUTO_BUF json = BUF_INIT;

	buf_addf(&json, "{\"driver\":\"%s\",\"node-name\":\"%s\",\"read-only\":%s,\"file\":",
		 disk->format, name, disk->read_only ? "true" : "false");
	add_file_node(&json, name, disk->path, disk->read_only);
	if (disk->backing) {
		buf_addf(&json, ",\"backing\":{\"driver\":\"raw\",\"node-name\":\"%s\","
			 "\"read-only\":true,\"file\":", below);
		add_file_node(&json, below, disk->backing, true);
		buf_addc(&json, '}');
	}
	buf_addc(&json, '}');
	add(a, "-blockdev", "%s", json.data);
	add(a, "-device", "virtio-blk-%s,drive=%s,serial=%s", bus(a), name, disk->serial);
}

/* Its value is unique to the VM, so it also serves to find the process again.  Owned. */
static char *control_argument(const char *run_dir)
{
	AUTO_FREE char *run = escaped(run_dir);

	return xasprintf("socket,id=qmp,path=%s/" QMP_NAME ",server=on,wait=off", run);
}

static struct fault *find(const char *run_dir, const char *initrd_path, bool *found,
			  struct process_id *process)
{
	AUTO_FREE char *control = run_dir ? control_argument(run_dir) : NULL;

	return control ? process_find("-chardev", control, found, process)
		       : process_find("-initrd", initrd_path, found, process);
}

static void add_channels(struct args *a, const struct vmm_machine *m)
{
	AUTO_FREE char *run = escaped(m->run_dir);
	AUTO_FREE char *control = control_argument(m->run_dir);

	add(a, "-chardev", "%s", control);
	add(a, "-mon", "chardev=qmp,mode=control");
	add(a, "-chardev", "stdio,id=console,signal=off");
	add(a, "-serial", "chardev:console");
	add(a, "-device", "virtio-serial-%s,max_ports=%d", bus(a), GUEST_PORTS + 1);
	for (int i = 0; i < GUEST_PORTS; i++) {
		add(a, "-chardev", "socket,id=agent%d,path=%s/agent.%d,server=on,wait=off", i, run,
		    i);
		add(a, "-device", "virtserialport,chardev=agent%d,name=banger.%d", i, i);
	}
}

static void add_rest(struct args *a, const struct vmm_machine *m)
{
	add(a, "-object", "rng-random,id=rng,filename=/dev/urandom");
	add(a, "-device", "virtio-rng-%s,rng=rng", bus(a));
	if (m->net.kind == VMM_NET_NONE)
		return;
	if (m->net.kind == VMM_NET_TAP)
		add(a, "-netdev", "tap,id=net0,ifname=%s,script=no,downscript=no", m->net.tap);
	else
		add(a, "-netdev", "user,id=net0");
	add(a, "-device", "virtio-net-%s,netdev=net0,mac=%s%s", bus(a), m->net.mac,
	    a->microvm ? "" : ",romfile=");
}

static void build_args(struct args *a, const struct vmm_choice *choice,
		       const struct vmm_machine *m)
{
	strings_add(&a->list, choice->program);
	add_machine(a, choice, m);
	add_kernel(a, choice, m);
	for (size_t i = 0; i < m->n_disks; i++)
		add_disk(a, &m->disks[i], i);
	add_channels(a, m);
	add_rest(a, m);
}

/* ------------------------------------------------------------------------------- launching */

/* The last lines of QEMU's log as a follow-up fault; NULL when it is empty. */
static struct fault *log_tail(const char *path)
{
	AUTO_FD fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_BUF text = BUF_INIT;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	if (st.st_size > LOG_TAIL && lseek(fd, st.st_size - LOG_TAIL, SEEK_SET) < 0)
		return NULL;
	fault_free(file_read_fd(fd, 2 * LOG_TAIL, path, &text));
	while (text.len && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	return text.len ? fault_new(F_TOOL, "QEMU said: %s", text.data) : NULL;
}

/* Start QEMU and wait for its greeting, which comes when the machine is set up. */
static struct fault *start(const struct args *a, const struct vmm_machine *m, int log,
			   struct process_id *process)
{
	AUTO_FREE char *qmp_path = socket_path(m->run_dir);
	struct spawn s = { .argv = (const char *const *)a->list.v, .in = SPAWN_NULL, .out = m->console,
			   .err = log, .new_session = true };
	struct child child = CHILD_INIT;
	struct qmp *q = NULL;
	struct fault *f;

	TRY(spawn_start(&s, &child));
	f = qmp_open(qmp_path, LAUNCH_WAIT_MS, child.pidfd, &q);
	qmp_close(q);
	if (!f && !process_identify(child.pid, process))
		f = fault_new(F_TOOL, "QEMU ended at once");
	if (!f) {
		child_release(&child);
		return NULL;
	}
	child_kill(&child);
	return fault_attach(f, log_tail(m->log_path));
}

static struct fault *launch_as(bool microvm, const struct vmm_choice *choice,
			       const struct vmm_machine *m, struct process_id *process)
{
	AUTO_FD log = open(m->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct args a = { .microvm = microvm };
	struct fault *f;

	if (log < 0)
		return fault_sys(F_SYS, "creating '%s'", m->log_path);
	build_args(&a, choice, m);
	f = start(&a, m, log, process);
	strings_release(&a.list);
	return f;
}

/* Some distributions build QEMU without the microvm machine; it says so and ends at once. */
static bool lacks_microvm(const struct fault *f)
{
	for (; f; f = fault_next(f))
		if (strstr(fault_message(f), "unsupported machine type"))
			return true;
	return false;
}

static struct fault *launch(const struct vmm_choice *choice, const struct vmm_machine *m,
			    struct process_id *process)
{
	struct fault *f;

	f = launch_as(m->virtio_mmio, choice, m, process);
	if (f && m->virtio_mmio && lacks_microvm(f)) {
		fault_free(f);
		f = launch_as(false, choice, m, process);
	}
	return f;
}

/* One command with @arguments (NULL = none) on a connection of its own.  @doc: its answer, owned, or NULL. */
static struct fault *ask(const char *run_dir, const char *command, const char *arguments, int wait_ms,
			 struct json_doc **doc)
{
	AUTO_FREE char *path = socket_path(run_dir);
	struct qmp *q = NULL;
	struct fault *f;

	TRY(qmp_open(path, wait_ms, -1, &q));
	f = qmp_query(q, command, arguments, wait_ms, doc);
	qmp_close(q);
	return f;
}

/*
 * A write for which there is no place on the host halts the machine (QEMU's -blockdev option werror, whose
 * default is "enospc"); the write is done again when it goes on.
 */
static struct fault *halted(const char *run_dir, int wait_ms, bool *halted)
{
	AUTO_FREE char *status = NULL;
	struct json_doc *doc = NULL;
	struct json answer;

	*halted = false;
	TRY(ask(run_dir, "query-status", NULL, wait_ms, &doc));
	if (json_get(json_root(doc), "return", &answer) && json_get_string(answer, "status", &status))
		*halted = !strcmp(status, "io-error");
	json_free(doc);
	return NULL;
}

static struct fault *resume(const char *run_dir, int wait_ms)
{
	return ask(run_dir, "cont", NULL, wait_ms, NULL);
}

static struct fault *power_button(const char *run_dir)
{
	return ask(run_dir, "system_powerdown", NULL, 2000, NULL);
}

static void take_block(struct json entry, struct vmm_stats *out)
{
	AUTO_FREE char *node = NULL;
	struct vmm_block *b = &out->blocks[out->n_blocks];
	struct json stats;

	if (out->n_blocks == VMM_DISKS_MAX || !json_get_string(entry, "node-name", &node) ||
	    strncmp(node, "disk", 4) != 0 || strlen(node) >= sizeof(b->device) ||
	    !json_get(entry, "stats", &stats))
		return;
	*b = (struct vmm_block){ .read_bytes = 0 };
	memcpy(b->device, node, strlen(node) + 1);
	json_get_u64(stats, "rd_bytes", &b->read_bytes);
	json_get_u64(stats, "wr_bytes", &b->write_bytes);
	json_get_u64(stats, "rd_operations", &b->reads);
	json_get_u64(stats, "wr_operations", &b->writes);
	out->n_blocks++;
}

static void take_vcpu(struct json entry, struct vmm_stats *out)
{
	if (out->n_vcpus < VMM_VCPUS_MAX &&
	    json_get_u64(entry, "thread-id", &out->vcpu_threads[out->n_vcpus]))
		out->n_vcpus++;
}

static struct fault *query(struct qmp *q, const char *command, int wait_ms, struct vmm_stats *out,
			   void (*take)(struct json entry, struct vmm_stats *out))
{
	struct json_doc *doc = NULL;
	struct json list, entry;
	struct json_iter it;

	TRY(qmp_query(q, command, NULL, wait_ms, &doc));
	if (json_get(json_root(doc), "return", &list))
		for (it = json_iter(list); json_next(&it, NULL, &entry);)
			take(entry, out);
	json_free(doc);
	return NULL;
}

static struct fault *stats(const char *run_dir, int wait_ms, struct vmm_stats *out)
{
	AUTO_FREE char *path = socket_path(run_dir);
	struct qmp *q = NULL;
	struct fault *f;

	*out = (struct vmm_stats){ .n_blocks = 0 };
	TRY(qmp_open(path, wait_ms, -1, &q));
	f = query(q, "query-blockstats", wait_ms, out, take_block);
	if (!f)
		f = query(q, "query-cpus-fast", wait_ms, out, take_vcpu);
	qmp_close(q);
	return f;
}

static struct fault *grow_disk(const char *run_dir, size_t index, uint64_t bytes, int wait_ms)
{
	AUTO_FREE char *arguments = xasprintf("{\"node-name\":\"disk%zu\",\"size\":%llu}", index,
					      (unsigned long long)bytes);

	return ask(run_dir, "block_resize", arguments, wait_ms, NULL);
}

const struct vmm_driver vmm_qemu = {
	.name = "qemu",
	.qcow2 = true,
	.user_net = true,
	.serials = true,
	.transport = GUEST_VIRTIO,
	.probe = probe,
	.find = find,
	.launch = launch,
	.halted = halted,
	.resume = resume,
	.power_button = power_button,
	.stats = stats,
	.grow_disk = grow_disk,
};
