/* SPDX-License-Identifier: MIT */
/*
 * progress.h - how long work tells what it is doing.
 *
 * A library function takes a `struct progress *` (NULL = silent) and reports stages to it; the
 * command decides how they look.  The terminal renderer draws one live line (with rows below it where
 * several things move), the plain one prints a line for each stage and nothing for amounts.  Several
 * threads may report to one.
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
	size_t rows;	/* and so many rows below it */
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
/* One of several amounts that grow side by side. */
struct progress_row {
	const char *label; /* borrowed: "layer 2 of 'alpine'" */
	uint64_t done, total;
	int64_t since_ms; /* clock_now_ms() when it began at @from */
	uint64_t from;
};
/*
 * progress_rows() - the stage's line, and one line for each of @n rows below it; in the place of
 * progress_amount() where more than one thing moves.  Live only, at most ten times a second.
 */
void progress_rows(struct progress *p, const struct progress_row *rows, size_t n);
/* progress_note() - one whole line that stays, such as a warning. */
void progress_note(struct progress *p, const char *fmt, ...) PRINTF(2, 3);
/* progress_wipe() - take the live line away until the next report: something else will be printed. */
void progress_wipe(struct progress *p);
/* progress_end() - wipe the live line and release. */
void progress_end(struct progress *p);

#endif
