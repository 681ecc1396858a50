/* SPDX-License-Identifier: MIT */
/*
 * session.h - who is using a VM just now, and when it was used last.
 *
 * vms/<name>/session.lock is a flock target of its own: whoever works in a guest for a user (run, exec,
 * ssh, cp, forward, workspace) holds it shared for as long as that lasts, and its modification time is
 * when somebody began or ended such a session last.  What stops idle VMs takes it exclusively,
 * without waiting, and keeps it until the VM is down: a session that begins meanwhile waits, and then
 * finds a stopped VM; one that began before keeps the VM from being stopped.
 *
 * Order: the VM's lock first, then this one.  A session does not hold the VM's lock.
 */
#ifndef BANGER_STORE_SESSION_H
#define BANGER_STORE_SESSION_H

#include <stdbool.h>
#include <time.h>

#include "store/vm_store.h"

#define VM_SESSION_FILE "session.lock"

/*
 * session_begin() - note that a user uses the VM from now on.  Call it before the VM's process is looked
 * for; end with session_end().  @lock: out, to be held until the end; it goes with the process, too.
 * On a state directory that cannot be written nothing is noted and that is success.
 * Return: NULL; F_BUSY when the VM is being stopped for longer than @wait_ms; F_CANCELLED; F_SYS.
 */
struct fault *session_begin(const struct vm_dir *d, int wait_ms, struct lock *lock) MUST_CHECK;
/* session_end() - note the time and give the lock back; harmless when not held. */
void session_end(struct lock *lock);

#define AUTO_SESSION __attribute__((cleanup(session_end))) struct lock

/*
 * session_shut_out() - take the lock exclusively if nobody has a session, leaving the time alone.
 * *@got tells.  Give back with lock_drop().  The caller holds the VM's lock.
 */
struct fault *session_shut_out(const struct vm_dir *d, struct lock *lock, bool *got) MUST_CHECK;

/* session_is_open() - does anybody hold it just now?  For the watcher, not for observers: a session
 * that begins in this very moment has to try twice. */
bool session_is_open(const struct vm_dir *d);
/* session_stamp() - the same moment in nanoseconds: it differs after every session.  0 = never. */
uint64_t session_stamp(const struct vm_dir *d);
/* session_last() - when a session began or ended last; 0 = never. */
time_t session_last(const struct vm_dir *d);

#endif
