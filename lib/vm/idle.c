/* SPDX-License-Identifier: MIT */
#include "vm/idle.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "host/machine.h"
#include "host/usage.h"
#include "net/own_tap.h"
#include "store/session.h"

#define STOP_WAIT_MS 60000

struct idle_limits idle_limits_from(const struct config *config)
{
	return (struct idle_limits){ config->idle_cpu_percent * 10, config->idle_io_bytes,
				     config->idle_net_bytes };
}

static uint64_t boot_hash(void)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (const char *c = machine_boot_id(); *c; c++)
		hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t allocated(const struct vm *vm, const char *name)
{
	struct stat st;

	return fstatat(vm->dir.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0
								       : (uint64_t)st.st_blocks * 512;
}

/* Zero where the host cannot see the traffic; then the CPU time must tell. */
static uint64_t network_bytes(const struct vm *vm)
{
	AUTO_FREE char *tap = NULL;
	uint64_t rx = 0, tx = 0;

	tap = net_interface(vm->spec.net, vm->spec.id);
	if (!tap)
		return 0;
	fault_free(usage_interface(tap, &rx, &tx));
	return rx + tx;
}

static struct fault *look_at_process(struct vm *vm, pid_t pid, struct idle_look *out)
{
	struct process_usage usage;

	TRY(usage_process(pid, &usage));
	out->age_ms = usage.age_ms;
	out->sample.process = usage.start_ticks << 22 | (uint64_t)pid;
	out->sample.cpu_ms = usage.cpu_ms;
	out->sample.rss_bytes = usage.rss_bytes;
	/* Of a process with a uid of its own only root may read them; the CPU time tells then. */
	fault_free(usage_io(pid, &out->sample.io_bytes));
	out->sample.net_bytes = network_bytes(vm);
	out->sample.disk_bytes = allocated(vm, VM_ROOT_FILE) + allocated(vm, VM_COW_FILE) +
				 allocated(vm, VM_WORK_FILE);
	return NULL;
}

struct fault *idle_look_at(struct vm *vm, int64_t mono_ms, int64_t wall_ms, struct idle_look *out)
{
	struct process_id id = { 0 };
	bool running = false;
	struct fault *f;

	*out = (struct idle_look){ .sample.wall_ms = wall_ms, .mono_ms = mono_ms,
				   .boot = boot_hash() };
	TRY(vm_find_process(vm, &running, &id));
	if (!running)
		return fault_new(F_NOT_FOUND, "VM '%s' does not run", vm->dir.name);
	f = look_at_process(vm, (pid_t)id.pid, out);
	process_id_release(&id);
	out->session = session_is_open(&vm->dir);
	out->touched_s = (int64_t)session_last(&vm->dir);
	return f;
}

static bool is_above(uint64_t before, uint64_t now, uint64_t per_second, int64_t elapsed_ms)
{
	/* A counter that went back was of something else. */
	return now < before || (now - before) * 1000 > per_second * (uint64_t)elapsed_ms;
}

static bool was_busy(const struct stats_head *head, const struct idle_look *look,
		     const struct idle_limits *limits)
{
	const struct stats_sample *a = &head->last, *b = &look->sample;
	int64_t elapsed = look->mono_ms - head->last_ms;

	return elapsed > 0 && (is_above(a->cpu_ms, b->cpu_ms, limits->cpu_permille, elapsed) ||
			       is_above(a->io_bytes, b->io_bytes, limits->io_bytes, elapsed) ||
			       is_above(a->net_bytes, b->net_bytes, limits->net_bytes, elapsed));
}

void idle_note(struct stats_head *head, const struct idle_look *look,
	       const struct idle_limits *limits)
{
	bool known = head->count && head->boot == look->boot &&
		     head->last.process == look->sample.process &&
		     look->mono_ms >= head->last_ms;

	if (!known) {
		head->boot = look->boot;
		head->since_ms = head->active_ms = look->mono_ms;
	} else if (look->session || look->touched_s != head->touched_s ||
		   was_busy(head, look, limits)) {
		head->active_ms = look->mono_ms;
	}
	head->touched_s = look->touched_s;
	head->last_ms = look->mono_ms;
	head->last = look->sample;
}

int64_t idle_ms(const struct stats_head *head)
{
	int64_t from = head->active_ms > head->since_ms ? head->active_ms : head->since_ms;

	return head->last_ms - from;
}

/* 0 = none, also when it cannot be read: a VM is not stopped for that. */
static uint64_t duration(const char *text)
{
	uint64_t ms = 0;
	AUTO_FAULT f = text ? text_parse_duration(text, "", &ms) : NULL;

	return f ? 0 : ms;
}

enum idle_verdict idle_verdict(const struct vm_spec *spec, const struct config *config,
			       int64_t idle, uint64_t age_ms)
{
	uint64_t ttl = duration(spec->ttl);
	uint64_t limit = duration(spec->auto_stop ? spec->auto_stop : config->auto_stop_stale_after);

	if (ttl && age_ms >= ttl)
		return IDLE_TTL_OVER;
	return limit && idle >= 0 && (uint64_t)idle >= limit ? IDLE_DUE : IDLE_STAYS;
}

/* Not a use by a user, so the time of the last one stays. */
static struct fault *stop(struct vm *vm)
{
	AUTO_FREE char *touched = vm->spec.touched ? xstrdup(vm->spec.touched) : NULL;
	enum vm_stopped how;

	TRY(vm_stop(vm, STOP_WAIT_MS, &how));
	free(vm->spec.touched);
	vm->spec.touched = steal_ptr(&touched);
	return vm_spec_write(&vm->dir, &vm->spec);
}

static struct fault *judge_and_stop(struct vm *vm, int64_t mono_ms, int64_t wall_ms,
				    enum idle_verdict *verdict)
{
	struct idle_limits limits = idle_limits_from(vm->config);
	AUTO_LOCK sessions = LOCK_INIT;
	struct stats_head head;
	struct idle_look look;
	bool alone = false;

	TRY(vm_need_spec(vm));
	TRY(idle_look_at(vm, mono_ms, wall_ms, &look));
	stats_ring_head(&vm->dir, &head);
	TRY(session_shut_out(&vm->dir, &sessions, &alone));
	look.session = !alone;
	look.touched_s = (int64_t)session_last(&vm->dir);
	idle_note(&head, &look, &limits);
	*verdict = idle_verdict(&vm->spec, vm->config, idle_ms(&head), look.age_ms);
	return *verdict == IDLE_STAYS ? NULL : stop(vm);
}

struct fault *vm_auto_stop(const struct store *s, const struct config *config, const char *name,
			   int64_t mono_ms, int64_t wall_ms, enum idle_verdict *verdict)
{
	struct store at_once = *s; /* borrowed */
	AUTO_VM vm = VM_INIT;

	*verdict = IDLE_STAYS;
	at_once.wait_ms = 0;
	TRY(vm_lock(&at_once, config, NULL, name, "auto-stop", &vm));
	vm.store = s;
	return vm_ended(&vm, judge_and_stop(&vm, mono_ms, wall_ms, verdict));
}
