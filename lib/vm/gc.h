/* SPDX-License-Identifier: MIT */
/*
 * gc.h - everything on this host that carries banger's names and that nobody is responsible for.
 *
 * Theory of operation.  A list of scanners, one for each kind of thing (gc.c); each asks the kernel or
 * the file system for what carries our names, decides whose it is, and adds an item.  Unless it is only
 * told to look it then removes what is nobody's: VMs under their lock, which is only tried, so that a
 * VM that somebody works on is skipped; processes through their pidfd.  What belongs to another state
 * directory is reported and left alone.
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

struct gc {
	const struct store *store;   /* borrowed */
	const struct config *config; /* borrowed */
	bool dry_run;		     /* only look: takes no lock, writes nothing */
	struct records items;	     /* struct gc_item */
};

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

/* gc_vms.c, gc_run_dirs.c, gc_processes.c, gc_files.c */
struct fault *gc_scan_vms(struct gc *gc) MUST_CHECK;
struct fault *gc_scan_run_dirs(struct gc *gc) MUST_CHECK;
struct fault *gc_scan_processes(struct gc *gc) MUST_CHECK;
struct fault *gc_scan_files(struct gc *gc) MUST_CHECK;

#endif
