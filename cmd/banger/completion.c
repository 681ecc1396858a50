/* SPDX-License-Identifier: MIT */
#include "banger/completion.h"

#include <string.h>

#include "banger/commands.h"
#include "banger/parse.h"

struct completing {
	char *const *words; /* all of them */
	size_t n;
	const char *typed; /* the last one, without "--option=" */
	const char *lead;  /* what every candidate starts with: "" or "--option=" */
	const struct command *command;
	size_t command_at, command_words; /* where the command's words are */
	const char *state_dir;
	struct buf *out;
};

static void offer(struct completing *c, const char *word, size_t len, const char *help)
{
	if (strncmp(word, c->typed, strlen(c->typed)) != 0 || len < strlen(c->typed))
		return;
	if (memchr(word, '\n', len) || memchr(word, '\t', len))
		return;
	buf_adds(c->out, c->lead);
	buf_add(c->out, word, len);
	if (help)
		buf_addf(c->out, "\t%s", help);
	buf_addc(c->out, '\n');
}

/* -------------------------------------------------------------------------------------- values */

static bool already_typed(const struct completing *c, const char *word)
{
	for (size_t i = 0; i + 1 < c->n; i++)
		if (!strcmp(c->words[i], word))
			return true;
	return false;
}

static void offer_objects(struct completing *c, enum collection collection)
{
	struct strings names = { 0 };
	struct store store;
	struct fault *f = store_open(c->state_dir, STORE_READ, &store);

	if (!f) {
		f = store_names(&store, collection, &names);
		store_release(&store);
	}
	for (size_t i = 0; i < names.n; i++)
		if (!already_typed(c, names.v[i]))
			offer(c, names.v[i], strlen(names.v[i]), NULL);
	strings_release(&names);
	fault_free(f);
}

static void offer_words(struct completing *c, const char *words)
{
	while (*words) {
		size_t len = strcspn(words, " ");

		offer(c, words, len, NULL);
		words += len + (words[len] == ' ');
	}
}

static void offer_settings(struct completing *c)
{
	struct setting_info info;

	for (size_t i = 0; config_setting(i, &info); i++)
		offer(c, info.key, strlen(info.key), info.help);
}

static bool spells(const char *name, char *const *words, size_t n, const char **next)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(words[i]);

		if (strncmp(name, words[i], len) != 0 || name[len] != ' ')
			return false;
		name += len + 1;
	}
	*next = name;
	return true;
}

/* The words that can come after the @n words at @words in the name of a command. */
static void offer_commands(struct completing *c, char *const *words, size_t n)
{
	for (size_t i = 0; commands[i]; i++) {
		const struct command *candidate = commands[i];
		const char *next;

		if (command_is_hidden(candidate))
			continue;
		if (spells(candidate->name, words, n, &next) && !strchr(next, ' '))
			offer(c, next, strlen(next), candidate->summary);
		if (candidate->alias && spells(candidate->alias, words, n, &next))
			offer(c, next, strcspn(next, " "), candidate->summary);
	}
}

static void offer_kind(struct completing *c, enum complete_kind kind, const char *words)
{
	switch (kind) {
	case COMPLETE_NOTHING:
		break;
	case COMPLETE_FILE:
		buf_adds(c->out, ":file\n");
		break;
	case COMPLETE_DIRECTORY:
		buf_adds(c->out, ":directory\n");
		break;
	case COMPLETE_VM:
		offer_objects(c, COLLECTION_VMS);
		break;
	case COMPLETE_IMAGE:
		offer_objects(c, COLLECTION_IMAGES);
		break;
	case COMPLETE_KERNEL:
		offer_objects(c, COLLECTION_KERNELS);
		break;
	case COMPLETE_WORDS:
		offer_words(c, words);
		break;
	case COMPLETE_COMMAND:
		offer_commands(c, c->words + c->command_at + c->command_words,
			       c->n - 1 - c->command_at - c->command_words);
		break;
	case COMPLETE_SETTING:
		offer_settings(c);
		break;
	}
}

/* ------------------------------------------------------------------------------------- options */

static const struct option *find_long(const struct command *c, const char *name, size_t len)
{
	const struct option *o;

	for (size_t i = 0; (o = command_option(c, i)); i++)
		if (strlen(o->name) == len && !strncmp(o->name, name, len))
			return o;
	return NULL;
}

