/* SPDX-License-Identifier: MIT */
#include "banger/commands.h"
#include "banger/stats_history.h"
#include "banger/stats_view.h"

static struct fault *stats_run(struct invocation *inv)
{
	if (option_given(inv, "history") || option_given(inv, "plot"))
		return stats_history_run(inv, option_value(inv, "plot"),
					 option_number(inv, "since", HISTORY_SINCE_MS));
	return stats_view_run(inv, &(struct stats_view){
		.guest = !option_given(inv, "no-guest"),
		.watch = option_given(inv, "watch"),
		.interval_ms = option_number(inv, "interval", STATS_INTERVAL_MS),
		.count = option_number(inv, "count", 0),
	});
}

static const struct option stats_options[] = {
	{ .letter = 'w', .name = "watch", .help = "print again and again, in place on a terminal" },
	{ .letter = 'i', .name = "interval", .value = "DURATION", .type = OPTION_DURATION,
	  .preset = STATS_INTERVAL_DEFAULT, .help = "with --watch: pause between two looks" },
	{ .letter = 'n', .name = "count", .value = "N", .type = OPTION_COUNT, .min = 1,
	  .help = "with --watch: end after so many looks" },
	{ .name = "history", .help = "print what the watcher saw, instead of looking" },
	{ .name = "plot", .value = "WHAT", .help = "draw what the watcher saw of cpu, mem, io, net, disk; "
						    "several with commas" },
	{ .name = "since", .value = "DURATION", .type = OPTION_DURATION,
	  .preset = HISTORY_SINCE_DEFAULT, .help = "with --history or --plot: only this last time" },
	{ .name = "no-guest", .help = "do not ask the agents in the guests" },
	{ 0 },
};

const struct command command_vm_stats = {
	.name = "vm stats",
	.summary = "show what VMs use: CPU, memory, disks, network",
	.operands = "[NAME...]",
	.description =
		"Shows for the named VMs, or all of them, the CPU time that the host spends on them, "
		"their memory on the host (RSS, and PSS where shared memory counts in parts) and in "
		"the guest's own eyes, the parts of their disks that are allocated, what they read and "
		"wrote, and when somebody used them last. CPU% is of one CPU: since the former look "
		"with --watch, else since the VM was started.\n\n"
		"A part that cannot be read is shown as '-', and with --json as null with the reason "
		"under 'unavailable'; that is no failure. Takes no lock, writes nothing, and needs no "
		"root for one's own VMs.",
	.examples = "banger vm stats\tall VMs, once\n"
		    "banger vm stats -w web\tone VM, every two seconds\n"
		    "banger vm stats --plot cpu,mem --since 2h web\twhat the watcher saw of it\n"
		    "banger vm stats --json --no-guest\tfor programs, without asking the guests",
	.options = stats_options,
	.min_operands = 0,
	.max_operands = -1,
	.complete = COMPLETE_VM,
	.flags = CMD_JSON | CMD_NEEDS_READ,
	.run = stats_run,
};
