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
 * process_open() - *@pidfd of the very process @id means, -1 when it is surely gone (or a zombie, or
 * from another boot).  Owned by the caller.  F_SYS when that cannot be told, as when no descriptor
 * is free: whoever removes what the process uses must not take that for "gone".
 */
struct fault *process_open(const struct process_id *id, int *pidfd) MUST_CHECK;

/*
 * process_find() - a running process of this user that has @option and then @value among its
 * arguments, both whole.  Together they must be unique to the object that is looked for and nothing
 * that a person would type.  *@found tells; @id: out, owned, set when found.  F_SYS when it cannot be
 * told.
 */
struct fault *process_find(const char *option, const char *value, bool *found,
			   struct process_id *id) MUST_CHECK;

/* One of those that process_list() finds. */
struct process_match {
	struct process_id id;
	size_t option; /* index of what came before the value */
	char *value;   /* owned */
};
/*
 * process_list() - all running processes of this user that have one of the @n @options and then an
 * argument that begins with @prefix; for each process the first one counts.  One pass over all processes.
 * @out: records of struct process_match, owned; process_list_release() them.  F_SYS.
 */
struct fault *process_list(const char *const *options, size_t n, const char *prefix,
			   struct records *out) MUST_CHECK;
void process_list_release(struct records *matches);

/* process_find_as() - the same among the processes of user @uid. */
struct fault *process_find_as(uid_t uid, const char *option, const char *value, bool *found,
			      struct process_id *id) MUST_CHECK;
/* process_of_user() - has user @uid a process at all?  F_SYS. */
struct fault *process_of_user(uid_t uid, bool *any) MUST_CHECK;

/* process_kill() - send @number through @pidfd.  A process that is gone is success. */
struct fault *process_kill(int pidfd, int number) MUST_CHECK;

/*
 * process_wait_gone() - wait until the process behind @pidfd has ended, at most @ms (-1 = for
 * ever).  *@gone tells.  F_CANCELLED when a signal arrives meanwhile.
 */
struct fault *process_wait_gone(int pidfd, int ms, bool *gone) MUST_CHECK;

/* process_program() - absolute path of this program's file; "banger" when nobody knows.  Owned. */
char *process_program(void);
/* process_fd_path() - a path by which a child can open what @fd is, as long as we have it open.  Owned. */
char *process_fd_path(int fd);

#endif
