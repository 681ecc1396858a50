/* SPDX-License-Identifier: MIT */
#include "banger/man.h"

#include <string.h>

#include "banger/commands.h"
#include "banger/parse.h"
#include "base/log.h"

#define LINE_MAX_COLUMNS 78
/* Fixed, so that the pages depend on nothing but the tables. */
#define PAGE_DATE	 "November 21, 2026"

/* ---------------------------------------------------------------------------------------- text */

static void add_escaped(struct buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool dashes = text[i] == '-' && ((i + 1 < len && text[i + 1] == '-') ||
						 (i && text[i - 1] == '-'));

		if (text[i] == '\\')
			buf_adds(out, "\\e");
		else if (dashes)
			buf_adds(out, "\\-");
		else
			buf_addc(out, text[i]);
	}
}

static bool ends_sentence(const char *word, size_t len)
{
	while (len && strchr("')\"", word[len - 1]))
		len--;
	return len && strchr(".?!", word[len - 1]) && !(len > 3 && word[len - 2] == '.');
}

/* Running text: new sentence, new line; no line begins with what roff takes for a request. */
static void add_text(struct buf *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t len = strcspn(text, " \n");

		if (column && column + 1 + len > LINE_MAX_COLUMNS) {
			buf_addc(out, '\n');
			column = 0;
		}
		if (column)
			buf_addc(out, ' ');
		else if (*text == '.' || *text == '\'')
			buf_adds(out, "\\&");
		add_escaped(out, text, len);
		column += len + 1;
		if (ends_sentence(text, len)) {
			buf_addc(out, '\n');
			column = 0;
		}
		text += len;
		text += strspn(text, " \n");
	}
	if (column)
		buf_addc(out, '\n');
}

/* Lines as they are, in an indented block. */
static void add_literal(struct buf *out, const char *text, size_t len)
{
	buf_adds(out, ".Bd -literal -offset indent\n");
	while (len) {
		const char *newline = memchr(text, '\n', len);
		size_t line = newline ? (size_t)(newline - text) : len;
		size_t blanks = strspn(text, " ");

		if (blanks > line)
			blanks = line;
		if (text[blanks] == '.' || text[blanks] == '\'')
			buf_adds(out, "\\&");
		for (size_t i = blanks; i < line; i++)
			buf_adds(out, text[i] == '\\' ? "\\e" : text[i] == '-' ? "\\-"
								 : (char[]){ text[i], '\0' });
		buf_addc(out, '\n');
		text += line + (newline != NULL);
		len -= line + (newline != NULL);
	}
	buf_adds(out, ".Ed\n");
}

static void add_paragraphs(struct buf *out, const char *text)
{
	for (bool first = true; *text; first = false) {
		const char *end = strstr(text, "\n\n");
		size_t len = end ? (size_t)(end - text) : strlen(text);
		AUTO_FREE char *paragraph = xstrndup(text, len);

		if (*paragraph == ' ') {
			add_literal(out, paragraph, len);
		} else {
			if (!first)
				buf_adds(out, ".Pp\n");
			add_text(out, paragraph);
		}
		text += len;
		text += strspn(text, "\n");
	}
}

/* One line of help as a sentence. */
static void add_sentence(struct buf *out, const char *text)
{
	AUTO_FREE char *sentence = xasprintf("%s.", text);

	if (sentence[0] >= 'a' && sentence[0] <= 'z')
		sentence[0] = (char)(sentence[0] - 'a' + 'A');
	add_text(out, sentence);
}

static void add_words(struct buf *out, const char *words)
{
	AUTO_BUF list = BUF_INIT;

	buf_adds(&list, "One of ");
	for (const char *w = words; *w; w++)
		buf_adds(&list, *w == ' ' ? ", " : (char[]){ *w, '\0' });
	buf_addc(&list, '.');
	add_text(out, list.data);
}

/* --------------------------------------------------------------------------------------- parts */

char *man_name(const struct command *c)
{
	char *name = xasprintf("banger-%s", c->name);

	for (char *s = name; *s; s++)
		if (*s == ' ')
			*s = '-';
	return name;
}

