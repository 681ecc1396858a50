/* SPDX-License-Identifier: MIT */
/*
 * cancel.h - SIGINT, SIGTERM and SIGHUP as faults.
 *
 * The handlers only note the signal; whoever waits polls cancel_fd() or calls cancel_check() at a
 * safe point and gets an F_CANCELLED fault, so that undo runs.  While undoing, cancellation is held
 * off with cancel_hold(): clean-up is never interrupted half way.
 */
#ifndef BANGER_BASE_CANCEL_H
#define BANGER_BASE_CANCEL_H

#include "base/fault.h"

/* cancel_install() - install the handlers.  Call once, from main, before threads start. */
void cancel_install(void);
/* The first signal that arrived, 0 when none did. */
int cancel_signal(void);
/* Readable as soon as a signal has arrived; -1 before cancel_install().  Borrowed. */
int cancel_fd(void);
/* F_CANCELLED when a signal has arrived and cancellation is not held off. */
struct fault *cancel_check(void) MUST_CHECK;
/* Nestable: between hold and release, cancel_check() is NULL and cancel_fd() is -1. */
void cancel_hold(void);
void cancel_release(void);

#endif
