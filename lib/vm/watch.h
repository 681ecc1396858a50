/* SPDX-License-Identifier: MIT */
/*
 * watch.h - the optional watcher: looks at the running VMs now and then, keeps what it saw in their
 * stats.bin, and stops those that are due.
 *
 * It has no memory of its own between two looks, so it may be killed at any time.  There is one at a
 * time for a state directory; it ends by itself when no VM runs.
 */
#ifndef BANGER_VM_WATCH_H
#define BANGER_VM_WATCH_H

#include "store/config.h"
#include "store/store.h"
#include "vm/idle.h"

/* The program that `vm start` launches, beside banger itself. */
#define WATCH_PROGRAM "banger-watch"

struct watch_clock {
	int64_t (*mono_ms)(void *context);
	int64_t (*wall_ms)(void *context);
	/* Sleep; false = end now. */
	bool (*sleep)(void *context, int64_t ms);
	void *context;
};
extern const struct watch_clock watch_real_clock;

struct watch_options {
	int64_t interval_ms;
	bool once; /* one look, then end */
	bool stay; /* go on when no VM runs */
	bool dns;  /* serve the VMs' names meanwhile, on dns_port of 127.0.0.1 (0 = any) */
	unsigned int dns_port;
	bool dns_optional; /* without dns rather than not at all */
	/* What was done, in one line; NULL = nobody wants to know. */
	void (*tell)(void *context, const char *line);
	void *context;
};

/* watch_tell() - one line to options->tell. */
void watch_tell(const struct watch_options *options, const char *fmt, ...) PRINTF(2, 3);

struct watch_round {
	size_t running, stopped; /* VMs seen, and those that were stopped */
};

/* watch_round() - one look at all VMs.  The caller holds watch_lock().  A VM that fails is told about
 * and does not stop the others. */
struct fault *watch_round(const struct store *s, const struct config *config,
			  const struct watch_options *options, const struct watch_clock *clock,
			  struct watch_round *out) MUST_CHECK;

/*
 * watch_run() - rounds until no VM runs, a signal, or the end of options->once.
 * Return: NULL also when another one is watching already (said through tell); F_SYS; as
 * watch_dns_begin().
 */
struct fault *watch_run(const struct store *s, const struct config *config,
			const struct watch_options *options,
			const struct watch_clock *clock) MUST_CHECK;

/* watch_launch() - start the watcher in the background if the configuration says so.  F_MISSING. */
struct fault *watch_launch(const struct store *s, const struct config *config) MUST_CHECK;

#endif
