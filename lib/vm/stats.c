/* SPDX-License-Identifier: MIT */
#include "vm/stats.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/text.h"
#include "disk/root_disk.h"
#include "guest/capture.h"
#include "host/usage.h"
#include "net/own_tap.h"
#include "store/session.h"
#include "vm/root_disk.h"

static const struct field vcpu_fields[] = {
	FIELD(struct vm_stats_vcpu, index, FIELD_U64),
	FIELD(struct vm_stats_vcpu, thread, FIELD_U64),
	FIELD(struct vm_stats_vcpu, cpu_ms, FIELD_U64),
};
static const struct record_type vcpu_type = {
	"vcpu", sizeof(struct vm_stats_vcpu), vcpu_fields, ARRAY_LEN(vcpu_fields), 0,
};

static const struct field disk_fields[] = {
	FIELD(struct vm_stats_disk, device, FIELD_STRING),
	FIELD(struct vm_stats_disk, read_bytes, FIELD_U64),
	FIELD(struct vm_stats_disk, write_bytes, FIELD_U64),
	FIELD(struct vm_stats_disk, reads, FIELD_U64),
	FIELD(struct vm_stats_disk, writes, FIELD_U64),
};
static const struct record_type disk_type = {
	"disk", sizeof(struct vm_stats_disk), disk_fields, ARRAY_LEN(disk_fields), 0,
};

static const struct field gap_fields[] = {
	FIELD(struct vm_stats_gap, part, FIELD_STRING),
	FIELD(struct vm_stats_gap, reason, FIELD_STRING),
};
static const struct record_type gap_type = {
	"gap", sizeof(struct vm_stats_gap), gap_fields, ARRAY_LEN(gap_fields), 0,
};

#define T(member)     FIELD(struct vm_stats, member, FIELD_STRING)
#define N(member)     FIELD(struct vm_stats, member, FIELD_U64)
#define M(member)     FIELD(struct vm_stats, member, FIELD_MAYBE)
#define R(member, ty) FIELD_SUB(struct vm_stats, member, FIELD_RECORDS, ty)
static const struct field stats_fields[] = {
	T(name), T(id), T(state), T(vmm), T(accel), T(touched), M(pid), M(uptime_s), M(cpu_ms),
	M(cpu_permille), N(vcpus), N(memory_bytes), R(vcpu_threads, &vcpu_type), M(rss_bytes),
	M(pss_bytes), M(root_size_bytes), M(root_allocated_bytes), M(cow_used_bytes),
	M(work_size_bytes), M(work_allocated_bytes), R(disks, &disk_type), M(rx_bytes), M(tx_bytes),
	M(io_bytes), FIELD_SUB(struct vm_stats, guest, FIELD_RECORD, &guest_stats_type),
	R(unavailable, &gap_type),
};
const struct record_type vm_stats_type = {
	"stats", sizeof(struct vm_stats), stats_fields, ARRAY_LEN(stats_fields), 0,
};

/* @f (stolen): why @part is null.  True when there was none. */
static bool fine(struct vm_stats *s, const char *part, struct fault *f)
{
	struct vm_stats_gap *gap;

	if (!f)
		return true;
	gap = records_add(&s->unavailable, sizeof(*gap));
	*gap = (struct vm_stats_gap){ xstrdup(part), xstrdup(fault_message(f)) };
	fault_free(f);
	return false;
}

static void take_process(pid_t pid, const struct vm_stats_ask *ask, struct vm_stats *s)
{
	struct process_usage usage;
	uint64_t bytes = 0;

	if (fine(s, "cpu_ms", usage_process(pid, &usage))) {
		s->cpu_ms = MAYBE(usage.cpu_ms);
		s->rss_bytes = MAYBE(usage.rss_bytes);
		s->uptime_s = MAYBE(usage.age_ms / 1000);
		s->start_ticks = usage.start_ticks;
		if (usage.age_ms)
			s->cpu_permille = MAYBE(usage.cpu_ms * 1000 / usage.age_ms);
	}
	if (fine(s, "io_bytes", usage_io(pid, &bytes)))
		s->io_bytes = MAYBE(bytes);
	if (!ask->pss)
		return;
	if (fine(s, "pss_bytes", usage_pss(pid, &bytes)))
		s->pss_bytes = MAYBE(bytes);
}

static void take_vcpus(pid_t pid, const struct vmm_stats *v, struct vm_stats *s)
{
	for (size_t i = 0; i < v->n_vcpus; i++) {
		struct vm_stats_vcpu vcpu = { .index = i, .thread = v->vcpu_threads[i] };

		if (!vcpu.thread || vcpu.thread > INT32_MAX ||
		    !fine(s, "vcpu_threads", usage_thread(pid, (pid_t)vcpu.thread, &vcpu.cpu_ms)))
			continue;
		*(struct vm_stats_vcpu *)records_add(&s->vcpu_threads, sizeof(vcpu)) = vcpu;
	}
}

static void take_vmm(struct vm *vm, pid_t pid, const struct vm_stats_ask *ask, struct vm_stats *s)
{
	static const char *const names[] = { "root", "work", "modules" };
	const struct vmm_driver *driver = vmm_find(vm->handles.driver);
	struct vmm_stats v = { .n_blocks = 0 };

	if (!ask->vmm_ms)
		return;
	if (!driver->stats || !vm->run_dir) {
		fine(s, "disks", fault_new(F_UNSUPPORTED, "%s has no counters that can be asked for",
					   driver->name));
		return;
	}
	if (!fine(s, "disks", driver->stats(vm->run_dir, ask->vmm_ms, &v)))
		return;
	take_vcpus(pid, &v, s);
	for (size_t i = 0; i < v.n_blocks; i++) {
		const struct vmm_block *b = &v.blocks[i];
		unsigned long index = strtoul(b->device + strcspn(b->device, "0123456789"), NULL, 10);
		struct vm_stats_disk *d = records_add(&s->disks, sizeof(*d));

		*d = (struct vm_stats_disk){
			xstrdup(index < ARRAY_LEN(names) ? names[index] : b->device), b->read_bytes,
			b->write_bytes, b->reads, b->writes };
	}
}