static void add_head(struct buf *out, const char *name, int section, const char *summary)
{
	AUTO_FREE char *title = xstrdup(name);

	for (char *s = title; *s; s++)
		if (*s >= 'a' && *s <= 'z')
			*s = (char)(*s - 'a' + 'A');
	buf_adds(out, ".\\\" Made by 'banger internal man' from the tables of the program.\n");
	buf_addf(out, ".Dd " PAGE_DATE "\n.Dt %s %d\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n", title, section,
		 name, summary);
}

static void add_option(struct buf *out, const struct option *o)
{
	buf_adds(out, ".It ");
	if (o->letter)
		buf_addf(out, "Fl %c , ", o->letter);
	buf_addf(out, "Fl \\-%s", o->name);
	if (o->value)
		buf_addf(out, " Ar %s", o->value);
	buf_addc(out, '\n');
	add_sentence(out, o->help);
	if (o->words)
		add_words(out, o->words);
	if (o->repeat)
		buf_adds(out, "May be repeated.\n");
	if (o->setting)
		buf_addf(out, "The default is the setting\n.Cm %s\nof\n.Xr banger.conf 5 .\n",
			 o->setting);
	else if (o->preset)
		buf_addf(out, "The default is %s.\n", o->preset);
}

static void add_options(struct buf *out, const struct command *c)
{
	const struct option *o;

	buf_adds(out, ".Pp\nThe options are as follows:\n.Bl -tag -width Ds\n");
	for (size_t i = 0; (o = command_option(c, i)); i++)
		add_option(out, o);
	buf_adds(out, ".El\n");
}

static void add_examples(struct buf *out, const char *examples)
{
	buf_adds(out, ".Sh EXAMPLES\n");
	for (bool first = true; *examples; first = false) {
		size_t line = strcspn(examples, "\n"), command = strcspn(examples, "\t");

		if (!first)
			buf_adds(out, ".Pp\n");
		if (command < line) {
			AUTO_FREE char *what = xstrndup(examples + command + 1, line - command - 1);
			AUTO_FREE char *sentence = xasprintf("%s:", what);

			if (sentence[0] >= 'a' && sentence[0] <= 'z')
				sentence[0] = (char)(sentence[0] - 'a' + 'A');
			add_text(out, sentence);
		}
		add_literal(out, examples, command < line ? command : line);
		examples += line + (examples[line] == '\n');
	}
}

static void add_members(struct buf *out, const struct command *group)
{
	buf_adds(out, ".Bl -tag -width Ds\n");
	for (size_t i = 0; commands[i]; i++) {
		AUTO_FREE char *name = NULL;

		if (!commands[i]->run || !command_in_group(commands[i], group))
			continue;
		name = man_name(commands[i]);
		buf_addf(out, ".It Xr %s 1\n", name);
		add_sentence(out, commands[i]->summary);
	}
	buf_adds(out, ".El\n");
}

static void add_exit_status(struct buf *out, const struct command *c)
{
	buf_adds(out, ".Sh EXIT STATUS\n");
	if (!c || !(c->flags & CMD_GUEST_STATUS))
		buf_adds(out, ".Bl -tag -width Ds\n"
			      ".It 0\nSuccess.\n"
			      ".It 1\nFailure; a message on standard error says what failed and why.\n"
			      ".It 2\nThe command line is wrong; nothing was done.\n"
			      ".It 128+n\nSignal n stopped the command.\n"
			      ".El\n");
	if (c && !(c->flags & CMD_GUEST_STATUS))
		return;
	if (!c)
		buf_adds(out, ".Pp\nCommands that run something in a machine pass its status on:\n");
	buf_adds(out, ".Bl -tag -width Ds\n"
		      ".It 0 to 255\nThe status of the command in the machine.\n"
		      ".It 2\nThe command line is wrong; nothing was done.\n"
		      ".It 124\nThe time limit ran out.\n"
		      ".It 125\nbanger itself failed.\n"
		      ".It 126\nThe command cannot be executed in the machine.\n"
		      ".It 127\nThere is no such command in the machine.\n"
		      ".It 128+n\nSignal n ended the command, or stopped banger.\n"
		      ".El\n");
}

