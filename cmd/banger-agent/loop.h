/* SPDX-License-Identifier: MIT */
/* loop.h - one thread, one epoll set. */
#ifndef BANGER_AGENT_LOOP_H
#define BANGER_AGENT_LOOP_H

#include <stdint.h>

/* A descriptor that is waited for; lives inside what it belongs to. */
struct watch {
	int fd;		 /* borrowed; -1 = none */
	uint32_t events; /* what it waits for now; 0 = it is not in the set */
	void (*ready)(void *context, uint32_t events);
	void *context;
};

void loop_init(void);
/* loop_want() - wait for @events (EPOLL...); 0 takes it out, which must be done before a close. */
void loop_want(struct watch *w, uint32_t events);
/*
 * loop_once() - wait until something is ready or @until_ms (now_ms(), -1 = no limit) has come, and
 * call one ready function.  One only, so that no event can be left over for what that one freed.
 */
void loop_once(int64_t until_ms);

#endif
