/* SPDX-License-Identifier: MIT */
/*
 * journal.h - what hosts asked of this machine: one line each in AGENT_DIR/agent.log, with the id of the
 * host's operation, by which the host's own log has it.  No arguments of commands: they may be secrets.
 * What only looks leaves no line.
 */
#ifndef BANGER_AGENT_JOURNAL_H
#define BANGER_AGENT_JOURNAL_H

#include <stdbool.h>

#include "base/mem.h"

/* Beyond this size the file becomes agent.log.old, and a new one begins. */
#define JOURNAL_MAX (64 * 1024)

/* journal_id() - may @text be an operation's id? */
bool journal_id(const char *text);
/* journal_write() - one line; never fails.  @operation: NULL or "" = not known. */
void journal_write(const char *operation, const char *fmt, ...) PRINTF(2, 3);

#endif
