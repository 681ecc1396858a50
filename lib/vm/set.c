/* SPDX-License-Identifier: MIT */
#include "vm/set.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "guest/capture.h"
#include "vm/forward.h"
#include "vm/labels.h"

#define VMM_WAIT_MS   5000
#define AGENT_WAIT_MS 10000
#define GROW_WAIT_MS  120000

static void replace(char **slot, const char *text)
{
	free(*slot);
	*slot = text ? xstrdup(text) : NULL;
}

static bool is_zero(const char *duration)
{
	uint64_t ms = 1;
	AUTO_FAULT f = text_parse_duration(duration, "", &ms);

	return !f && !ms;
}

/* What the VM will be, in a copy of its spec. */
static struct fault *apply(const struct vm_change *c, struct vm_spec *spec)
{
	if (c->vcpu)
		spec->vcpu = c->vcpu;
	if (c->memory_bytes)
		spec->memory_bytes = c->memory_bytes;
	if (c->disk_bytes)
		spec->disk_bytes = c->disk_bytes;
	for (size_t i = 0; i < c->n_labels; i++)
		TRY(labels_change(&spec->labels, c->labels[i]));
	if (c->n_ports || c->no_ports)
		strings_release(&spec->ports);
	for (size_t i = 0; i < c->n_ports; i++)
		strings_add(&spec->ports, c->ports[i]);
	TRY(forward_check(&spec->ports, false));
	if (c->auto_stop)
		replace(&spec->auto_stop, c->auto_stop);
	if (c->ttl)
		replace(&spec->ttl, is_zero(c->ttl) ? NULL : c->ttl);
	TRY(limits_check(spec));
	return vm_sizes_check(spec);
}

static bool same_ports(const struct strings *a, const struct strings *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return a->n == b->n;
}

static struct fault *check_stopped(const struct vm *vm, const struct vm_spec *next)
{
	bool vcpu = next->vcpu != vm->spec.vcpu, memory = next->memory_bytes != vm->spec.memory_bytes;

	if (!vcpu && !memory)
		return same_ports(&vm->spec.ports, &next->ports)
			       ? NULL
			       : fault_hint(fault_new(F_STATE, "VM '%s' is running: the ports that are "
						      "published for it cannot be changed now",
						      vm->dir.name),
					    "Stop it first, or for now: banger vm forward -d %s "
					    "HOSTPORT:GUESTPORT", vm->dir.name);
	return fault_hint(fault_new(F_STATE, "VM '%s' is running: %s cannot be changed now",
				    vm->dir.name, !memory ? "the number of its CPUs"
						  : !vcpu ? "its memory" : "CPUs and memory"),
			  "Stop it first: banger vm stop %s", vm->dir.name);
}

/* The size of the file: it may be larger than spec.json says when a former growth was cut short. */
static struct fault *open_work(const struct vm *vm, int *fd, uint64_t *bytes)
{
	struct stat st;

	*fd = openat(vm->dir.fd, VM_WORK_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (*fd < 0 || fstat(*fd, &st) < 0)
		return fault_sys(F_SYS, "opening the work disk of VM '%s'", vm->dir.name);
	*bytes = (uint64_t)st.st_size;
	return NULL;
}

static struct fault *check_disk(const struct vm *vm, uint64_t wanted)
{
	AUTO_FD fd = -1;
	uint64_t bytes = 0;

	TRY(open_work(vm, &fd, &bytes));
	if (wanted < bytes) {
		AUTO_FREE char *have = text_size(bytes), *want = text_size(wanted);

		return fault_new(F_INVALID, "the work disk of VM '%s' has %s and cannot shrink to %s",
				 vm->dir.name, have, want);
	}
	return NULL;
}

/* Durable before spec.json says so. */
static struct fault *grow_file(const struct vm *vm, uint64_t wanted)
{
	AUTO_FD fd = -1;
	uint64_t bytes = 0;

	TRY(open_work(vm, &fd, &bytes));
	if (bytes < wanted && (ftruncate(fd, (off_t)wanted) < 0 || fsync(fd) < 0))
		return fault_sys(F_SYS, "growing the work disk of VM '%s'", vm->dir.name);
	return NULL;
}

static struct fault *grow_in_guest(struct vm *vm, uint64_t bytes)
{
	AUTO_FREE char *number = xasprintf("%llu", (unsigned long long)bytes);
	const char *const argv[] = { "grow", number, NULL };
	AUTO_BUF said = BUF_INIT;
	struct guest *guest = NULL;
	struct fault *f;

