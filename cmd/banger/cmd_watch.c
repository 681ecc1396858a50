/* SPDX-License-Identifier: MIT */
#include "banger/commands.h"
#include "base/text.h"
#include "vm/watch.h"

#define INTERVAL_LEAST_MS 100

static void print_line(void *context, const char *line)
{
	const struct invocation *inv = context;

	if (inv->quiet)
		return;
	printf("%s\n", line);
	fflush(stdout);
}

static struct fault *watch_run_command(struct invocation *inv)
{
	struct watch_options options = { .once = option_given(inv, "once"),
					 .stay = option_given(inv, "stay"),
					 .tell = print_line,
					 .context = inv };
	uint64_t ms = option_number(inv, "interval", 0);

	if (!ms)
		TRY(text_parse_duration(inv->config.watch_interval, "watch.interval", &ms));
	if (ms < INTERVAL_LEAST_MS)
		return fault_new(F_INVALID, "the interval is less than %d ms", INTERVAL_LEAST_MS);
	options.interval_ms = (int64_t)ms;
	return watch_run(&inv->store, &inv->config, &options, &watch_real_clock);
}

static const struct option watch_options_table[] = {
	{ .name = "once", .help = "look once and end: for cron" },
	{ .letter = 'i', .name = "interval", .value = "DURATION", .type = OPTION_DURATION,
	  .setting = "watch.interval", .help = "pause between two looks" },
	{ .name = "stay", .help = "go on when no VM runs" },
	{ 0 },
};

const struct command command_watch = {
	.name = "watch",
	.summary = "watch the VMs that run, and stop those that nobody uses",
	.description =
		"Looks at the running VMs now and then, keeps what they use for 'vm stats --history' and "
		"--plot, and stops those that were idle for the time of their --auto-stop, or of the "
		"setting watch.auto_stop_stale_after, or whose --ttl is over. A VM is idle while nobody "
		"has a session in it and while its CPU time, its reads and writes and its network "
		"traffic stay below the settings watch.idle_cpu_percent, watch.idle_io and "
		"watch.idle_net for the whole time. A command or shell in it is never cut by idleness; "
		"a time to live cuts whatever goes on.\n\n"
		"There is one watcher for a state directory; it may be killed at any time, and ends by "
		"itself when no VM runs, unless --stay is given. With the setting watch.auto_watch, "
		"'vm start' launches it in the background, as the small program banger-watch.",
	.examples = "banger watch --once\tfrom cron, every few minutes\n"
		    "banger vm set ci --auto-stop 2h; banger watch &\tone VM, stopped after two idle hours",
	.options = watch_options_table,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = watch_run_command,
};