/* --------------------------------------------------------------------------------------- pages */

static void add_synopsis(struct buf *out, const struct command *c, const char *name)
{
	buf_addf(out, ".Nm banger %s\n", name);
	buf_adds(out, c->run ? ".Op Ar options\n" : ".Ar command\n.Op Ar options\n");
	if (c->operands) {
		buf_adds(out, ".Ar \"");
		add_escaped(out, c->operands, strlen(c->operands));
		buf_adds(out, "\"\n");
	}
}

void man_command(const struct command *c, struct buf *out)
{
	AUTO_FREE char *name = man_name(c);

	add_head(out, name, 1, c->summary);
	buf_adds(out, ".Sh SYNOPSIS\n");
	add_synopsis(out, c, c->name);
	if (c->alias)
		add_synopsis(out, c, c->alias);
	buf_adds(out, ".Sh DESCRIPTION\n");
	if (c->description)
		add_paragraphs(out, c->description);
	else
		add_sentence(out, c->summary);
	if (!c->run) {
		buf_adds(out, ".Pp\nThe commands are as follows:\n");
		add_members(out, c);
	} else {
		add_options(out, c);
		add_exit_status(out, c);
	}
	if (c->examples)
		add_examples(out, c->examples);
	buf_adds(out, ".Sh SEE ALSO\n.Xr banger 1 ,\n.Xr banger.conf 5\n");
}

static void add_environment(struct buf *out)
{
	static const struct {
		const char *name, *text;
	} variables[] = {
		{ "BANGER_STATE_DIR", "The state directory, when --state-dir is not given." },
		{ "BANGER_RUN_DIR", "The directory for sockets." },
		{ "BANGER_LOG_LEVEL", "The level, when --log-level is not given: " LOG_WORDS "." },
		{ "BANGER_LOG_FILE", "The log file, when --log-file is not given." },
		{ "NO_COLOR", "When set, messages have no colour." },
		{ "XDG_CONFIG_HOME", "Where the user's banger/banger.conf is; ~/.config otherwise." },
		{ "XDG_STATE_HOME", "Where the user's state directory is; ~/.local/state otherwise." },
	};
	struct setting_info info;

	buf_adds(out, ".Sh ENVIRONMENT\n.Bl -tag -width Ds\n");
	for (size_t i = 0; config_setting(i, &info); i++)
		buf_addf(out, ".It Ev %s\nSets\n.Cm %s\nof\n.Xr banger.conf 5 .\n", info.environment,
			 info.key);
	for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
		buf_addf(out, ".It Ev %s\n", variables[i].name);
		add_text(out, variables[i].text);
	}
	buf_adds(out, ".El\n");
}

void man_program(struct buf *out)
{
	add_head(out, "banger", 1, "disposable Linux virtual machines in one command");
	buf_adds(out, ".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar options\n.Sh DESCRIPTION\n");
	add_paragraphs(
		out,
		"banger makes, uses and removes Linux virtual machines. A machine starts from an "
		"image, which is a root file system, and boots a kernel; both are pulled when they "
		"are needed first. There is no daemon: every command reads and writes the state "
		"directory under locks and ends.\n\n"
		"Options and operands may be mixed. An option's value follows after a blank or an "
		"equals sign. Of a value that is given twice the last one counts. Everything after "
		"\"--\" belongs to the command in the machine and is passed on as it is.\n\n"
		"The commands are as follows:");
	add_members(out, NULL);
	for (size_t i = 0; commands[i]; i++) {
		if (commands[i]->run || command_is_hidden(commands[i]))
			continue;
		buf_addf(out, ".Ss Commands of banger %s\n", commands[i]->name);
		add_members(out, commands[i]);
	}
	add_environment(out);
	buf_adds(out, ".Sh FILES\n.Bl -tag -width Ds\n"
		      ".It Pa /var/lib/banger\nThe state directory of root.\n"
		      ".It Pa ~/.local/state/banger\nThe state directory of everybody else.\n"
		      ".It Pa " CONFIG_SYSTEM_FILE "\n"
		      ".It Pa ~/.config/banger/banger.conf\nSettings; see\n.Xr banger.conf 5 .\n"
		      ".El\n");
	add_exit_status(out, NULL);
	buf_adds(out, ".Sh EXAMPLES\nRun one command in a machine that is gone afterwards:\n"
		      ".Bd -literal -offset indent\nbanger vm run \\-\\-rm \\-\\- uname \\-a\n.Ed\n");
	buf_adds(out, ".Sh SEE ALSO\n.Xr banger.conf 5\n");
}