/* The option in "-it" or "-n" whose value is the next word; NULL when there is none. */
static const struct option *find_letter(const struct command *c, const char *letters)
{
	const struct option *o = NULL;

	for (; *letters; letters++) {
		for (size_t i = 0; (o = command_option(c, i)); i++)
			if (o->letter == *letters)
				break;
		if (!o || o->value)
			break;
	}
	return o && o->value && *letters && !letters[1] ? o : NULL;
}

/* The option in @word that takes the word after it as its value. */
static const struct option *waits_for_value(const struct command *c, const char *word)
{
	const struct option *o;

	if (word[0] != '-' || !word[1] || strchr(word, '='))
		return NULL;
	if (word[1] != '-')
		return find_letter(c, word + 1);
	o = find_long(c, word + 2, strlen(word + 2));
	return o && o->value ? o : NULL;
}

static void offer_options(struct completing *c)
{
	const struct option *o;

	for (size_t i = 0; (o = command_option(c->command, i)); i++) {
		AUTO_FREE char *text = xasprintf("--%s", o->name);

		if (o->repeat || !already_typed(c, text))
			offer(c, text, strlen(text), o->help);
	}
}

/* "--net=us": the value is completed, the option's name is put back in front. */
static void offer_joined(struct completing *c)
{
	size_t len = strcspn(c->typed + 2, "=");
	const struct option *o = find_long(c->command, c->typed + 2, len);
	AUTO_FREE char *lead = xstrndup(c->typed, len + 3);

	if (!o || !o->value)
		return;
	c->lead = lead;
	c->typed += len + 3;
	/* A shell cannot complete a file name behind "--option=" by itself. */
	if (o->complete != COMPLETE_FILE && o->complete != COMPLETE_DIRECTORY)
		offer_kind(c, o->complete, o->words);
	c->lead = "";
}

/* ------------------------------------------------------------------------------------ the line */

/* Where the command's words start: behind the options that may stand before them. */
static size_t skip_options(struct completing *c)
{
	size_t i = 0;

	while (i + 1 < c->n && c->words[i][0] == '-') {
		const char *option = c->words[i++];

		if (!strcmp(option, "--"))
			return c->n;
		if (!strcmp(option, "--state-dir") && i + 1 == c->n)
			offer_kind(c, COMPLETE_DIRECTORY, NULL);
		if (option_leads_with_value(option))
			i++;
	}
	return i;
}

static void find_state_dir(struct completing *c)
{
	for (size_t i = 0; i + 1 < c->n && strcmp(c->words[i], "--") != 0; i++) {
		if (!strncmp(c->words[i], "--state-dir=", 12))
			c->state_dir = c->words[i] + 12;
		else if (!strcmp(c->words[i], "--state-dir") && i + 2 < c->n)
			c->state_dir = c->words[i + 1];
	}
}

static void offer_after_command(struct completing *c)
{
	size_t i = c->command_at + c->command_words;
	const struct option *waiting = NULL;
	bool only_operands = false;
	int operands = 0;

	for (; i + 1 < c->n; i++) {
		if (waiting) {
			waiting = NULL;
		} else if (only_operands || c->words[i][0] != '-' || !c->words[i][1]) {
			operands++;
		} else if (!strcmp(c->words[i], "--")) {
			if (c->command->flags & CMD_REST)
				return; /* the guest's command: nobody here knows */
			only_operands = true;
		} else {
			waiting = waits_for_value(c->command, c->words[i]);
		}
	}
	if (waiting)
		offer_kind(c, waiting->complete, waiting->words);
	else if (!only_operands && !strncmp(c->typed, "--", 2) && strchr(c->typed, '='))
		offer_joined(c);
	else if (!only_operands && c->typed[0] == '-')
		offer_options(c);
	else if (c->command->max_operands < 0 || operands < c->command->max_operands)
		offer_kind(c, c->command->complete, c->command->words);
}

static void offer_top_options(struct completing *c)
{
	offer(c, "--help", strlen("--help"), "show help");
	if (!c->command)
		offer(c, "--version", strlen("--version"), "show the version");
}

void completion_list(char *const *words, size_t n, struct buf *out)
{
	struct completing c = { .words = words, .n = n, .typed = words[n - 1], .lead = "",
				.out = out };
	size_t at = skip_options(&c), plain = at;

	if (at >= n)
		return;
	while (plain + 1 < n && words[plain][0] != '-')
		plain++;
	c.command_at = at;
	c.command = command_find(words + at, plain - at, &c.command_words);
	find_state_dir(&c);
	if (c.command && c.command->run)
		offer_after_command(&c);
	else if (c.typed[0] == '-')
		offer_top_options(&c);
	else if (plain + 1 == n)
		offer_commands(&c, words + at, plain - at);
}
