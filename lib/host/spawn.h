/* SPDX-License-Identifier: MIT */
/*
 * spawn.h - running programs: argument lists, never a shell; the only code that forks.
 *
 * The child gets exactly the descriptors named here as 0, 1 and 2 and no others, default signal
 * dispositions and an empty signal mask.  A failing exec comes back as {step, errno} through a
 * close-on-exec pipe, so that the fault says "program 'x': running it: No such file or directory".
 */
#ifndef BANGER_HOST_SPAWN_H
#define BANGER_HOST_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/fault.h"
#include "host/user.h"

/* For spawn.in, .out and .err: /dev/null. */
#define SPAWN_NULL -1

struct spawn {
	const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH unless it has a slash */
	const char *const *env;	 /* NULL = this process's environment */
	const char *cwd;	 /* NULL = unchanged */
	int in, out, err;	 /* borrowed descriptors, or SPAWN_NULL */
	const struct user *as;	 /* run as them when they are not us (sudo); NULL = as ourselves */
	bool new_session;	 /* setsid(): outlives us, gets no terminal signals */
	int deadline_ms;	 /* spawn_run(): kill after so long; 0 = never */
};
#define SPAWN_INIT .in = SPAWN_NULL, .out = SPAWN_NULL, .err = SPAWN_NULL

enum child_end { CHILD_EXITED, CHILD_SIGNALLED, CHILD_TIMED_OUT };

struct child_status {
	enum child_end end;
	int code; /* exit status or signal number */
};

struct child {
	pid_t pid; /* 0 = none */
	int pidfd; /* owned; -1 = none */
};
#define CHILD_INIT ((struct child){ 0, -1 })

/*
 * spawn_start() - start it and return once exec has succeeded.
 * Return: NULL; F_MISSING when the program is not installed; F_SYS, F_DENIED.
 */
struct fault *spawn_start(const struct spawn *s, struct child *child) MUST_CHECK;

/*
 * child_wait() - wait for the end and reap, at most @ms (-1 = for ever).  On time-out the child is
 * left running and status->end is CHILD_TIMED_OUT.  F_CANCELLED when a signal arrives (the child is
 * left running too).
 */
struct fault *child_wait(struct child *child, int ms, struct child_status *status) MUST_CHECK;

/* child_kill() - SIGKILL and reap it if it was not reaped yet, and release. */
void child_kill(struct child *child);

/*
 * child_signal() - send @number to a child that was started with new_session, and to everything that
 * it started and that did not leave its process group.  A group that is gone is success.
 */
struct fault *child_signal(const struct child *child, int number) MUST_CHECK;

/* child_release() - forget the child without touching it (it goes on). */
void child_release(struct child *child);

/*
 * spawn_run() - run to the end.  @out: captured standard output (more than @out_max bytes is
 * F_TOOL), or NULL to use s->out.  Standard error is captured (s->err is not used); its last 4 KiB
 * join the fault when the program fails.
 * Return: NULL when it exited with status 0; F_TOOL naming program, status and what it said;
 * F_TIMEOUT, F_CANCELLED (the child is killed in both cases); F_MISSING; F_SYS.
 */
struct fault *spawn_run(const struct spawn *s, struct buf *out, size_t out_max) MUST_CHECK;

/*
 * child_fault() - NULL for exit status 0, else F_TOOL or F_TIMEOUT with the last 4 KiB of
 * @stderr_text (may be NULL) attached.
 */
struct fault *child_fault(const char *program, const struct child_status *status,
			  const struct buf *stderr_text) MUST_CHECK;

#endif
