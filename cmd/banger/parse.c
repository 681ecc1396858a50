/* SPDX-License-Identifier: MIT */
/*
 * parse.c - the command line.
 *
 * First the words that are no options spell the command (only options that every command could have
 * may stand before them), then all arguments are read against that command's options.
 */
#include "banger/parse.h"

#include <limits.h>
#include <string.h>

#include "banger/commands.h"
#include "base/nearest.h"
#include "base/text.h"

#define COMMAND_WORDS_MAX 3

struct given {
	const struct option *option;
	const char *value; /* NULL for a flag */
	uint64_t number;
};

/* ------------------------------------------------------------------------- what commands ask */

static const struct given *find_given(const struct invocation *inv, const char *name)
{
	for (size_t i = inv->n_given; i-- > 0;)
		if (!strcmp(inv->given[i].option->name, name))
			return &inv->given[i];
	return NULL;
}

bool option_given(const struct invocation *inv, const char *name)
{
	return find_given(inv, name) != NULL;
}

const char *option_value(const struct invocation *inv, const char *name)
{
	const struct given *g = find_given(inv, name);

	return g ? g->value : NULL;
}

uint64_t option_number(const struct invocation *inv, const char *name, uint64_t fallback)
{
	const struct given *g = find_given(inv, name);

	return g ? g->number : fallback;
}

const char **option_values(const struct invocation *inv, const char *name, size_t *n)
{
	const char **values = xcalloc(inv->n_given + 1, sizeof(*values));

	*n = 0;
	for (size_t i = 0; i < inv->n_given; i++)
		if (!strcmp(inv->given[i].option->name, name))
			values[(*n)++] = inv->given[i].value;
	return values;
}

/* ----------------------------------------------------------------------------------- options */

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	while (*words) {
		size_t n = strcspn(words, " ");

		if (n && !strncmp(words, word, n) && (n == len || words[n - 1] == ':'))
			return true;
		words += n + (words[n] == ' ');
	}
	return false;
}

static struct fault *check_word(const struct option *o, const char *value)
{
	AUTO_BUF list = BUF_INIT;

	if (has_word(o->words, value))
		return NULL;
	for (const char *c = o->words; *c; c++)
		buf_adds(&list, *c == ' ' ? ", " : (char[]){ *c, '\0' });
	return fault_new(F_USAGE, "--%s: '%s' is none of %s", o->name, value, list.data);
}

static struct fault *check_size(const struct option *o, const char *value, uint64_t *bytes)
{
	AUTO_FREE char *what = xasprintf("--%s", o->name), *limit = NULL;

	TRY(text_parse_size(value, what, bytes));
	if (*bytes < o->min) {
		limit = text_size(o->min);
		return fault_new(F_USAGE, "%s: '%s' is less than %s", what, value, limit);
	}
	if (o->max && *bytes > o->max) {
		limit = text_size(o->max);
		return fault_new(F_USAGE, "%s: '%s' is more than %s", what, value, limit);
	}
	return NULL;
}

static struct fault *check_value(const struct option *o, const char *value, uint64_t *number)
{
	AUTO_FREE char *what = xasprintf("--%s", o->name);

	switch (o->type) {
	case OPTION_TEXT:
		return o->complete == COMPLETE_WORDS ? check_word(o, value) : NULL;
	case OPTION_SIZE:
		return check_size(o, value, number);
	case OPTION_COUNT:
		return text_parse_count(value, what, o->min, o->max ? o->max : INT_MAX, number);
	case OPTION_DURATION:
		return text_parse_duration(value, what, number);
	}
	return NULL;
}

/* A wrong value on the command line is a usage fault whatever the checker calls it. */
static struct fault *as_usage(struct fault *f)
{
	struct fault *usage;

	if (!f || fault_kind(f) == F_USAGE)
		return f;
	usage = fault_new(F_USAGE, "%s", fault_message(f));
	if (fault_hint_text(f))
		usage = fault_hint(usage, "%s", fault_hint_text(f));
	fault_free(f);
	return usage;
}

static struct fault *add_given(struct invocation *inv, const struct option *o, const char *value)
{
	struct given g = { o, value, 0 };

	if (value)
		TRY(as_usage(check_value(o, value, &g.number)));
	inv->given = xrealloc_array(inv->given, inv->n_given + 1, sizeof(g));
	inv->given[inv->n_given++] = g;
	return NULL;
}

