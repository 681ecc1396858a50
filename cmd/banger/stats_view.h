/* SPDX-License-Identifier: MIT */
/* stats_view.h - the table of 'vm stats' and 'top', once or again and again. */
#ifndef BANGER_CMD_STATS_VIEW_H
#define BANGER_CMD_STATS_VIEW_H

#include "banger/command.h"

#define STATS_INTERVAL_DEFAULT "2s"
#define STATS_INTERVAL_MS      2000

struct stats_view {
	bool guest;	     /* ask the agents */
	bool watch;	     /* again and again, until a signal or `count` */
	bool by_cpu;	     /* the busiest first, and only those that run */
	uint64_t interval_ms;
	uint64_t count; /* 0 = no end */
};

/* stats_view_run() - for the operands of @inv, or all VMs; JSON when asked for. */
struct fault *stats_view_run(struct invocation *inv, const struct stats_view *view) MUST_CHECK;

#endif
