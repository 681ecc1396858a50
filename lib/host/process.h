/* SPDX-License-Identifier: MIT */
/*
 * process.h - processes by identity, never by bare number.
 *
 * A process is its pid, its start time in clock ticks since boot (field 22 of /proc/<pid>/stat) and
 * the id of the boot; all three are compared after pidfd_open() and before any signal, so that a
 * recycled pid is never touched.
 */
#ifndef BANGER_HOST_PROCESS_H
#define BANGER_HOST_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/json.h"

struct process_id {
	uint64_t pid; /* 0 = none */
	uint64_t start_ticks;
	char *boot_id; /* owned */
};

extern const struct record_type process_id_type;

void process_id_release(struct process_id *id);

/* process_identify() - fill *@id for the running @pid.  false when there is no such process. */
bool process_identify(pid_t pid, struct process_id *id);

/*
 * process_open() - pidfd of the very process @id means, -1 when it is gone (or a zombie, or from
 * another boot).  Owned by the caller.
 */
int process_open(const struct process_id *id);

/*
 * process_find() - a running process that has @argument among its arguments, whole or as one value
 * of a comma-separated one ("...,path=<argument>,...").  The argument must be unique to the object
 * that is looked for: the path of a socket.  @id: out, owned.  false when there is none.
 */
bool process_find(const char *argument, struct process_id *id);

/* process_kill() - send @number through @pidfd.  A process that is gone is success. */
struct fault *process_kill(int pidfd, int number) MUST_CHECK;

/*
 * process_wait_gone() - wait until the process behind @pidfd has ended, at most @ms (-1 = for
 * ever).  *@gone tells.  F_CANCELLED when a signal arrives meanwhile.
 */
struct fault *process_wait_gone(int pidfd, int ms, bool *gone) MUST_CHECK;

#endif
