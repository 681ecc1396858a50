/* SPDX-License-Identifier: MIT */
#include "banger/commands.h"

#include "banger/help.h"
#include "banger/parse.h"

static struct fault *help_run(struct invocation *inv)
{
	const struct command *c = NULL;
	AUTO_BUF page = BUF_INIT;
	size_t used = 0;

	if (inv->operands.n) {
		c = command_find(inv->operands.v, inv->operands.n, &used);
		if (!c || used < inv->operands.n)
			return command_unknown(inv->operands.v, inv->operands.n);
	}
	help_page(c, &page);
	return print_text(page.data);
}

const struct command command_help = {
	.name = "help",
	.summary = "show what a command does and its options",
	.operands = "[COMMAND...]",
	.description = "Without an operand the list of all commands. The same pages come with "
		       "--help after any command.",
	.examples = "banger help vm run\tall about vm run",
	.max_operands = -1,
	.complete = COMPLETE_COMMAND,
	.flags = CMD_NO_CONFIG,
	.run = help_run,
};
