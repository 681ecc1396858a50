/* SPDX-License-Identifier: MIT */
/*
 * command.h - the one table of commands and options.
 *
 * Parsing, help, completion and the man pages all read it.  A command is a `const struct command`
 * in the file of its group, declared in commands.h and listed in commands.c.  A command that is not
 * finished is not listed.  An entry without run() is a group ("vm"): its page is shown when it is
 * typed alone.
 *
 * Options common to all commands (--help, --log-level LEVEL, --log-file FILE, --state-dir DIR, --wait DURATION, -q/--quiet where
 * CMD_QUIET, --json where CMD_JSON) are added by the parser.  Long options accept "--name value" and
 * "--name=value", never abbreviations; short flags combine ("-it").  Operands and options may be
 * mixed until "--".  With CMD_REST everything after "--" is kept verbatim in `rest`; without it "--"
 * just ends options.  A flag may be given twice; of a value given twice the last one counts, unless
 * the option repeats.  Everything that the table can check is checked before run(): exit status 2.
 *
 * Tables are static: partial initialisers are fine, the rest is zero.
 */
#ifndef BANGER_CMD_COMMAND_H
#define BANGER_CMD_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/table.h"
#include "store/config.h"
#include "store/store.h"

enum complete_kind {
	COMPLETE_NOTHING,
	COMPLETE_FILE,
	COMPLETE_DIRECTORY,
	COMPLETE_VM,
	COMPLETE_IMAGE,
	COMPLETE_KERNEL,
	COMPLETE_WORDS,	  /* from the option's `words`: "user none" */
	COMPLETE_COMMAND, /* names of commands, for `banger help` */
	COMPLETE_SETTING, /* keys of the configuration */
};

/* What a value must look like; read a number with option_number(). */
enum option_type {
	OPTION_TEXT,
	OPTION_SIZE,	 /* text_parse_size(): bytes */
	OPTION_COUNT,	 /* a decimal number between min and max */
	OPTION_DURATION, /* text_parse_duration(): milliseconds */
};

struct option {
	char letter;	   /* 0 = none */
	const char *name;  /* without dashes; NULL ends the table */
	const char *value; /* metavariable in capitals, NULL = a flag */
	const char *help;  /* one line, no final full stop */
	enum complete_kind complete;
	const char *words; /* for COMPLETE_WORDS, blank-separated; also checked when parsing;
				 * one that ends with a colon stands for all that begin so */
	bool repeat;	   /* may be given several times, all values count */
	enum option_type type;
	uint64_t min, max;   /* of OPTION_COUNT and OPTION_SIZE; max 0 = no limit */
	const char *setting; /* key of the setting that is the default: "vm_defaults.vcpu" */
	const char *preset;  /* else the default as text, for help: "10s" */
};

enum command_flags {
	CMD_JSON = 1,		/* has --json */
	CMD_QUIET = 2,		/* has -q, --quiet */
	CMD_REST = 4,		/* "-- CMD..." is passed on verbatim */
	CMD_NEEDS_READ = 8,	/* the state directory, read only */
	CMD_NEEDS_WRITE = 16,	/* the state directory, created when absent */
	CMD_HIDDEN = 32,	/* not in help, man pages and completion */
	CMD_GUEST_STATUS = 64,	/* passes a guest command's status through; our failures are 125 */
	CMD_REST_REQUIRED = 128, /* with CMD_REST: usage fault when nothing follows "--" */
	CMD_STATE_DIR = 512,	/* opens the state directory itself */
	CMD_NO_CONFIG = 256,	/* works without reading the configuration */
};

struct invocation;

struct command {
	const char *name;	 /* words: "vm run" */
	const char *alias;	 /* a second name: "ps"; NULL = none */
	const char *summary;	 /* one line, lower case, no full stop */
	const char *operands;	 /* synopsis after the options: "NAME...", "[-- CMD...]" */
	const char *description; /* paragraphs for help and man page, separated by blank lines */
	const char *examples;	 /* lines "command<TAB>what it does", newline-separated; or NULL */
	const struct option *options; /* NULL = none of its own */
	int min_operands, max_operands; /* max -1 = any number */
	enum complete_kind complete;	/* of operands */
	const char *words;		/* for COMPLETE_WORDS, blank-separated; not checked */
	unsigned int flags;
	struct fault *(*run)(struct invocation *inv); /* NULL = a group */
};

struct invocation {
	const struct command *command; /* NULL: no command was given */
	struct strings operands;
	char **rest; /* what followed "--", NULL-terminated, borrowed from argv; NULL = none */
	int n_rest;
	bool json, quiet;
	bool help, version;	  /* asked for: nothing else happens then */
	const char *state_dir;	  /* --state-dir, or NULL */
	int wait_ms;		  /* --wait: longest wait for a lock */
	struct store store;	  /* open when the command needs it, else all -1 */
	struct config config;	  /* loaded unless CMD_NO_CONFIG */
	struct progress progress; /* on stderr, live on a terminal, silent with -q */
	int status;		  /* exit status to use when run() returns NULL */
	struct given *given;	  /* parsed options, see below */
	size_t n_given;
};

/* Was the option given?  @name is its long name. */
bool option_given(const struct invocation *inv, const char *name);
/* Its (last) value, borrowed, or NULL. */
const char *option_value(const struct invocation *inv, const char *name);
/* All its values in order.  The array is owned by the caller (free()), the strings are borrowed. */
const char **option_values(const struct invocation *inv, const char *name, size_t *n);
/* The value of an OPTION_SIZE, OPTION_COUNT or OPTION_DURATION; @fallback when not given. */
uint64_t option_number(const struct invocation *inv, const char *name, uint64_t fallback);

/* ------------------------------------------------------------------------------------- output */

/*
 * Standard output.  Commands print through these or through stdio; either way the end of main checks
 * that all of it was written.  Return: F_SYS when writing failed; a command stops then.
 */
struct fault *print_text(const char *text) MUST_CHECK;
/* print_table() - render @t (released) and print it. */
struct fault *print_table(struct table *t) MUST_CHECK;
/* print_record() - one record as JSON. */
struct fault *print_record(const struct record_type *type, const void *record) MUST_CHECK;
/* print_records() - all of them as a JSON array, "[]" when there are none. */
struct fault *print_records(const struct record_type *type, const struct records *list) MUST_CHECK;
/*
 * print_fault() - a fault on standard error as main does it, for commands that go on after one
 * target failed; such a command sets inv->status to 1.
 */
void print_fault(const struct invocation *inv, const struct fault *f);

#endif