static struct fault *unknown_option(const struct command *c, const char *typed)
{
	size_t len = strcspn(typed, "=");
	AUTO_FREE char *name = xstrndup(typed, len);
	struct nearest n = nearest_to(name);
	const char *longer = NULL; /* an option that was cut short */
	struct fault *f;

	for (size_t i = 0; command_option(c, i); i++) {
		nearest_offer(&n, command_option(c, i)->name);
		if (*name && !strncmp(command_option(c, i)->name, name, strlen(name)))
			longer = longer ? longer : command_option(c, i)->name;
	}
	if (longer || nearest_best(&n))
		return fault_new(F_USAGE, "'banger %s' has no option '--%s'; did you mean '--%s'?",
				 c->name, name, longer ? longer : nearest_best(&n));
	f = fault_new(F_USAGE, "'banger %s' has no option '--%s'", c->name, name);
	if (c->flags & CMD_REST)
		f = fault_hint(f, "A command for the guest and its options go after '--'.");
	return f;
}

static struct fault *needs_value(const struct option *o)
{
	return fault_new(F_USAGE, "option '--%s' needs a value: --%s %s", o->name, o->name,
			 o->value);
}

/* The value that follows in the next argument; "--" is never one. */
static struct fault *next_value(const struct option *o, char ***at, const char **value)
{
	char *next = (*at)[1];

	if (!next || !strcmp(next, "--"))
		return needs_value(o);
	(*at)++;
	*value = next;
	return NULL;
}

static struct fault *parse_long(struct invocation *inv, char ***at)
{
	const char *typed = **at + 2;
	size_t len = strcspn(typed, "=");
	const char *value = typed[len] ? typed + len + 1 : NULL;
	const struct option *o;

	for (size_t i = 0; (o = command_option(inv->command, i)); i++)
		if (strlen(o->name) == len && !strncmp(o->name, typed, len))
			break;
	if (!o)
		return unknown_option(inv->command, typed);
	if (!o->value && value)
		return fault_new(F_USAGE, "option '--%s' takes no value", o->name);
	if (o->value && !value)
		TRY(next_value(o, at, &value));
	return add_given(inv, o, value);
}

static struct fault *parse_letters(struct invocation *inv, char ***at)
{
	for (const char *c = **at + 1; *c; c++) {
		const struct option *o;
		const char *value = NULL;

		for (size_t i = 0; (o = command_option(inv->command, i)); i++)
			if (o->letter == *c)
				break;
		if (!o)
			return fault_new(F_USAGE, "'banger %s' has no option '-%c'",
					 inv->command->name, *c);
		if (!o->value) {
			TRY(add_given(inv, o, NULL));
			continue;
		}
		if (c[1])
			value = c + 1;
		else
			TRY(next_value(o, at, &value));
		return add_given(inv, o, value);
	}
	return NULL;
}

/* ------------------------------------------------------------------------------- the command */

static bool is_option(const char *argument)
{
	return argument[0] == '-' && argument[1];
}

static bool is_help(const char *argument)
{
	return !strcmp(argument, "--help") || !strcmp(argument, "-h");
}

static bool may_lead(const char *argument)
{
	return is_help(argument) || option_leads_with_value(argument) || !strcmp(argument, "--version") ||
	       !strcmp(argument, "--json") || !strcmp(argument, "-q") ||
	       !strcmp(argument, "--quiet") || !strncmp(argument, "--state-dir=", 12) ||
	       !strncmp(argument, "--wait=", 7) || !strncmp(argument, "--log-level=", 12) ||
	       !strncmp(argument, "--log-file=", 11);
}

/* Skip the options before the first word; *@at is left at that word, at "--", or at the end. */
static struct fault *skip_leading(char ***at)
{
	for (; **at && is_option(**at) && strcmp(**at, "--") != 0; (*at)++) {
		if (!may_lead(**at))
			return fault_hint(fault_new(F_USAGE, "there is no option '%s' before the "
							     "command", **at),
					  "An option of a command goes after it: banger COMMAND %s",
					  **at);
		if (option_leads_with_value(**at) && (*at)[1])
			(*at)++;
	}
	return NULL;
}

static struct fault *find_command(struct invocation *inv, char **words, size_t *used)
{
	size_t n = 0;

