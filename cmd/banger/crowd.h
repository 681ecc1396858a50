/* SPDX-License-Identifier: MIT */
/*
 * crowd.h - one verb for several VMs: resolved first, all of them, duplicates folded; worked on side by
 * side; printed in the order given.  One that fails does not stop the others.
 */
#ifndef BANGER_CMD_CROWD_H
#define BANGER_CMD_CROWD_H

#include "banger/command.h"
#include "vm/vm.h"

struct target {
	struct invocation *inv;
	/* Called in a thread with the VM opened, or locked when `verb` is set. */
	struct fault *(*act)(struct target *t, struct vm *vm);
	const char *verb;    /* for the lock; NULL = an observer */
	int number;	     /* for act(): a signal, milliseconds */
	const void *context; /* for act(), shared, borrowed */
	void *result;	     /* of act(), of this target alone; whoever sets it frees it */
	char *name;	     /* owned; NULL = not resolved */
	char *outcome;	     /* owned; set by act(): "started" */
	struct fault *fault; /* owned */
};

struct crowd {
	struct target *targets; /* owned */
	size_t n;
};

/*
 * crowd_run() - do what @model says for each of the invocation's operands, or, when there are none
 * and @all, for every VM there is.  Faults are kept in the targets.  *@c: out.
 */
struct fault *crowd_run(struct invocation *inv, const struct target *model, bool all,
			struct crowd *c) MUST_CHECK;
/*
 * crowd_faults() - print the faults and set the exit status; @outcomes: also "name: outcome" for those
 * that did well, unless -q.  A fault of an only target is returned instead, so that its kind decides.
 */
struct fault *crowd_faults(struct crowd *c, bool outcomes) MUST_CHECK;
void crowd_release(struct crowd *c);

#endif
