/* SPDX-License-Identifier: MIT */
/* child.h - starting a program in the image, as a user, with an environment. */
#ifndef BANGER_AGENT_CHILD_H
#define BANGER_AGENT_CHILD_H

#include <sys/types.h>

#include "guest/frame.h"
#include "guest/seed.h"

struct child_io {
	int in, out, err; /* borrowed; @in -1 = /dev/null */
	bool tty;	  /* @in is the terminal for all three, and the controlling one */
};

/*
 * child_start() - fork, and in the child: new session, user, directory, environment, program.
 * An empty argv is the user's login shell.
 * @report: out, owned, non-blocking: at its end when the program runs; before that, when it could
 * not be started, one byte of enum frame_exit_kind and a message.
 * Return: NULL and *@pid, F_SYS.
 */
struct fault *child_start(const struct frame_exec *e, const struct seed *seed,
			  const struct child_io *io, pid_t *pid, int *report) MUST_CHECK;
#define CHILD_REPORT_MAX 1024

#endif
