/* SPDX-License-Identifier: MIT */
/*
 * lease.h - which address belongs to which VM: leases/ip/<address>.
 *
 * An address is claimed by the exclusive creation of its file, complete, so any number of processes
 * may choose at the same time.  It stays the VM's until the VM is deleted.  A lease is stale when there
 * is no VM with its id and the process that claimed it has ended; a stale one is taken over under
 * locks/net.lock.
 */
#ifndef BANGER_STORE_LEASE_H
#define BANGER_STORE_LEASE_H

#include <stdint.h>

#include "store/store.h"

struct lease_range {
	uint32_t base;	  /* first address, host byte order */
	uint32_t size;	  /* how many */
	uint32_t gateway; /* never given away, nor are the first and the last */
};

/*
 * lease_claim() - an address for the VM @name with @id (32 hex digits).  @address: out, owned.
 * F_NO_SPACE when all are taken; F_CANCELLED; F_SYS.
 */
struct fault *lease_claim(const struct store *s, const struct lease_range *range, const char *id,
			  const char *name, char **address) MUST_CHECK;
/* lease_release() - give up @address if it is leased to @id.  Not leased is success. */
struct fault *lease_release(const struct store *s, const char *address, const char *id) MUST_CHECK;
/* lease_find() - the address of @id, owned; NULL when it has none. */
struct fault *lease_find(const struct store *s, const char *id, char **address) MUST_CHECK;

/* What `banger gc` looks at: one lease.  @id, @name: NULL when it cannot be read. */
struct lease_seen {
	char *address, *id, *name;
};
/* lease_list() - all of them; records of struct lease_seen, owned: lease_list_release().  F_SYS. */
struct fault *lease_list(const struct store *s, struct records *out) MUST_CHECK;
void lease_list_release(struct records *leases);
/* lease_is_stale() - is it surely nobody's?  Reads without a lock. */
bool lease_is_stale(const struct store *s, const char *address);
/* lease_remove_stale() - if it is so under locks/net.lock, too; *@removed tells.  F_BUSY, F_SYS. */
struct fault *lease_remove_stale(const struct store *s, const char *address, bool *removed) MUST_CHECK;

/* store_net_lock() - locks/net.lock: bridge, taps and packet filter. */
struct fault *store_net_lock(const struct store *s, const char *verb, struct lock *lock) MUST_CHECK;

#endif
