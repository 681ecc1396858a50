/* SPDX-License-Identifier: MIT */
/*
 * cmd_completion.c - the shells' scripts, and the question that they ask.
 *
 * The scripts are files under completions/, built into the program with .incbin so that the two
 * cannot differ.
 */
#include "banger/commands.h"

#include <string.h>

#include "banger/completion.h"

/* The text of file @path as a NUL-terminated string called @name. */
#define EMBED(name, path)                                                                          \
	__asm__(".section .rodata\n.global " #name "\n" #name ":\n.incbin \"" path                \
		"\"\n.byte 0\n.previous\n");                                                       \
	extern const char name[]

EMBED(completion_bash, "completions/banger.bash");
EMBED(completion_zsh, "completions/_banger");
EMBED(completion_fish, "completions/banger.fish");

static struct fault *completion_run(struct invocation *inv)
{
	const char *shell = inv->operands.v[0];

	if (!strcmp(shell, "bash"))
		return print_text(completion_bash);
	if (!strcmp(shell, "zsh"))
		return print_text(completion_zsh);
	if (!strcmp(shell, "fish"))
		return print_text(completion_fish);
	return fault_new(F_USAGE, "there is no completion for '%s', only for bash, zsh and fish",
			 shell);
}

const struct command command_completion = {
	.name = "completion",
	.summary = "print the completion script of a shell",
	.operands = "bash|zsh|fish",
	.description =
		"An installed banger has its scripts where the shells look for them. This command is "
		"for a banger that is run from its source directory.",
	.examples = "source <(banger completion bash)\tin bash, for this session\n"
		    "banger completion fish | source\tthe same in fish",
	.min_operands = 1,
	.max_operands = 1,
	.complete = COMPLETE_WORDS,
	.words = "bash zsh fish",
	.flags = CMD_NO_CONFIG,
	.run = completion_run,
};

static struct fault *complete_run(struct invocation *inv)
{
	AUTO_BUF out = BUF_INIT;

	completion_list(inv->rest, (size_t)inv->n_rest, &out);
	return print_text(out.data);
}

const struct command command_internal_complete = {
	.name = "internal complete",
	.summary = "list what could follow on a command line",
	.operands = "-- WORD...",
	.flags = CMD_HIDDEN | CMD_NO_CONFIG | CMD_REST | CMD_REST_REQUIRED,
	.run = complete_run,
};