static void take_file(struct vm *vm, const char *name, const char *part, struct vm_stats *s,
		      struct maybe *size, struct maybe *allocated)
{
	struct stat st;

	if (fstatat(vm->dir.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		fine(s, part, fault_sys(F_SYS, "looking at '%s'", name));
		return;
	}
	*size = MAYBE((uint64_t)st.st_size);
	*allocated = MAYBE((uint64_t)st.st_blocks * 512);
}

static void take_network(const struct vm *vm, struct vm_stats *s)
{
	AUTO_FREE char *tap = NULL;
	const char *net = vm->spec.net ? vm->spec.net : "none";
	uint64_t rx = 0, tx = 0;

	if (!strcmp(net, "none")) {
		fine(s, "rx_bytes", fault_new(F_UNSUPPORTED, "the VM has no network"));
		return;
	}
	if (!strcmp(net, "user")) {
		fine(s, "rx_bytes", fault_new(F_UNSUPPORTED, "the VMM's own network has no counters "
					      "on the host; see the guest's"));
		return;
	}
	tap = net_interface(net, vm->spec.id);
	if (!tap)
		return;
	/* What goes out of the tap comes in to the guest. */
	if (fine(s, "rx_bytes", usage_interface(tap, &tx, &rx))) {
		s->rx_bytes = MAYBE(rx);
		s->tx_bytes = MAYBE(tx);
	}
}

static void take_guest(struct vm *vm, const struct vm_stats_ask *ask, struct vm_stats *s)
{
	int64_t deadline = clock_deadline(ask->guest_ms);
	struct guest *guest = NULL;
	struct fault *f;

	if (!ask->guest)
		return;
	f = vm_reach(vm, ask->guest_ms, &guest);
	if (!f) {
		int left = clock_left(deadline);

		f = guest_report(guest, "stats", &guest_stats_type, left > 0 ? left : 1, &s->guest);
		guest_close(guest);
	}
	fine(s, "guest", f);
}

time_t vm_last_used(const struct vm *vm)
{
	time_t session = session_last(&vm->dir), command = 0;

	if (!vm->spec.touched || !text_parse_time(vm->spec.touched, &command))
		command = 0;
	return session > command ? session : command;
}

static void take_running(struct vm *vm, pid_t pid, const struct vm_stats_ask *ask,
			 struct vm_stats *s)
{
	s->pid = MAYBE((uint64_t)pid);
	s->vmm = vm->handles.driver ? xstrdup(vm->handles.driver) : NULL;
	s->accel = vm->handles.accel ? xstrdup(vm->handles.accel) : NULL;
	take_process(pid, ask, s);
	take_vmm(vm, pid, ask, s);
	if (!vm->spec_fault)
		take_network(vm, s);
	take_guest(vm, ask, s);
}

static void take_root(struct vm *vm, struct vm_stats *s)
{
	bool dm = !vm->spec_fault && !strcmp(vm->spec.disk_mode, DISK_MODE_DM);
	struct snapshot_use use;

	take_file(vm, dm ? VM_COW_FILE : VM_ROOT_FILE, "root_size_bytes", s, &s->root_size_bytes,
		  &s->root_allocated_bytes);
	if (!dm || !fine(s, "cow_used_bytes", vm_cow_use(vm, &use)))
		return;
	s->cow_used_bytes = MAYBE(use.used_bytes);
	if (use.invalid)
		fine(s, "root_disk", fault_new(F_STATE, "the root disk is lost: its changes could not be "
					       "written; use: banger vm reset %s", vm->dir.name));
}

void vm_stats_take(struct vm *vm, const struct vm_stats_ask *ask, struct vm_stats *out)
{
	struct process_id id = { 0 };
	time_t used = vm_last_used(vm);
	bool running = false;

	*out = (struct vm_stats){
		.name = xstrdup(vm->dir.name),
		.id = vm->spec.id ? xstrdup(vm->spec.id) : NULL,
		.state = xstrdup(vm_state_name(vm_state(vm))),
		.touched = used ? text_time(used) : NULL,
		.vcpus = vm->spec.vcpu,
		.memory_bytes = vm->spec.memory_bytes,
		.taken_ms = clock_now_ms(),
	};
	if (vm->spec_fault)
		fine(out, "spec", fault_new(F_CORRUPT, "%s", fault_message(vm->spec_fault)));
	take_root(vm, out);
	if (!vm->spec_fault) /* a qcow2 file is smaller than the disk that it is */
		out->root_size_bytes = MAYBE(vm->spec.system_bytes);
	take_file(vm, VM_WORK_FILE, "work_size_bytes", out, &out->work_size_bytes,
		  &out->work_allocated_bytes);
	if (!fine(out, "pid", vm_find_process(vm, &running, &id)))
		return;
	if (running)
		take_running(vm, (pid_t)id.pid, ask, out);
	process_id_release(&id);
}

void vm_stats_since(struct vm_stats *now, const struct vm_stats *before)
{
	int64_t elapsed = now->taken_ms - before->taken_ms;

	if (!now->cpu_ms.known || !before->cpu_ms.known || elapsed <= 0 ||
	    now->start_ticks != before->start_ticks || now->cpu_ms.value < before->cpu_ms.value)
		return;
	now->cpu_permille = MAYBE((now->cpu_ms.value - before->cpu_ms.value) * 1000 /
				  (uint64_t)elapsed);
}
