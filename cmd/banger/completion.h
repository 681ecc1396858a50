/* SPDX-License-Identifier: MIT */
/*
 * completion.h - what could follow on the command line.
 *
 * The shells' scripts only ask `banger internal complete -- WORDS...` and show the answer: one
 * candidate per line, a tab and a description after it where there is one.  The single line ":file"
 * or ":directory" asks the shell for its own completion of names.  When anything is wrong, or there
 * is no state directory, there are no candidates: a completion never fails and never waits.
 */
#ifndef BANGER_CMD_COMPLETION_H
#define BANGER_CMD_COMPLETION_H

#include "base/buf.h"

/* completion_list() - @words after the program's name, the last one is being typed; @n >= 1. */
void completion_list(char *const *words, size_t n, struct buf *out);

/* The shells' scripts, as texts. */
extern const char completion_bash[], completion_zsh[], completion_fish[];

#endif
