/* SPDX-License-Identifier: MIT */
/*
 * exec.h - one running command of a port: its process, its pipes or terminal, its end.
 *
 * Frames for the client are appended to the port's queue through struct exec_owner.  The command
 * ends with one EXIT frame: when the direct child has exited and its output is delivered, which is
 * at the end of the pipes or, when a grandchild keeps them open, when what was in them at the exit
 * has been read and a short grace is over.
 */
#ifndef BANGER_AGENT_EXEC_H
#define BANGER_AGENT_EXEC_H

#include <sys/types.h>

#include "guest/frame.h"
#include "guest/seed.h"

struct exec;

struct exec_owner {
	struct buf *queue;	      /* frames for the client */
	void (*flush)(void *context); /* called after something was added */
	void (*ended)(void *context); /* EXIT is in the queue; the exec is freed after this call */
	void *context;
};

/* exec_start() - run @e.  Failure to start is an EXIT frame too; then NULL is returned. */
struct exec *exec_start(const struct frame_exec *e, const struct seed *seed,
			const struct exec_owner *owner);
/* exec_input() - bytes of STDIN; false when there are more than the window allows. */
bool exec_input(struct exec *x, const char *data, size_t len);
void exec_input_end(struct exec *x);
void exec_resize(struct exec *x, uint16_t rows, uint16_t columns);
void exec_signal(struct exec *x, int number);
/* exec_throttle() - stop or go on reading the output. */
void exec_throttle(struct exec *x, bool stop);
/* exec_reaped() - true when @pid is this command's child; its wait status is noted. */
bool exec_reaped(struct exec *x, pid_t pid, int wait_status);
/* exec_abandon() - the client has gone: hang up, later kill the whole session.  Frees @x. */
void exec_abandon(struct exec *x);
/* exec_tick() - do what time asks for; returns when it wants to be called again, or -1. */
int64_t exec_tick(struct exec *x);


#endif
