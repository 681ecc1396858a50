/* SPDX-License-Identifier: MIT */
/* usage.h - what a process and an interface have used so far, from /proc and /sys. */
#ifndef BANGER_HOST_USAGE_H
#define BANGER_HOST_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"

struct process_usage {
	uint64_t cpu_ms; /* user and system, all threads, the ended ones too */
	uint64_t rss_bytes;
	uint64_t start_ticks; /* identity: process.h */
	uint64_t age_ms;      /* since it was started */
};
/* usage_process() - F_NOT_FOUND when there is no such process, F_DENIED, F_SYS. */
struct fault *usage_process(pid_t pid, struct process_usage *out) MUST_CHECK;

/* usage_thread() - CPU time of one thread of @pid, milliseconds.  The same faults. */
struct fault *usage_thread(pid_t pid, pid_t thread, uint64_t *cpu_ms) MUST_CHECK;
/* usage_threads() - call @each for every thread of @pid with its name; stops when it returns false. */
struct fault *usage_threads(pid_t pid, bool (*each)(void *context, pid_t thread, const char *name),
			    void *context) MUST_CHECK;

/* usage_pss() - proportional memory: what is shared counts in parts.  F_DENIED for another user's. */
struct fault *usage_pss(pid_t pid, uint64_t *bytes) MUST_CHECK;

/* usage_io() - bytes of all its reads and writes, whether they came to a disk or not. */
struct fault *usage_io(pid_t pid, uint64_t *bytes) MUST_CHECK;

/* usage_interface() - bytes that came in on, and went out of, the host's interface @name. */
struct fault *usage_interface(const char *name, uint64_t *rx_bytes, uint64_t *tx_bytes) MUST_CHECK;

#endif
