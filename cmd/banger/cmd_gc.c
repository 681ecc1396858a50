/* SPDX-License-Identifier: MIT */
#include "banger/commands.h"
#include "banger/gc_view.h"
#include "vm/gc.h"
#include "vm/watch.h"

/* The table is on standard output; what failed is also said where failures are. */
static void print_failures(struct invocation *inv, const struct gc *gc)
{
	const struct gc_item *all = gc->items.v;

	for (size_t i = 0; i < gc->items.n; i++) {
		AUTO_FAULT f = NULL;

		if (!all[i].error)
			continue;
		f = fault_new(F_SYS, "%s '%s': %s", all[i].kind, all[i].name, all[i].error);
		print_fault(inv, f);
		inv->status = 1;
	}
}

static void tell(void *context, const char *line)
{
	const struct invocation *inv = context;

	if (!inv->quiet)
		fprintf(stderr, "banger: %s\n", line);
}

/* One look of the watcher, for who has none. */
static struct fault *auto_stop(struct invocation *inv)
{
	struct watch_options options = { .once = true, .tell = tell, .context = inv };

	return watch_run(&inv->store, &inv->config, &options, &watch_real_clock);
}

static struct fault *gc_command(struct invocation *inv)
{
	struct gc gc = { .store = &inv->store, .config = &inv->config,
			 .dry_run = option_given(inv, "dry-run") };
	bool stops = option_given(inv, "auto-stop");
	struct fault *f = NULL;

	if (stops && gc.dry_run)
		return fault_new(F_USAGE, "--auto-stop stops machines and --dry-run does nothing: "
				 "choose one");
	if (!gc.dry_run && inv->store.dir >= 0) {
		store_release(&inv->store);
		TRY(store_open(inv->state_dir, STORE_WRITE, &inv->store));
		if (stops)
			f = auto_stop(inv);
	}
	f = fault_attach(f, gc_run(&gc));
	f = fault_attach(f, gc_print(inv, &gc));
	print_failures(inv, &gc);
	gc_release(&gc);
	return f;
}

static const struct option gc_options[] = {
	{ .name = "dry-run", .help = "only tell what would be done; takes no lock, writes nothing" },
	{ .name = "auto-stop",
	  .help = "also take one look as 'banger watch --once' does, and stop VMs that are due" },
	{ 0 },
};

const struct command command_gc = {
	.name = "gc",
	.summary = "clear away what commands that were killed have left",
	.description =
		"Looks for everything that carries banger's names in the state directory, in the "
		"directory for sockets and in the kernel, and that nobody takes care of: VMs on which an "
		"operation was cut off, VMs of a 'vm run --rm' that was killed, and what VMs have left that are not there any more: processes, "
		"sockets, root disks of the device mapper, taps, what the packet filter lets through, "
		"control groups, addresses; further staging directories and temporary files. Each is "
		"completed, torn down or removed, and listed with its owner, its state and the reason. "
		"What somebody works on is skipped. What belongs to another state directory, or does not "
		"tell whose it is, is never touched.\n\n"
		"Nothing depends on it: the next command for the same VM does the same. It is meant "
		"for cron, and for peace of mind.",
	.examples = "banger gc --dry-run\twhat would be done\n"
		    "banger gc -q --auto-stop\tfrom cron, every few minutes\n"
		    "banger gc --json\tfor programs",
	.options = gc_options,
	.flags = CMD_JSON | CMD_QUIET | CMD_NEEDS_READ,
	.run = gc_command,
};
