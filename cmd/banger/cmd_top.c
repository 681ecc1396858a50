/* SPDX-License-Identifier: MIT */
#include "banger/commands.h"
#include "banger/output.h"
#include "banger/stats_view.h"

static struct fault *top_run(struct invocation *inv)
{
	bool live = output_is_live(STDOUT_FILENO);

	return stats_view_run(inv, &(struct stats_view){
		.guest = true,
		.watch = live || option_given(inv, "count"),
		.by_cpu = true,
		.interval_ms = option_number(inv, "interval", STATS_INTERVAL_MS),
		.count = option_number(inv, "count", 0),
	});
}

static const struct option top_options[] = {
	{ .letter = 'i', .name = "interval", .value = "DURATION", .type = OPTION_DURATION,
	  .preset = STATS_INTERVAL_DEFAULT, .help = "pause between two looks" },
	{ .letter = 'n', .name = "count", .value = "N", .type = OPTION_COUNT, .min = 1,
	  .help = "end after so many looks" },
	{ 0 },
};

const struct command command_top = {
	.name = "top",
	.summary = "watch the VMs that run, the busiest first",
	.description = "Shows the table of 'vm stats' for the VMs that run, the busiest first, and "
		       "refreshes it in place until it is interrupted. Where standard output is no "
		       "terminal it prints the table once.",
	.options = top_options,
	.flags = CMD_JSON | CMD_NEEDS_READ,
	.run = top_run,
};
