/* SPDX-License-Identifier: MIT */
#include "banger/commands.h"
#include "vm/wait.h"

#define WAIT_DEFAULT	"5m"
#define WAIT_FOR_MS	(5 * 60 * 1000)

static struct fault *wait_run(struct invocation *inv)
{
	const char *text = option_value(inv, "for") ? option_value(inv, "for") : "agent";
	AUTO_FAULT bad = NULL;
	AUTO_FREE char *name = NULL;
	struct vm_condition condition;

	bad = vm_condition_from(text, &condition);
	if (bad)
		return fault_new(F_USAGE, "--for: %s", fault_message(bad));
	TRY(vm_resolve(&inv->store, inv->operands.v[0], &name));
	return vm_wait_for(&inv->store, &inv->config, name, &condition, text,
			   (int)option_number(inv, "timeout", WAIT_FOR_MS));
}

static const struct option wait_options[] = {
	{ .name = "for", .value = "CONDITION", .preset = "agent",
	  .help = "running, stopped, agent, ssh, or port:N" },
	{ .letter = 't', .name = "timeout", .value = "DURATION", .type = OPTION_DURATION,
	  .preset = WAIT_DEFAULT, .help = "give up after so long" },
	{ 0 },
};

const struct command command_vm_wait = {
	.name = "vm wait",
	.summary = "wait until a VM runs, is stopped, or answers",
	.operands = "NAME",
	.description =
		"Waits until the VM runs or is stopped, until the agent in its guest answers, until an "
		"ssh server answers there, or until a TCP port of the guest listens. The exit status is "
		"0 then and 1 when the time is over. A VM that was removed counts as stopped. Waiting "
		"for the guest of a VM that does not run, and that nobody is starting, fails at once.",
	.examples = "banger vm wait web --for port:8080\tuntil the server is up\n"
		    "banger vm wait job --for stopped -t 1h\tuntil the work is done",
	.options = wait_options,
	.min_operands = 1,
	.max_operands = 1,
	.complete = COMPLETE_VM,
	.flags = CMD_NEEDS_READ,
	.run = wait_run,
};
