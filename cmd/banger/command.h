/* SPDX-License-Identifier: MIT */
/*
 * command.h - the one table of commands and options.
 *
 * Parsing, help, completion and the man pages all read it.  A command is a `const struct command`
 * in the file of its group, listed in commands.c.  A command that is not finished is not listed.
 *
 * Options common to all commands (--help, --state-dir DIR, --wait DURATION, -q/--quiet where
 * CMD_QUIET, --json where CMD_JSON) are added by the parser.  Long options accept "--name value" and
 * "--name=value"; short flags combine ("-it").  Operands and options may be mixed until "--".
 * With CMD_REST everything after "--" is kept verbatim in `rest`; without it "--" just ends options.
 */
#ifndef BANGER_CMD_COMMAND_H
#define BANGER_CMD_COMMAND_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/progress.h"
#include "store/config.h"
#include "store/store.h"

enum complete_kind {
	COMPLETE_NOTHING,
	COMPLETE_FILE,
	COMPLETE_DIRECTORY,
	COMPLETE_VM,
	COMPLETE_IMAGE,
	COMPLETE_KERNEL,
	COMPLETE_WORDS, /* from the option's `words`: "user none" */
};

struct option {
	char letter;	     /* 0 = none */
	const char *name;    /* without dashes; NULL ends the table */
	const char *value;   /* metavariable in capitals, NULL = a flag */
	const char *help;    /* one line, no final full stop */
	enum complete_kind complete;
	const char *words;   /* for COMPLETE_WORDS; also checked when parsing */
	bool repeat;	     /* may be given several times */
};

enum command_flags {
	CMD_JSON = 1,	   /* has --json */
	CMD_QUIET = 2,	   /* has -q, --quiet */
	CMD_REST = 4,	   /* "-- CMD..." is passed on verbatim */
	CMD_NEEDS_READ = 8,   /* the state directory, read only */
	CMD_NEEDS_WRITE = 16, /* the state directory, created when absent */
	CMD_HIDDEN = 32,   /* not in help, man pages and completion */
	CMD_GUEST_STATUS = 64, /* passes a guest command's status through; our failures are 125 */
};

struct invocation;

struct command {
	const char *name;	/* words: "vm run", "ps" */
	const char *summary;	/* one line, lower case, no full stop */
	const char *operands;	/* synopsis after the options: "NAME...", "[-- CMD...]" */
	const char *description; /* paragraphs for help and man page, separated by blank lines */
	const char *examples;	/* lines "command<TAB>what it does", newline-separated; or NULL */
	const struct option *options;
	int min_operands, max_operands; /* -1 = any number */
	enum complete_kind complete;	/* of operands */
	unsigned int flags;
	struct fault *(*run)(struct invocation *inv);
};

struct invocation {
	const struct command *command;
	struct strings operands;
	char **rest;	/* what followed "--", NULL-terminated, borrowed from argv; NULL = none */
	int n_rest;
	bool json, quiet;
	bool dry_help;
	struct store store;   /* open when the command needs it */
	struct config config; /* always loaded */
	struct progress progress; /* on stderr, live on a terminal, silent with -q */
	int status;	      /* exit status to use when run() returns NULL */
	struct given *given;  /* parsed options, see below */
};

/* Was the option given?  @name is its long name. */
bool option_given(const struct invocation *inv, const char *name);
/* Its (last) value, borrowed, or NULL. */
const char *option_value(const struct invocation *inv, const char *name);
/* All its values in order; *@n values, borrowed. */
const char *const *option_values(const struct invocation *inv, const char *name, size_t *n);

/* All listed commands, ended by a NULL name. */
extern const struct command *const commands[];

/* print_record() - one record as JSON on standard output, or a list of them as a JSON array. */
struct fault *print_text(const char *text) MUST_CHECK;

#endif
