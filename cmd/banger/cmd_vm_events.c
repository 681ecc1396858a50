/* SPDX-License-Identifier: MIT */
/* cmd_vm_events.c - 'vm events': takes no lock and writes nothing. */
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "banger/commands.h"
#include "banger/output.h"
#include "base/cancel.h"
#include "base/text.h"
#include "store/events.h"
#include "vm/vm.h"

#define FOLLOW_MS 200

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

static void add_line(struct buf *out, const struct event *e)
{
	const char *more = e->message ? e->message : e->stage;

	buf_addf(out, "%s  %s  %-9s %s", or_dash(e->time), or_dash(e->operation), or_dash(e->verb),
		 or_dash(e->event));
	if (more) {
		buf_addc(out, ' ');
		text_add_printable(out, more, strlen(more));
	}
	buf_addc(out, '\n');
}

static struct fault *print_events(const struct invocation *inv, const struct records *events)
{
	const struct event *all = events->v;
	AUTO_BUF out = BUF_INIT;

	for (size_t i = 0; i < events->n; i++) {
		if (inv->json) {
			record_write_line(&event_type, &all[i], &out);
			buf_addc(&out, '\n');
		} else {
			add_line(&out, &all[i]);
		}
	}
	TRY(print_text(out.data));
	return fflush(stdout) ? output_write_fault() : NULL;
}

static struct fault *print_new(const struct invocation *inv, const struct vm *vm, uint64_t *at)
{
	struct records events;
	struct fault *f;

	TRY(events_read(&vm->dir, at, &events));
	f = print_events(inv, &events);
	events_release(&events);
	return f;
}

/* A directory that was removed has no links. */
static bool is_there(const struct vm *vm)
{
	struct stat st;

	return !fstat(vm->dir.fd, &st) && st.st_nlink;
}

static struct fault *events_run(struct invocation *inv)
{
	AUTO_FREE char *name = NULL;
	AUTO_VM vm = VM_INIT;
	uint64_t at = 0;

	TRY(vm_resolve(&inv->store, inv->operands.v[0], &name));
	TRY(vm_open(&inv->store, &inv->config, name, &vm));
	TRY(print_new(inv, &vm, &at));
	while (option_given(inv, "follow") && is_there(&vm)) {
		poll(&(struct pollfd){ cancel_fd(), POLLIN, 0 }, 1, FOLLOW_MS);
		TRY(cancel_check());
		TRY(print_new(inv, &vm, &at));
	}
	return NULL;
}

static const struct option events_options[] = {
	{ .letter = 'f', .name = "follow", .help = "go on printing until the VM is gone" },
	{ 0 },
};

const struct command command_vm_events = {
	.name = "vm events",
	.summary = "print what was done with a VM",
	.operands = "NAME",
	.description = "Prints when each operation on the VM began, its steps, and how it ended, with the "
		       "operation's id: error messages name it. The newest events are kept, at most 256 "
		       "KiB. With --json one object per line; 'mono_ms' is the host's monotonic clock in "
		       "milliseconds. Takes no lock and writes nothing.\n\n"
		       "The agent in the guest notes under the same ids what it was asked to do, in "
		       "/run/banger/agent.log.",
	.examples = "banger vm events web\twhat happened\n"
		    "banger vm events -f web\tand what happens now",
	.options = events_options,
	.min_operands = 1,
	.max_operands = 1,
	.complete = COMPLETE_VM,
	.flags = CMD_JSON | CMD_NEEDS_READ,
	.run = events_run,
};
