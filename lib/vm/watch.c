/* SPDX-License-Identifier: MIT */
#include "vm/watch.h"

#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "host/machine.h"
#include "host/spawn.h"
#include "vm/watch_dns.h"

static int64_t real_mono(void *context)
{
	(void)context;
	return clock_now_ms();
}

static int64_t real_wall(void *context)
{
	struct timespec t;

	(void)context;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool real_sleep(void *context, int64_t ms)
{
	struct pollfd stop = { .fd = cancel_fd(), .events = POLLIN };
	AUTO_FAULT cut = NULL;

	(void)context;
	poll(&stop, 1, ms > INT32_MAX ? INT32_MAX : (int)ms);
	cut = cancel_check();
	return !cut;
}

const struct watch_clock watch_real_clock = { real_mono, real_wall, real_sleep, NULL };

void watch_tell(const struct watch_options *o, const char *fmt, ...)
{
	AUTO_FREE char *line = NULL;
	va_list ap;

	if (!o->tell)
		return;
	va_start(ap, fmt);
	line = xvasprintf(fmt, ap);
	va_end(ap);
	o->tell(o->context, line);
}

struct view {
	const struct store *store;
	const struct config *config;
	const struct watch_options *options;
	const struct watch_clock *clock;
	struct idle_limits limits;
	struct watch_round *round;
};

/* Did somebody else do it, or is it being worked on?  Then it is looked at again next time. */
static bool is_passing(const struct fault *f)
{
	return fault_kind(f) == F_BUSY || fault_kind(f) == F_NOT_FOUND;
}

static struct fault *end_vm(const struct view *v, const char *name)
{
	enum idle_verdict verdict;
	struct fault *f = vm_auto_stop(v->store, v->config, name, v->clock->mono_ms(v->clock->context),
				       v->clock->wall_ms(v->clock->context), &verdict);

	if (f && is_passing(f)) {
		fault_free(f);
		return NULL;
	}
	if (f || verdict == IDLE_STAYS)
		return f;
	v->round->stopped++;
	watch_tell(v->options, "VM '%s' was stopped: %s", name,
	     verdict == IDLE_DUE ? "nobody used it" : "its time to live is over");
	return NULL;
}

/* What is due is decided by the head that was just written, and again under the VM's lock. */
static struct fault *look_at(const struct view *v, const char *name, enum idle_verdict *verdict)
{
	AUTO_VM vm = VM_INIT;
	struct stats_head head;
	struct idle_look look;
	struct fault *f;

	*verdict = IDLE_STAYS;
	TRY(vm_open(v->store, v->config, name, &vm));
	f = idle_look_at(&vm, v->clock->mono_ms(v->clock->context),
			 v->clock->wall_ms(v->clock->context), &look);
	if (f && fault_kind(f) == F_NOT_FOUND) {
		fault_free(f);
		return NULL;
	}
	if (f)
		return f;
	v->round->running++;
	stats_ring_head(&vm.dir, &head);
	idle_note(&head, &look, &v->limits);
	if (!vm.spec_fault)
		*verdict = idle_verdict(&vm.spec, v->config, idle_ms(&head), look.age_ms);
	return stats_ring_add(&vm.dir, &head);
}

static void one_vm(const struct view *v, const char *name)
{
	enum idle_verdict verdict = IDLE_STAYS;
	AUTO_FAULT f = look_at(v, name, &verdict);

	if (!f && verdict != IDLE_STAYS)
		f = end_vm(v, name);
	if (f && !is_passing(f))
		watch_tell(v->options, "%s", fault_message(f));
}

struct fault *watch_round(const struct store *s, const struct config *config,
			  const struct watch_options *options, const struct watch_clock *clock,
			  struct watch_round *out)
{
	struct view v = { s, config, options, clock, idle_limits_from(config), out };
	struct strings names;

	*out = (struct watch_round){ 0 };
	TRY(store_names(s, COLLECTION_VMS, &names));
	for (size_t i = 0; i < names.n; i++) {
		AUTO_FAULT cut = cancel_check();

		if (cut)
			break;
		one_vm(&v, names.v[i]);
	}
	strings_release(&names);
	return NULL;
}

/* *@over: it was told to end; else there is nothing to watch. */
static struct fault *rounds(const struct store *s, const struct config *config,
			    const struct watch_options *o, const struct watch_clock *clock,
			    struct watch_dns *dns, bool *over)
{
	for (;;) {
		struct watch_round round;
		struct fault *f = watch_round(s, config, o, clock, &round);

		*over = o->once || f;
		if (*over || (!round.running && !o->stay))
			return f;
		*over = !(dns ? watch_dns_sleep(dns, o->interval_ms)
			      : clock->sleep(clock->context, o->interval_ms));
		if (*over)
			return NULL;
	}
}

static struct fault *watch_locked(const struct store *s, const struct config *config,
				  const struct watch_options *o, const struct watch_clock *clock,
				  bool *over)
{
	struct watch_dns *dns = NULL;
	struct fault *f = o->dns ? watch_dns_begin(s, config, o, &dns) : NULL;

	if (f && o->dns_optional) {
		watch_tell(o, "%s", fault_message(f));
		fault_free(steal_ptr(&f));
	}
	if (!f)
		f = rounds(s, config, o, clock, dns, over);
	watch_dns_end(dns);
	return f;
}

/*
 * A VM that starts while the last round finds none launches a watcher that sees our lock and goes.  So
 * after giving the lock back we look once more.
 */
static struct fault *is_needed(const struct store *s, const struct config *config, bool *needed)
{
	struct strings names;

	*needed = false;
	TRY(store_names(s, COLLECTION_VMS, &names));
	for (size_t i = 0; !*needed && i < names.n; i++) {
		AUTO_VM vm = VM_INIT;
		AUTO_FAULT gone = vm_open(s, config, names.v[i], &vm);

		*needed = !gone && vm_state(&vm) == VM_RUNNING;
	}
	strings_release(&names);
	return NULL;
}

struct fault *watch_run(const struct store *s, const struct config *config,
			const struct watch_options *o, const struct watch_clock *clock)
{
	bool over = false, again = true;

	while (again) {
		AUTO_LOCK lock = LOCK_INIT;
		struct fault *f = watch_lock(s, 0, &lock);

		if (f && fault_kind(f) == F_BUSY) {
			watch_tell(o, "%s", fault_message(f));
			fault_free(f);
			return NULL;
		}
		if (!f)
			f = watch_locked(s, config, o, clock, &over);
		if (f || over)
			return f;
		lock_drop(&lock);
		TRY(is_needed(s, config, &again));
	}
	return NULL;
}

/* Beside the program that runs, or on PATH.  Owned. */
static char *find_program(void)
{
	AUTO_FREE char *own = machine_own_program();
	AUTO_FREE char *beside = NULL;
	struct stat st;

	if (own && strrchr(own, '/'))
		beside = xasprintf("%.*s/" WATCH_PROGRAM, (int)(strrchr(own, '/') - own), own);
	if (beside && !stat(beside, &st) && S_ISREG(st.st_mode))
		return steal_ptr(&beside);
	return machine_find_program(WATCH_PROGRAM);
}

struct fault *watch_launch(const struct store *s, const struct config *config)
{
	AUTO_FREE char *program = NULL;
	struct child child = CHILD_INIT;

	if (strcmp(config->auto_watch, "yes") != 0)
		return NULL;
	program = find_program();
	if (!program)
		return fault_new(F_MISSING, "the watcher is not installed (no program '%s')",
				 WATCH_PROGRAM);
	TRY(spawn_start(&(struct spawn){ SPAWN_INIT,
					 .argv = (const char *const[]){ program, "--state-dir",
									s->path, NULL },
					 .cwd = "/", .new_session = true },
			&child));
	child_release(&child);
	return NULL;
}
