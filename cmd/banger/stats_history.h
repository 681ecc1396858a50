/* SPDX-License-Identifier: MIT */
/* stats_history.h - what the watcher saw: a table, JSON, or a plot for the terminal. */
#ifndef BANGER_CMD_STATS_HISTORY_H
#define BANGER_CMD_STATS_HISTORY_H

#include "banger/command.h"

#define HISTORY_SINCE_DEFAULT "1h"
#define HISTORY_SINCE_MS      (60 * 60 * 1000)

/*
 * stats_history_run() - for the operands of @inv, which must be some.  @plot: comma-separated words of
 * cpu, mem, io, net, disk; NULL = the table.  @since_ms: only what is not older.
 */
struct fault *stats_history_run(struct invocation *inv, const char *plot,
				uint64_t since_ms) MUST_CHECK;

#endif
