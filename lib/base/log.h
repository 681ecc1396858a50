/* SPDX-License-Identifier: MIT */
/*
 * log.h - what happened, for later: JSON lines in a file, and for a person who asked on the terminal.
 *
 * A line has time, level, operation, pid, program, command and message, and is written by one write(2) in
 * append mode, so that several processes may share a file.  Errors and warnings are on the terminal
 * anyway (output_fault(), progress_note()), and reach the file from there; the terminal only gets
 * what the level adds to them.  Without log_begin() nothing is written, and nothing costs anything.
 *
 * An operation is one invocation and all that it starts: its id goes to child processes through the
 * environment.  Messages never hold arguments of commands, which may be secrets.
 */
#ifndef BANGER_BASE_LOG_H
#define BANGER_BASE_LOG_H

#include <stdbool.h>

#include "base/fault.h"

enum log_level { LOG_LEVEL_NONE, LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
#define LOG_WORDS	  "none error warn info debug"
#define LOG_OPERATION_LEN 16

struct log_options {
	const char *program; /* "banger"; static */
	const char *command; /* "vm run"; static */
	const char *level;   /* one of LOG_WORDS; NULL = BANGER_LOG_LEVEL, else info in a file */
	const char *file;    /* NULL = BANGER_LOG_FILE, else none */
	bool own_operation;  /* not that of the process that started us: for what stays */
	/* Shows a line of level info or debug to a person; NULL = nobody. */
	void (*show)(enum log_level level, const char *text);
};

/*
 * log_begin() - from now on.  The file is made with mode 0640 when it is not there.
 * Return: NULL; F_INVALID for a level or file that cannot be used; F_SYS, F_DENIED.
 */
struct fault *log_begin(const struct log_options *options) MUST_CHECK;
void log_end(void);

/* log_operation() - the id of this operation: LOG_OPERATION_LEN hex digits.  Static; also without
 * log_begin(). */
const char *log_operation(void);

/* log_write() - one line; never fails.  May be called by any thread. */
void log_write(enum log_level level, const char *fmt, ...) PRINTF(2, 3);
/* log_fault() - @f with its follow-ups and its hint, as an error. */
void log_fault(const struct fault *f);

#endif
