/* SPDX-License-Identifier: MIT */
/* cmd_internal_console.c - the process that keeps a guest's console (vm/console.h). */
#include <signal.h>
#include <unistd.h>

#include "banger/commands.h"
#include "vm/console.h"

static struct fault *console_run(struct invocation *inv)
{
	/* It ends with the VMM, not with a signal for all of a user's processes. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	return console_keep(inv->operands.v[0], STDIN_FILENO);
}

const struct command command_internal_console = {
	.name = CONSOLE_KEEPER,
	.summary = "keep what a guest writes to its console",
	.operands = "DIRECTORY",
	.min_operands = 1,
	.max_operands = 1,
	.flags = CMD_HIDDEN | CMD_NO_CONFIG,
	.run = console_run,
};
