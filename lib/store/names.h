/* SPDX-License-Identifier: MIT */
/*
 * names.h - which address each VM has, for everybody on the host: what libnss_banger.so.2 reads.
 *
 * names/<name> holds the VM's IPv4 address and names/<address> its name, one line each.  No label has
 * a dot, so the two never meet.  Everybody may read them and nobody may list them; the state directory
 * becomes passable for that (mode 0711), what else is in it stays private.  An address leads back to
 * a name only as long as that name leads to the address, so that a stale file is worth nothing.
 */
#ifndef BANGER_STORE_NAMES_H
#define BANGER_STORE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "store/name.h"
#include "store/store.h"

/*
 * names_publish() - VM @name has @address ("172.30.0.5") from now on; again is fine.  Volatile: made
 * anew at every start.  Caller holds the VM's lock.  F_INVALID for what is no label or no address;
 * F_SYS, F_NO_SPACE.
 */
struct fault *names_publish(const struct store *s, const char *name,
			    const char *address) MUST_CHECK;
/*
 * names_withdraw() - VM @name has no address any more.  Not there is success.  A name that another
 * VM has by now cannot be meant: the caller holds the VM's lock.
 */
struct fault *names_withdraw(const struct store *s, const char *name) MUST_CHECK;

/*
 * names_address(), names_name() - the address of VM @name, and the VM that has @address (host byte order).
 * False when there is none, or it cannot be told.  From any thread.
 */
bool names_address(const struct store *s, const char *name, uint32_t *address);
bool names_name(const struct store *s, uint32_t address, char name[VM_NAME_MAX + 1]);
/* names_list() - the names of VMs that have been published, sorted.  @out: owned.  F_SYS. */
struct fault *names_list(const struct store *s, struct strings *out) MUST_CHECK;

/* names_peers_lock() - make the list of peers' names and send it to guests.  As lock_take(). */
struct fault *names_peers_lock(const struct store *s, int wait_ms, struct lock *lock) MUST_CHECK;

/* names_path() - the directory, there or not.  Owned. */
char *names_path(const struct store *s);

#endif