static void add_setting(struct buf *out, const struct setting_info *info)
{
	buf_addf(out, ".It Cm %s\n", strchr(info->key, '.') + 1);
	add_sentence(out, info->help);
	if (info->words)
		add_words(out, info->words);
	buf_addf(out, "The default is %s.\n", info->preset);
	buf_addf(out, "Environment variable:\n.Ev %s .\n", info->environment);
}

static void add_settings(struct buf *out)
{
	struct setting_info info;
	AUTO_FREE char *section = NULL;

	for (size_t i = 0; config_setting(i, &info); i++) {
		size_t len = strcspn(info.key, ".");

		if (!section || strlen(section) != len || strncmp(section, info.key, len) != 0) {
			buf_adds(out, section ? ".El\n" : "");
			free(section);
			section = xstrndup(info.key, len);
			buf_addf(out, ".Ss Section %s\n.Bl -tag -width Ds\n", section);
		}
		add_setting(out, &info);
	}
	buf_adds(out, ".El\n");
}

void man_config(struct buf *out)
{
	add_head(out, "banger.conf", 5, "settings of banger");
	buf_adds(out, ".Sh DESCRIPTION\n");
	add_paragraphs(
		out,
		"A settings file has sections in square brackets and lines of the form \"name = "
		"value\". A line that starts with a number sign or a semicolon is a comment, and so is "
		"what follows a blank and a semicolon. A section or name that banger does not know is "
		"an error, told with file and line. Of a name that stands twice the last one counts.\n\n"
		"Sizes are written with a unit, such as 512M or 8G.\n\n"
		"The system's file is read first, then the user's, then the environment; options of a "
		"command win over all of them. Under sudo the user's file is that of the user who "
		"called sudo. A command that runs as root refuses a file that others can write.");
	add_settings(out);
	buf_adds(out, ".Sh FILES FOR EVERY MACHINE\n");
	add_paragraphs(
		out,
		"Each section [file_sync NAME], with a NAME of one's choice, is a file or directory of the "
		"user's that every VM gets at each of its starts. \"host\" is what: a path that begins "
		"with ~/, or an absolute one below the user's home. \"guest\" is where: a path that begins "
		"with ~/ or /root/. \"mode\" is the file's, in octal, 0600 when it is not given; in a "
		"directory each file keeps its own.\n\n"
		"The files belong to root in the VM and replace what is there under their names. In a "
		"directory symbolic links, devices, sockets and pipes are left out; a path that leads out of "
		"the home is refused. A source that is not there is a warning, everything else that goes "
		"wrong on the host keeps the VM from starting. All of them together may have 16 MiB.");
	buf_adds(out, ".Sh FILES\n.Bl -tag -width Ds -compact\n"
		      ".It Pa " CONFIG_SYSTEM_FILE "\nThe system's settings.\n"
		      ".It Pa $XDG_CONFIG_HOME/banger/banger.conf\n"
		      ".It Pa ~/.config/banger/banger.conf\nThe user's settings.\n"
		      ".El\n"
		      ".Sh EXAMPLES\n.Bd -literal -offset indent\n"
		      "[defaults]\nimage = debian-bookworm\n\n"
		      "[vm_defaults]\nvcpu = 4\nmemory = 4G ; for builds\n\n"
		      "[file_sync git]\nhost = ~/.gitconfig\nguest = ~/.gitconfig\nmode = 0644\n.Ed\n"
		      ".Sh SEE ALSO\n.Xr banger 1 ,\n.Xr banger-config 1\n");
}
