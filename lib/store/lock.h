/* SPDX-License-Identifier: MIT */
/*
 * lock.h - flock(2) on files of their own.
 *
 * Theory of operation.  A lock file is never renamed and holds one line about its last holder:
 * pid, verb and time, for messages only; the truth is the kernel's flock.  Descriptors are
 * O_CLOEXEC: no child can inherit a lock.  After the lock is granted the descriptor's inode is
 * compared with the path's, so that a file removed and made anew by somebody else is not taken for
 * held.  Taking order: VM locks sorted by name, then image, then kernel, then net.
 *
 * Waiting: one try without waiting; if it is held, the holder is told through the notice callback;
 * then tries until wait_ms is over, cancel_check() says stop, or it is ours.
 */
#ifndef BANGER_STORE_LOCK_H
#define BANGER_STORE_LOCK_H

#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"

enum lock_kind { LOCK_SHARED, LOCK_EXCLUSIVE };

struct lock {
	int fd; /* -1 = not held */
};
#define LOCK_INIT ((struct lock){ -1 })

struct lock_holder {
	pid_t pid;
	char verb[32];
	int64_t since; /* seconds since the epoch; 0 = unknown */
};

/*
 * lock_take() - take the lock file @name in @dir (created when absent, mode 0600).
 * @what: the object, for messages: "VM 'web'".  @verb: what for: "start".  @wait_ms: longest wait;
 * 0 = do not wait, -1 = for ever.
 * Return: NULL; F_BUSY naming the holder; F_NOT_FOUND when @dir has been removed; F_CANCELLED; F_SYS.
 */
struct fault *lock_take(int dir, const char *name, enum lock_kind kind, const char *what,
			const char *verb, int wait_ms, struct lock *lock) MUST_CHECK;
/* lock_drop() - give the lock back; harmless when not held. */
void lock_drop(struct lock *lock);

/* lock_holder() - what the lock file says about its last holder; false when nothing readable. */
_Bool lock_holder(int dir, const char *name, struct lock_holder *holder);

/* lock_set_notice() - called once per wait with a whole sentence; NULL = silent.  Set by cmd. */
void lock_set_notice(void (*notice)(const char *sentence));

#define AUTO_LOCK __attribute__((cleanup(lock_drop))) struct lock

#endif
