/* SPDX-License-Identifier: MIT */
/* output.h - the program's own standard streams; what commands use of it is in command.h. */
#ifndef BANGER_CMD_OUTPUT_H
#define BANGER_CMD_OUTPUT_H

#include <stdbool.h>

#include "base/fault.h"

/* output_init() - make sure that descriptors 0, 1 and 2 are open. */
void output_init(void);
/* output_progress() - whose live line (borrowed) is taken away before anything is printed. */
struct progress;
void output_progress(struct progress *p);
/* Is descriptor @fd a terminal that understands colour and cursor movement? */
bool output_is_live(int fd);
/* output_fault() - print @f, its follow-ups and its hint on standard error. */
void output_fault(const struct fault *f);
/* output_write_fault() - why writing to standard output failed just now, from errno. */
struct fault *output_write_fault(void) MUST_CHECK;
/*
 * output_finish() - flush standard output.  Return: NULL also when the reader has gone away (EPIPE);
 * F_SYS, F_NO_SPACE.
 */
struct fault *output_finish(void) MUST_CHECK;
/* Has the reader of standard output gone away?  Then a failed command ends without a word. */
bool output_gone(void);

#endif
