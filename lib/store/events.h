/* SPDX-License-Identifier: MIT */
/*
 * events.h - what was done with a VM: vms/<name>/events.jsonl.
 *
 * One line of JSON for each beginning, stage and end of an operation, each with the operation's id.  Lines
 * are appended whole by whoever holds the VM's lock; when the file has EVENTS_FILE_MAX bytes it becomes
 * events.old and a new one is begun.  For people and for diagnosis: nothing is decided by it, and a line
 * that cannot be written is none.
 */
#ifndef BANGER_STORE_EVENTS_H
#define BANGER_STORE_EVENTS_H

#include "store/vm_store.h"

#define EVENTS_FILE_MAX (128u * 1024)
/* Of a message that is kept. */
#define EVENTS_MESSAGE_MAX 1024

struct event {
	char *time;	  /* RFC 3339 */
	uint64_t mono_ms; /* monotonic clock of the boot: how long things took */
	char *operation;  /* id: 8 hex digits */
	uint64_t pid;
	char *verb;    /* "start" */
	char *event;   /* "begin", "stage", "end", "fault" */
	char *stage;   /* of "stage": the step that begins */
	char *message; /* of "fault" */
};
extern const struct record_type event_type;

/* events_begin() - operation @verb begins on a VM whose lock @d holds; draws its id. */
void events_begin(struct vm_dir *d, const char *verb);
/* events_stage() - one of its steps begins; nothing when no operation has begun. */
void events_stage(const struct vm_dir *d, const char *stage);
/* events_end() - it has ended, with @f (borrowed; NULL = well); nothing when none has begun. */
void events_end(struct vm_dir *d, const struct fault *f);

/*
 * events_read() - all events from position *@at on, which is moved on; lines that are no events are left
 * out.  *@at 0 begins with events.old.  @out: records of struct event, owned; events_release() them.
 * No file is no events.  F_SYS.
 */
struct fault *events_read(const struct vm_dir *d, uint64_t *at, struct records *out) MUST_CHECK;
void events_release(struct records *events);

#endif
