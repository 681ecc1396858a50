/* SPDX-License-Identifier: MIT */
#include <string.h>

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
	options.dns_optional = !option_given(inv, "dns");
	options.dns = !options.once && (!options.dns_optional || !strcmp(inv->config.watch_dns, "yes"));
	options.dns_port = (unsigned int)option_number(inv, "dns-port", inv->config.watch_dns_port);
	if (options.once && !options.dns_optional)
		return fault_new(F_USAGE, "--dns answers for as long as the watcher runs, and --once ends it");
	return watch_run(&inv->store, &inv->config, &options, &watch_real_clock);
}

static const struct option watch_options_table[] = {
	{ .name = "once", .help = "look once and end: for cron" },
	{ .letter = 'i', .name = "interval", .value = "DURATION", .type = OPTION_DURATION,
	  .setting = "watch.interval", .help = "pause between two looks" },
	{ .name = "dns", .help = "serve the names of the VMs by DNS meanwhile" },
	{ .name = "dns-port", .value = "PORT", .type = OPTION_COUNT, .max = 65535,
	  .setting = "watch.dns_port", .help = "port of 127.0.0.1 for --dns; 0 = any free one" },
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
		"'vm start' launches it in the background, as the small program banger-watch.\n\n"
		"With --dns, or the setting watch.dns, it also answers DNS questions on a port of 127.0.0.1, "
		"by UDP and TCP: for the address of NAME.vm, and for the name behind an address of the "
		"bridge. As root, where systemd-resolved runs, the bridge is routed to it until the "
		"watcher ends, so that all programs find the VMs; other resolvers can be told to ask that "
		"port for the zone vm. Anything else is refused. ('banger system install --nss' does "
		"without a server.)",
	.examples = "banger watch --stay --dns\tand: dig @127.0.0.1 -p 5380 web.vm\n"
		    "banger watch --once\tfrom cron, every few minutes\n"
		    "banger vm set ci --auto-stop 2h; banger watch &\tone VM, stopped after two idle hours",
	.options = watch_options_table,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = watch_run_command,
};
