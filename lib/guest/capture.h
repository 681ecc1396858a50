/* SPDX-License-Identifier: MIT */
/* capture.h - a command in the guest whose output is wanted, not passed on. */
#ifndef BANGER_GUEST_CAPTURE_H
#define BANGER_GUEST_CAPTURE_H

#include "guest/client.h"

/* What fits for certain; a guest that says more is stopped by the full pipe and then by the limit. */
#define GUEST_CAPTURE_MAX (64 * 1024)

struct guest_capture {
	const char *const *argv; /* NULL-terminated */
	bool builtin;		 /* argv[0] is a part of the agent */
	const void *input;	 /* at most 4096 bytes for its standard input; then it sees the end */
	size_t input_len;	 /* 0 = no standard input */
	bool hold_input;	 /* but do not let it see the end: for a peer that would hang up */
	int64_t timeout_ms;	 /* more than 0 */
};

/*
 * guest_capture() - run it and append its standard output to @out, at most GUEST_CAPTURE_MAX bytes.
 * *@timed_out (NULL = a time-out is a fault): it ran into the time limit and @out has what it said
 * until then; @g must only be closed after that.
 * Return: NULL when it exited with 0; F_TIMEOUT; F_GUEST with its last words otherwise.
 */
struct fault *guest_capture(struct guest *g, const struct guest_capture *c, struct buf *out,
			    bool *timed_out) MUST_CHECK;

/* guest_report() - run the built-in @name and read the record that it prints.  F_GUEST, F_CORRUPT. */
struct fault *guest_report(struct guest *g, const char *name, const struct record_type *type,
			   int timeout_ms, void *out) MUST_CHECK;

#endif
