/* SPDX-License-Identifier: MIT */
#include "vm/health.h"

#include <time.h>

#include "base/clock.h"

static const struct field health_fields[] = {
	FIELD(struct vm_health, name, FIELD_STRING),
	FIELD(struct vm_health, state, FIELD_STRING),
	FIELD(struct vm_health, healthy, FIELD_BOOL),
	FIELD(struct vm_health, round_trip_us, FIELD_MAYBE),
	FIELD(struct vm_health, reason, FIELD_STRING),
};
const struct record_type vm_health_type = {
	"health", sizeof(struct vm_health), health_fields, ARRAY_LEN(health_fields), 0,
};

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct fault *vm_ping(struct vm *vm, int wait_ms, uint64_t *us)
{
	int64_t deadline = clock_deadline(wait_ms);
	struct guest *guest = NULL;
	struct fault *f;
	int64_t from;

	TRY(vm_reach(vm, wait_ms, &guest));
	from = now_us();
	f = guest_ping(guest, clock_left(deadline));
	*us = (uint64_t)(now_us() - from);
	guest_close(guest);
	return fault_wrap(f, "VM '%s'", vm->dir.name);
}

void vm_health(struct vm *vm, int wait_ms, struct vm_health *out)
{
	AUTO_FAULT f = NULL;
	uint64_t us = 0;

	*out = (struct vm_health){
		.name = xstrdup(vm->dir.name),
		.state = xstrdup(vm_state_name(vm_state(vm))),
	};
	f = vm_ping(vm, wait_ms, &us);
	out->healthy = !f;
	if (f)
		out->reason = xstrdup(fault_message(f));
	else
		out->round_trip_us = MAYBE(us);
}