	TRY(vm_connect(vm, AGENT_WAIT_MS, &guest));
	f = guest_capture(guest, &(struct guest_capture){ .argv = argv, .builtin = true,
							  .timeout_ms = GROW_WAIT_MS },
			  &said, NULL);
	guest_close(guest);
	return f;
}

/* @note: set when the file system is still to grow. */
static struct fault *grow_running(struct vm *vm, uint64_t bytes, char **note)
{
	const struct vmm_driver *driver = vmm_find(vm->handles.driver);
	struct fault *f;

	if (!driver->grow_disk)
		return fault_hint(fault_new(F_UNSUPPORTED, "%s cannot grow a disk while VM '%s' runs",
					    driver->name, vm->dir.name),
				  "Stop it first: banger vm stop %s", vm->dir.name);
	TRY(fault_wrap(driver->grow_disk(vm->run_dir, VMM_DISK_WORK, bytes, VMM_WAIT_MS),
		       "growing the work disk of VM '%s'", vm->dir.name));
	f = grow_in_guest(vm, bytes);
	if (f && fault_kind(f) == F_CANCELLED)
		return f;
	if (f)
		*note = xasprintf(" (its file system grows at the next start: %s)", fault_message(f));
	fault_free(f);
	return NULL;
}

static void tell_size(struct buf *out, const char *what, uint64_t before, uint64_t after)
{
	AUTO_FREE char *from = text_size(before), *to = text_size(after);

	if (before != after)
		buf_addf(out, "%s%s %s -> %s", out->len ? ", " : "", what, from, to);
}

static void tell_text(struct buf *out, const char *what, const char *before, const char *after)
{
	if (strcmp(before ? before : "", after ? after : "") != 0)
		buf_addf(out, "%s%s %s -> %s", out->len ? ", " : "", what, before ? before : "none",
			 after ? after : "none");
}

static char *tell(const struct vm_spec *before, const struct vm_spec *after, const char *note)
{
	AUTO_BUF out = BUF_INIT;
	bool labels = before->labels.n != after->labels.n;

	if (before->vcpu != after->vcpu)
		buf_addf(&out, "vcpu %llu -> %llu", (unsigned long long)before->vcpu,
			 (unsigned long long)after->vcpu);
	tell_size(&out, "memory", before->memory_bytes, after->memory_bytes);
	tell_size(&out, "work disk", before->disk_bytes, after->disk_bytes);
	if (before->nat != after->nat)
		buf_addf(&out, "%snat %s", out.len ? ", " : "", after->nat ? "on" : "off");
	tell_text(&out, "auto-stop", before->auto_stop, after->auto_stop);
	tell_text(&out, "ttl", before->ttl, after->ttl);
	for (size_t i = 0; !labels && i < after->labels.n; i++)
		labels = strcmp(before->labels.v[i], after->labels.v[i]) != 0;
	if (labels)
		buf_addf(&out, "%slabels", out.len ? ", " : "");
	return out.len ? xasprintf("%s%s", out.data, note ? note : "") : xstrdup("is so already");
}

static struct fault *change_nat(struct vm *vm, const struct vm_change *change, bool running,
				struct vm_spec *next)
{
	if (change->nat && change->no_nat)
		return fault_new(F_USAGE, "--nat and --no-nat exclude each other");
	if (strcmp(next->net, "bridge"))
		return fault_new(F_STATE, "VM '%s' is not on the bridge: its network is '%s'",
				 vm->dir.name, next->net);
	next->nat = change->nat;
	return running ? vm_filter(vm, next->nat) : NULL;
}

static struct fault *carry_out(struct vm *vm, const struct vm_change *change, bool running,
			       struct vm_spec *next, char **note)
{
	TRY(apply(change, next));
	if (running)
		TRY(check_stopped(vm, next));
	if (change->nat || change->no_nat)
		TRY(change_nat(vm, change, running, next));
	if (change->disk_bytes) {
		TRY(check_disk(vm, next->disk_bytes));
		TRY(running ? grow_running(vm, next->disk_bytes, note)
			    : grow_file(vm, next->disk_bytes));
	}
	return vm_spec_write(&vm->dir, next);
}

struct fault *vm_change(struct vm *vm, const struct vm_change *change, char **outcome)
{
	AUTO_FREE char *note = NULL;
	struct vm_spec next;
	struct fault *f;
	bool running;

	TRY(vm_need_spec(vm));
	running = vm_state(vm) == VM_RUNNING;
	record_copy(&vm_spec_type, &vm->spec, &next);
	f = carry_out(vm, change, running, &next, &note);
	if (!f) {
		*outcome = tell(&vm->spec, &next, note);
		record_release(&vm_spec_type, &vm->spec);
		record_copy(&vm_spec_type, &next, &vm->spec);
	}
	record_release(&vm_spec_type, &next);
	return f;
}
