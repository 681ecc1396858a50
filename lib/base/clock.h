/* SPDX-License-Identifier: MIT */
/* clock.h - monotonic milliseconds and deadlines, in the form poll(2) wants. */
#ifndef BANGER_BASE_CLOCK_H
#define BANGER_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The moment @ms from now; a negative @ms is "never" (-1). */
static inline int64_t clock_deadline(int64_t ms)
{
	return ms < 0 ? -1 : clock_now_ms() + ms;
}

/* What is left until @deadline, for poll(2): 0 when over, -1 for never. */
static inline int clock_left(int64_t deadline)
{
	int64_t left;

	if (deadline < 0)
		return -1;
	left = deadline - clock_now_ms();
	return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

#endif
