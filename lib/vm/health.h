/* SPDX-License-Identifier: MIT */
/* health.h - does a VM's agent answer, and how fast?  For observers: no locks, nothing is written. */
#ifndef BANGER_VM_HEALTH_H
#define BANGER_VM_HEALTH_H

#include "vm/vm.h"

/*
 * vm_ping() - one round trip to the agent, connecting not counted.  @wait_ms: for all of it.
 * @us: out, microseconds.  F_STATE when the VM is not running; F_TIMEOUT, F_GUEST, F_BUSY.
 */
struct fault *vm_ping(struct vm *vm, int wait_ms, uint64_t *us) MUST_CHECK;

struct vm_health {
	char *name, *state;
	bool healthy;		    /* running, and the agent answers */
	struct maybe round_trip_us; /* of the agent */
	char *reason;		    /* why it is not healthy; NULL = it is */
};
extern const struct record_type vm_health_type;

/* vm_health() - never a fault: what is wrong is the answer.  @out is released by the caller. */
void vm_health(struct vm *vm, int wait_ms, struct vm_health *out);

#endif