	while (n < COMMAND_WORDS_MAX && words[n] && !is_option(words[n]))
		n++;
	inv->command = command_find(words, n, used);
	if (!inv->command)
		return n ? command_unknown(words, 1) : NULL;
	if (!inv->command->run && *used < n)
		return command_unknown(words, *used + 1);
	return NULL;
}

static bool takes_image(const struct command *c)
{
	for (size_t i = 0; command_option(c, i); i++)
		if (!strcmp(command_option(c, i)->name, "image"))
			return true;
	return false;
}

static struct fault *check_operands(const struct invocation *inv)
{
	const struct command *c = inv->command;
	int n = (int)inv->operands.n;
	struct fault *f;

	if (n < c->min_operands)
		return fault_new(F_USAGE, "'banger %s' needs %s%s%s", c->name,
				 n ? "more operands" : "an operand", c->operands ? ": " : "",
				 c->operands ? c->operands : "");
	if (c->max_operands >= 0 && n > c->max_operands) {
		f = fault_new(F_USAGE, "'banger %s' has no use for '%s'", c->name,
			      inv->operands.v[c->max_operands]);
		if (c->flags & CMD_REST && !inv->rest)
			f = fault_hint(f, "A command for the guest goes after '--'%s.",
				       takes_image(c) ? ", an image after --image" : "");
		return f;
	}
	if (inv->rest && !inv->n_rest)
		return fault_new(F_USAGE, "no command follows '--'");
	if (c->flags & CMD_REST_REQUIRED && !inv->rest)
		return fault_new(F_USAGE, "'banger %s' needs a command for the guest after '--'",
				 c->name);
	return NULL;
}

static struct fault *take_rest(struct invocation *inv, char **after)
{
	if (inv->command->flags & CMD_REST) {
		inv->rest = after;
		for (; *after; after++)
			inv->n_rest++;
		return NULL;
	}
	for (; *after; after++)
		strings_add(&inv->operands, *after);
	return NULL;
}

/* All arguments but the @used words at @words, which spelt the command. */
static struct fault *read_arguments(struct invocation *inv, char **argv, char **words, size_t used)
{
	for (char **at = argv; *at; at++) {
		if (at == words) {
			at += used - 1;
		} else if (!strcmp(*at, "--version")) {
			inv->version = true;
		} else if (!strcmp(*at, "--")) {
			TRY(take_rest(inv, at + 1));
			break;
		} else if (!strncmp(*at, "--", 2)) {
			TRY(parse_long(inv, &at));
		} else if (is_option(*at)) {
			TRY(parse_letters(inv, &at));
		} else {
			strings_add(&inv->operands, *at);
		}
	}
	return NULL;
}

static struct fault *parse_all(char **argv, struct invocation *inv)
{
	char **words = argv;
	uint64_t wait_ms;
	size_t used = 0;

	TRY(skip_leading(&words));
	TRY(find_command(inv, words, &used));
	if (!inv->command) /* nothing but options: the landing page */
		return NULL;
	if (!inv->command->run) {
		if (words[used])
			return command_unknown(words, used + 1);
		inv->help = true;
		return NULL;
	}
	TRY(read_arguments(inv, argv, words, used));
	inv->help |= option_given(inv, "help");
	inv->json = option_given(inv, "json");
	inv->quiet = option_given(inv, "quiet");
	inv->state_dir = option_value(inv, "state-dir");
	wait_ms = option_number(inv, "wait", WAIT_DEFAULT_MS);
	inv->wait_ms = wait_ms < INT_MAX ? (int)wait_ms : INT_MAX;
	return check_operands(inv);
}

struct fault *parse_arguments(char **argv, struct invocation *inv)
{
	struct fault *f;

	*inv = (struct invocation){
		.store = { .dir = -1, .collections = { -1, -1, -1 }, .locks = -1 },
		.wait_ms = WAIT_DEFAULT_MS,
	};
	f = parse_all(argv, inv);
	if (!f && !inv->command)
		inv->help = true;
	if (f || !inv->command || !inv->command->run) {
		for (char **at = argv; *at && strcmp(*at, "--") != 0; at++) {
			inv->help |= is_help(*at);
			inv->version |= !strcmp(*at, "--version");
		}
	}
	if (f && (inv->help || inv->version)) {
		fault_free(f);
		f = NULL;
	}
	return f;
}

void parse_release(struct invocation *inv)
{
	strings_release(&inv->operands);
	free(inv->given);
	inv->given = NULL;
	inv->n_given = 0;
}
