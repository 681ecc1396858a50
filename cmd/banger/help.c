/* SPDX-License-Identifier: MIT */
#include "banger/help.h"

#include <string.h>

#include "banger/commands.h"
#include "banger/parse.h"
#include "base/text.h"

#define PAGE_WIDTH	  80
#define OPTION_COLUMN_MAX 30

/* Append @text broken at blanks, each line after the first indented by @indent columns. */
static void add_wrapped(struct buf *out, const char *text, size_t column, size_t indent)
{
	while (*text) {
		size_t word = strcspn(text, " \n");

		if (column > indent && column + 1 + word > PAGE_WIDTH) {
			buf_addf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			buf_addc(out, ' ');
			column++;
		}
		buf_add(out, text, word);
		column += word;
		text += word;
		text += strspn(text, " \n");
	}
}

/* Paragraphs are separated by blank lines; a line that starts with a blank is kept as it is. */
static void add_paragraphs(struct buf *out, const char *text)
{
	while (*text) {
		const char *end = strstr(text, "\n\n");
		size_t len = end ? (size_t)(end - text) : strlen(text);
		AUTO_FREE char *paragraph = xstrndup(text, len);

		if (*paragraph == ' ')
			buf_adds(out, paragraph);
		else
			add_wrapped(out, paragraph, 0, 0);
		buf_adds(out, "\n\n");
		text += len;
		text += strspn(text, "\n");
	}
}

void option_synopsis(const struct option *o, struct buf *out)
{
	if (o->letter)
		buf_addf(out, "-%c, ", o->letter);
	buf_addf(out, "--%s", o->name);
	if (o->value)
		buf_addf(out, " %s", o->value);
}

/* The value that @setting has here, or NULL when nobody can tell. */
static const char *setting_value(const struct config *config, const char *setting)
{
	const struct config_value *row = config_find(config, setting);

	return row ? row->value : NULL;
}

/* " (user or none; default: user)", " (may be repeated)" or nothing. */
static void add_limits(struct buf *out, const struct option *o, const char *preset)
{
	const char *lead = " (";

	if (o->words) {
		const char *last = strrchr(o->words, ' ');

		buf_adds(out, lead);
		for (const char *w = o->words; *w; w++)
			buf_adds(out, w == last	 ? " or "
				      : *w == ' ' ? ", "
						 : (char[]){ *w, '\0' });
		lead = "; ";
	}
	if (preset && *preset) {
		buf_addf(out, "%sdefault: %s", lead, preset);
		lead = "; ";
	}
	if (o->repeat) {
		buf_addf(out, "%smay be repeated", lead);
		lead = "; ";
	}
	if (*lead == ';')
		buf_addc(out, ')');
}

static void add_option(struct buf *out, const struct option *o, const struct config *config,
		       size_t column)
{
	AUTO_BUF left = BUF_INIT;
	AUTO_BUF right = BUF_INIT;
	const char *preset = o->setting ? setting_value(config, o->setting) : o->preset;

	buf_adds(&left, o->letter ? "  " : "      ");
	option_synopsis(o, &left);
	buf_adds(&right, o->help);
	add_limits(&right, o, preset);
	if (left.len + 2 > column)
		buf_addf(out, "%s\n%*s", left.data, (int)column, "");
	else
		buf_addf(out, "%-*s", (int)column, left.data);
	add_wrapped(out, right.data, column, column);
	buf_addc(out, '\n');
}

static size_t option_column(const struct command *c)
{
	size_t column = 0;

	for (size_t i = 0; command_option(c, i); i++) {
		AUTO_BUF left = BUF_INIT;

		option_synopsis(command_option(c, i), &left);
		left.len += (command_option(c, i)->letter ? 2 : 6) + 2;
		if (left.len > column && left.len <= OPTION_COLUMN_MAX)
			column = left.len;
	}
	return column;
}

static bool has_settings(const struct command *c)
{
	for (const struct option *o = c->options; o && o->name; o++)
		if (o->setting)
			return true;
	return false;
}

static void add_options(struct buf *out, const struct command *c)
{
	struct config config = { 0 };
	size_t column = option_column(c);
	const struct option *o;

	/* A broken configuration file must not keep anybody from reading the help. */
	if (has_settings(c))
		fault_free(config_load(&config));
	buf_adds(out, "Options:\n");
	for (size_t i = 0; (o = command_option(c, i)); i++)
		add_option(out, o, &config, column);
	buf_addc(out, '\n');
	config_release(&config);
}

static void add_examples(struct buf *out, const char *examples)
{
	buf_adds(out, "Examples:\n");
	while (*examples) {
		size_t line = strcspn(examples, "\n");
		size_t command = strcspn(examples, "\t");

		if (command >= line)
			buf_addf(out, "  %.*s\n", (int)line, examples);
		else
			buf_addf(out, "  %.*s\n      %.*s\n", (int)command, examples,
				 (int)(line - command - 1), examples + command + 1);
		examples += line + (examples[line] == '\n');
	}
}

static void add_member(struct buf *out, const struct command *c, size_t skip, size_t widest)
{
	buf_addf(out, "  %-*s  %s", (int)widest, c->name + skip, c->summary);
	if (c->alias)
		buf_addf(out, " (short: banger %s)", c->alias);
	buf_addc(out, '\n');
}

static void add_members(struct buf *out, const struct command *group)
{
	size_t skip = group ? strlen(group->name) + 1 : 0, widest = 0;

	for (size_t i = 0; commands[i]; i++)
		if (command_in_group(commands[i], group) && strlen(commands[i]->name + skip) > widest)
			widest = strlen(commands[i]->name + skip);
	for (size_t i = 0; commands[i]; i++)
		if (command_in_group(commands[i], group))
			add_member(out, commands[i], skip, widest);
	buf_addc(out, '\n');
}

static void add_title(struct buf *out, const struct command *c)
{
	AUTO_FREE char *title = xasprintf("banger %s - %s", c->name, c->summary);

	add_wrapped(out, title, 0, 0);
	buf_adds(out, "\n\n");
}

static void group_page(const struct command *group, struct buf *out)
{
	add_title(out, group);
	add_paragraphs(out, group->description);
	buf_addf(out, "Usage: banger %s COMMAND [OPTIONS]\n\n", group->name);
	add_members(out, group);
	if (group->examples) {
		add_examples(out, group->examples);
		buf_addc(out, '\n');
	}
	buf_addf(out, "'banger %s COMMAND --help' tells more about one command.\n", group->name);
}

static void landing_page(struct buf *out)
{
	buf_adds(out, "banger - disposable Linux virtual machines in one command\n\n"
		      "Usage: banger COMMAND [OPTIONS]\n\n");
	add_members(out, NULL);
	for (size_t i = 0; commands[i]; i++) {
		if (commands[i]->run || command_is_hidden(commands[i]))
			continue;
		buf_addf(out, "banger %s:\n", commands[i]->name);
		add_members(out, commands[i]);
	}
	buf_adds(out, "'banger COMMAND --help' tells more about one command.\n");
}

void help_page(const struct command *c, struct buf *out)
{
	if (!c) {
		landing_page(out);
		return;
	}
	if (!c->run) {
		group_page(c, out);
		return;
	}
	add_title(out, c);
	buf_adds(out, "Usage: ");
	command_usage(c, out);
	buf_adds(out, "\n");
	if (c->alias)
		buf_addf(out, "Short:  banger %s\n", c->alias);
	buf_adds(out, "\n");
	if (c->description)
		add_paragraphs(out, c->description);
	add_options(out, c);
	if (c->examples)
		add_examples(out, c->examples);
}
