/* SPDX-License-Identifier: MIT */
/*
 * progress.h - how long work tells what it is doing.
 *
 * A library function takes a `struct progress *` (NULL = silent) and reports stages to it; the
 * command decides how they look.  The terminal renderer draws one live line, the plain one prints a
 * line for each stage and nothing for amounts.  Several threads may report to one.
 */
#ifndef BANGER_BASE_PROGRESS_H
#define BANGER_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/mem.h"

struct progress {
	FILE *out;	/* borrowed, standard error in practice; NULL = silent */
	bool live;	/* a terminal: redraw one line */
	bool drawn;	/* a live line is on the screen */
	char *stage;	/* owned, the stage under way */
	int64_t stage_ms; /* monotonic time of its beginning */
	int64_t last_ms; /* monotonic time of the last drawing */
};

/* progress_init() - @out may be NULL for silence; @live: redraw a line instead of printing lines. */
void progress_init(struct progress *p, FILE *out, bool live);
/* progress_stage() - a new stage starts: "unpacking the kernel". */
void progress_stage(struct progress *p, const char *fmt, ...) PRINTF(2, 3);
/* progress_amount() - bytes done of @total (0 = unknown), with their rate; cheap, draws at most ten
 * times a second. */
void progress_amount(struct progress *p, uint64_t done, uint64_t total);
/* progress_note() - one whole line that stays, such as a warning. */
void progress_note(struct progress *p, const char *fmt, ...) PRINTF(2, 3);
/* progress_end() - wipe the live line and release. */
void progress_end(struct progress *p);

#endif
