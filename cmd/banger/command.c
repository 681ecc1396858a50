/* SPDX-License-Identifier: MIT */
/* command.c - look-ups in the table of commands and their options. */
#include "banger/commands.h"

#include <string.h>

#include "banger/parse.h"
#include "base/log.h"
#include "base/nearest.h"

static const struct option common_options[] = {
	{ 0, "json", NULL, "print JSON", .preset = NULL },
	{ 'q', "quiet", NULL, "print names only, and no progress" },
	{ 0, "state-dir", "DIR", "keep virtual machines, images and kernels in DIR",
	  COMPLETE_DIRECTORY },
	{ 0, "wait", "DURATION", "wait at most so long for a lock that somebody else holds",
	  .type = OPTION_DURATION, .preset = "10m" },
	{ 0, "log-level", "LEVEL", "tell more on standard error, and in the log file",
	  COMPLETE_WORDS, LOG_WORDS },
	{ 0, "log-file", "FILE", "append what happens to FILE, one JSON object on each line",
	  COMPLETE_FILE },
	{ 'h', "help", NULL, "show this help" },
};

bool option_is_common(const struct option *o)
{
	return o >= common_options && o < common_options + ARRAY_LEN(common_options);
}

bool option_leads_with_value(const char *argument)
{
	return !strcmp(argument, "--state-dir") || !strcmp(argument, "--wait") ||
	       !strcmp(argument, "--log-level") || !strcmp(argument, "--log-file");
}

static bool is_hidden_common(const struct command *c, const struct option *o)
{
	const unsigned int needs_state = CMD_NEEDS_READ | CMD_NEEDS_WRITE;

	if (!strcmp(o->name, "json"))
		return !(c->flags & CMD_JSON);
	if (!strcmp(o->name, "quiet"))
		return !(c->flags & CMD_QUIET);
	if (!strcmp(o->name, "state-dir") || !strcmp(o->name, "wait"))
		return !(c->flags & needs_state) && !(c->flags & CMD_HIDDEN) &&
		       !(c->flags & CMD_STATE_DIR);
	return false;
}

const struct option *command_option(const struct command *c, size_t i)
{
	if (c->options) {
		for (const struct option *o = c->options; o->name; o++)
			if (i-- == 0)
				return o;
	}
	for (size_t k = 0; k < ARRAY_LEN(common_options); k++) {
		if (is_hidden_common(c, &common_options[k]))
			continue;
		if (i-- == 0)
			return &common_options[k];
	}
	return NULL;
}

/* How many of the @n words spell @name?  0 when they do not. */
static size_t match_words(const char *name, char *const *words, size_t n)
{
	size_t used = 0;

	while (*name) {
		size_t len = strcspn(name, " ");

		if (used == n || strlen(words[used]) != len || strncmp(words[used], name, len) != 0)
			return 0;
		used++;
		name += len + (name[len] == ' ');
	}
	return used;
}

const struct command *command_find(char *const *words, size_t n, size_t *used)
{
	const struct command *best = NULL;

	*used = 0;
	for (size_t i = 0; commands[i]; i++) {
		size_t by_name = match_words(commands[i]->name, words, n);
		size_t by_alias = commands[i]->alias ? match_words(commands[i]->alias, words, n)
						     : 0;
		size_t longer = by_name > by_alias ? by_name : by_alias;

		if (longer > *used) {
			*used = longer;
			best = commands[i];
		}
	}
	return best;
}

/* What other tools call our commands; a slip of the finger is not as near. */
static const char *foreign_command(const char *typed)
{
	static const char *const known[] = {
		"rm,remove,destroy,vm rm,vm remove,vm destroy=vm delete",
		"ls,vms,vm ls,vm ps=vm list",
		"inspect,vm inspect,vm info,vm status=vm show",
		"shell,attach,vm shell,vm attach=vm exec",
		"ssh=vm ssh",
		"cp,copy,scp,vm copy,vm scp=vm cp",
		"forward,port-forward,vm port-forward=vm forward",
		"vm console=vm logs",
		"up,vm up=vm run",
		"vm new=vm create",
		"vm poweroff,vm shutdown=vm stop",
		"vm reboot=vm restart",
		"images,image ls=image list",
		"rmi,image rm,image remove=image delete",
		"image inspect=image show",
		"load,build,image load,image build=image import",
		"kernels,kernel ls=kernel list",
		"kernel rm,kernel remove=kernel delete",
		"kernel inspect=kernel show",
		"info=version",
	};
	size_t len = strlen(typed);

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		for (const char *at = known[i]; *at && *at != '='; at += at[0] == ',') {
			size_t n = strcspn(at, ",=");

			if (n == len && !strncmp(at, typed, n))
				return strchr(at, '=') + 1;
			at += n;
		}
	return NULL;
}

/* "run" and "vm lst" for "vm run" and "vm list": the last word alone, and the whole. */
static const char *nearest_command(const char *typed)
{
	struct nearest n = nearest_to(typed);
	const char *foreign = foreign_command(typed);

	if (foreign)
		return foreign;
	for (size_t i = 0; commands[i]; i++) {
		const char *last = strrchr(commands[i]->name, ' ');

		if (commands[i]->flags & CMD_HIDDEN)
			continue;
		if (last && !strcmp(last + 1, typed))
			return commands[i]->name;
		nearest_offer(&n, commands[i]->name);
		if (commands[i]->alias)
			nearest_offer(&n, commands[i]->alias);
	}
	return nearest_best(&n);
}

struct fault *command_unknown(char *const *words, size_t n)
{
	AUTO_BUF typed = BUF_INIT;
	const char *near;

	for (size_t i = 0; i < n; i++) {
		buf_adds(&typed, i ? " " : "");
		buf_adds(&typed, words[i]);
	}
	near = nearest_command(typed.data);
	if (near)
		return fault_new(F_USAGE, "there is no command '%s'; did you mean '%s'?", typed.data,
				 near);
	return fault_hint(fault_new(F_USAGE, "there is no command '%s'", typed.data),
			  "'banger help' lists all commands.");
}

static bool is_member(const struct command *c, const struct command *group)
{
	size_t len = strlen(group->name);

	return !(c->flags & CMD_HIDDEN) && !strncmp(c->name, group->name, len) &&
	       c->name[len] == ' ';
}

bool command_is_hidden(const struct command *c)
{
	if (c->run || c->flags & CMD_HIDDEN)
		return c->flags & CMD_HIDDEN;
	for (size_t i = 0; commands[i]; i++)
		if (is_member(commands[i], c))
			return false;
	return true;
}

bool command_in_group(const struct command *c, const struct command *group)
{
	if (group)
		return is_member(c, group);
	return !command_is_hidden(c) && !strchr(c->name, ' ');
}

void command_usage(const struct command *c, struct buf *out)
{
	buf_addf(out, "banger %s%s", c->name, c->run ? " [OPTIONS]" : " COMMAND");
	if (c->operands && *c->operands)
		buf_addf(out, " %s", c->operands);
}
