/* SPDX-License-Identifier: MIT */
/* parse.h - from argv to an invocation, and look-ups in the table of commands. */
#ifndef BANGER_CMD_PARSE_H
#define BANGER_CMD_PARSE_H

#include "banger/command.h"

#define WAIT_DEFAULT_MS (10 * 60 * 1000)

/*
 * parse_arguments() - fill *@inv from the arguments after the program's name.
 * @argv: borrowed for the life of the invocation.
 * Return: NULL; F_USAGE.  On failure inv->command is set as far as it is known, for the usage line.
 * A request for help or the version wins over every fault, wherever it stands before "--".
 * Release with parse_release() in both cases.
 */
struct fault *parse_arguments(char **argv, struct invocation *inv) MUST_CHECK;
void parse_release(struct invocation *inv);

/*
 * command_find() - the command with the longest name that the first of the @n words spell.
 * @used: how many words that took.  NULL when there is none.
 */
const struct command *command_find(char *const *words, size_t n, size_t *used);
/* command_option() - the @i-th option of @c, its own first, then the common ones; NULL at the end. */
const struct option *command_option(const struct command *c, size_t i);
/* Is the option one of those that every command has? */
bool option_is_common(const struct option *o);
/* Is it an option that may stand before a command, and whose value is the next argument? */
bool option_leads_with_value(const char *argument);
/* command_unknown() - F_USAGE for words that are no command, with the nearest one. */
struct fault *command_unknown(char *const *words, size_t n) MUST_CHECK;
/* command_is_hidden() - is it kept out of help and manual?  So are groups without commands. */
bool command_is_hidden(const struct command *c);
/* command_in_group() - is @c a visible member of group @group? NULL = a visible top-level command. */
bool command_in_group(const struct command *c, const struct command *group);
/* command_usage() - append "banger vm run [OPTIONS] ..." */
void command_usage(const struct command *c, struct buf *out);

#endif
