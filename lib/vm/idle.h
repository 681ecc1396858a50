/* SPDX-License-Identifier: MIT */
/*
 * idle.h - when a VM is stopped because nobody uses it, or because its time is over.
 *
 * A VM is idle while nobody has a session in it (store/session.h) and its CPU time, its reads and
 * writes and its network traffic between two looks stay below thresholds.  It is due when it was idle
 * for the whole of its time, watched from the beginning: what was not seen does not count.  Times are
 * of the monotonic clock, so that a host that slept, or whose clock was set, does not make VMs idle.
 *
 * A time to live is no idleness: when it is over the VM is stopped whatever goes on in it.
 */
#ifndef BANGER_VM_IDLE_H
#define BANGER_VM_IDLE_H

#include "store/stats_ring.h"
#include "vm/vm.h"

struct idle_limits {
	uint64_t cpu_permille;		 /* of one CPU */
	uint64_t io_bytes, net_bytes;	 /* a second */
};
/* idle_limits_from() - as configured. */
struct idle_limits idle_limits_from(const struct config *config);

/* What one look at a running VM gave. */
struct idle_look {
	struct stats_sample sample;
	int64_t mono_ms;
	uint64_t boot;	      /* hash of the boot id */
	bool session;	      /* somebody has one open */
	int64_t touched_s;    /* session_last() */
	uint64_t age_ms;      /* of the VMM's process */
};

/* idle_look_at() - F_NOT_FOUND when it does not run.  @mono_ms, @wall_ms: now. */
struct fault *idle_look_at(struct vm *vm, int64_t mono_ms, int64_t wall_ms,
			   struct idle_look *out) MUST_CHECK;

/* idle_note() - what @head (of before) becomes with a look. */
void idle_note(struct stats_head *head, const struct idle_look *look,
	       const struct idle_limits *limits);
/* idle_ms() - for how long the VM has been idle at the look that @head ends with. */
int64_t idle_ms(const struct stats_head *head);

enum idle_verdict { IDLE_STAYS, IDLE_DUE, IDLE_TTL_OVER };
/* idle_verdict() - for a VM that was idle for @idle ms and runs for @age_ms. */
enum idle_verdict idle_verdict(const struct vm_spec *spec, const struct config *config,
			       int64_t idle, uint64_t age_ms);

/*
 * vm_auto_stop() - stop VM @name if that is due.  Decides again under its lock, with a look of its
 * own, and keeps sessions out until the VM is down: one that began before keeps it running, one that
 * begins meanwhile finds it stopped.  @verdict: out, what was done.
 * F_BUSY when somebody works on the VM; F_NOT_FOUND; the faults of vm_stop().
 */
struct fault *vm_auto_stop(const struct store *s, const struct config *config, const char *name,
			   int64_t mono_ms, int64_t wall_ms,
			   enum idle_verdict *verdict) MUST_CHECK;

#endif
