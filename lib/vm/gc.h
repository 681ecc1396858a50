/* SPDX-License-Identifier: MIT */
/*
 * gc.h - everything on this host that carries banger's names and that nobody is responsible for.
 *
 * Theory of operation.  A list of scanners, one for each kind of thing (gc.c); each asks the kernel or
 * the file system for what carries our names, decides whose it is, and adds an item.  Unless it is only
 * told to look it then removes what is nobody's: VMs under their lock, which is only tried, so that a
 * VM that somebody works on is skipped; processes through their pidfd.  What belongs to another state
 * directory is reported and left alone.
 *
 * Whose a thing of the kernel is, is told by the tag of its state directory (store.h), which it has from
 * its first moment on, and by the VM's short id.  The list of VMs is made anew after a thing was seen
 * whose VM is not in it: a VM's directory is there before all that it has, and goes last.
 */
#ifndef BANGER_VM_GC_H
#define BANGER_VM_GC_H

#include <stdbool.h>

#include "vm/vm.h"

struct gc_item {
	char *kind;   /* "vm", "process", "run directory", "staging directory" ... */
	char *name;   /* what it is: a VM's name, a path, a process id */
	char *owner;  /* whose it is: "vm web", "process 12", a state directory; NULL = nobody's */
	char *state;  /* "interrupted", "abandoned", "busy", "foreign", "in use" ... */
	char *reason; /* why it counts as that, a sentence */
	char *action; /* what is done about it: "remove", "tear down", "keep" ... */
	bool done;    /* has been done */
	char *error;  /* why it could not be done; NULL */
};
extern const struct record_type gc_item_type;

/* One of this state directory's VMs. */
struct gc_vm {
	char *name;	   /* owned */
	char short_id[SHORT_ID_LEN + 1]; /* "" = its records cannot be read */
	bool running;
	bool settled;	   /* nothing is under way, and nothing was interrupted */
};

struct gc {
	const struct store *store;   /* borrowed */
	const struct config *config; /* borrowed */
	bool dry_run;		     /* only look: takes no lock, writes nothing */
	struct records items;	     /* struct gc_item */
	/* For scanners. */
	struct store at_once;	     /* the same, that waits for no lock; borrowed */
	struct records vms;	     /* struct gc_vm */
	bool fresh;		     /* the list of VMs is newer than what the scanner has seen */
	bool blind;		     /* it could not be made: nobody knows what is of no VM */
	char *tag;		     /* of the state directory; NULL = there is none */
};

/* gc_wants() - is @item something that should not be there, and that gc would do something about? */
bool gc_wants(const struct gc_item *item);

/* gc_run() - all scanners; one that fails does not stop the others.  F_SYS, F_CANCELLED. */
struct fault *gc_run(struct gc *gc) MUST_CHECK;
void gc_release(struct gc *gc);

/* ------------------------------------------------------------------------------- for scanners */

/* gc_add() - a new item, valid until the next call; texts are copied, @owner may be NULL. */
struct gc_item *gc_add(struct gc *gc, const char *kind, const char *name, const char *owner);
/* gc_judge() - what it is and what is to be done about it. */
void gc_judge(struct gc_item *item, const char *state, const char *action, const char *fmt, ...)
	PRINTF(4, 5);
/*
 * gc_done() - what came of doing it: NULL = done; F_BUSY = somebody works on it, which is no failure.
 * @f is stolen.
 */
void gc_done(struct gc_item *item, struct fault *f);

/* gc_is_short_id() - eight hexadecimal digits, and nothing behind them? */
bool gc_is_short_id(const char *text);
/* gc_vm() - the VM whose id begins with @short_id, borrowed until the next call; NULL = there is none. */
const struct gc_vm *gc_vm(struct gc *gc, const char *short_id);
/* gc_forget() - all of them. */
void gc_forget(struct gc *gc);
/* gc_know() - note a VM that a scanner has opened. */
void gc_know(struct gc *gc, const struct vm *vm, bool running, bool settled);

/* Something that a kernel has for a VM, or had. */
struct gc_thing {
	const char *kind, *name;
	const char *short_id;
	const char *tag;  /* of its state directory; NULL = it tells nothing */
	const char *path; /* its VM's directory, for people; NULL = not known */
	/* Once its VM is gone, or is down and its lock held.  Not there is success. */
	struct fault *(*remove)(struct gc *gc, const void *context);
	const void *context;
};
/* gc_settle() - decide about it, and do it. */
void gc_settle(struct gc *gc, const struct gc_thing *thing);

/* gc_vms.c ... */
struct fault *gc_scan_vms(struct gc *gc) MUST_CHECK;
struct fault *gc_scan_run_dirs(struct gc *gc) MUST_CHECK;
struct fault *gc_scan_processes(struct gc *gc) MUST_CHECK;
struct fault *gc_scan_files(struct gc *gc) MUST_CHECK;
struct fault *gc_scan_taps(struct gc *gc) MUST_CHECK;
struct fault *gc_scan_filter(struct gc *gc) MUST_CHECK;
struct fault *gc_scan_leases(struct gc *gc) MUST_CHECK;
struct fault *gc_scan_groups(struct gc *gc) MUST_CHECK;
struct fault *gc_scan_devices(struct gc *gc) MUST_CHECK;
struct fault *gc_scan_loops(struct gc *gc) MUST_CHECK;

/* gc_end_process() - asks it to end, and then makes it.  Gone already is success.  F_SYS. */
struct fault *gc_end_process(const struct process_id *id) MUST_CHECK;

#endif
