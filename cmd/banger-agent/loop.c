/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "agent.h"

static int set = -1;

void loop_init(void)
{
	set = epoll_create1(EPOLL_CLOEXEC);
	if (set < 0)
		abort();
}

void loop_want(struct watch *w, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = w };
	int how = !w->events ? EPOLL_CTL_ADD : !events ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;

	if (w->events == events)
		return;
	if (epoll_ctl(set, how, w->fd, &event))
		say_fault(fault_sys(F_SYS, "waiting for a descriptor"));
	w->events = events;
}

void loop_once(int64_t until_ms)
{
	struct epoll_event event;
	int wait_ms = -1;
	struct watch *w;

	if (until_ms >= 0) {
		int64_t left = until_ms - now_ms();

		wait_ms = left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
	}
	if (epoll_wait(set, &event, 1, wait_ms) != 1)
		return;
	w = event.data.ptr;
	w->ready(w->context, event.events);
}
