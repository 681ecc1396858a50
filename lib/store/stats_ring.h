/* SPDX-License-Identifier: MIT */
/*
 * stats_ring.h - vms/<name>/stats.bin: what the watcher saw of a VM, in a file that does not grow for
 * ever.
 *
 * A head of 256 bytes and then STATS_RING_SLOTS samples of 64, each with a checksum; the sample number
 * n is in slot n mod STATS_RING_SLOTS.  The slot is written before the head that counts it.  Whatever
 * is torn, short, of another version or of another machine's byte order counts as not there: nothing is
 * lost but samples, and a head that is lost only means that idleness is watched anew.
 *
 * One writer: the holder of the watcher's lock (watch_lock()).  Readers take no lock.
 */
#ifndef BANGER_STORE_STATS_RING_H
#define BANGER_STORE_STATS_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "store/vm_store.h"

#define VM_STATS_FILE	 "stats.bin"
#define STATS_RING_SLOTS 4096

struct stats_sample {
	int64_t wall_ms;      /* since the epoch */
	uint64_t process;     /* start ticks << 22 | pid of the VMM: two may start in one tick */
	uint64_t cpu_ms, rss_bytes, io_bytes, net_bytes;
	uint64_t disk_bytes; /* allocated for root and work disk */
};

struct stats_head {
	uint64_t count;	      /* samples ever added */
	uint64_t boot;	      /* hash of the boot id: what follows is of this boot only */
	int64_t since_ms;     /* monotonic: since when this process of the VMM is watched */
	int64_t active_ms;    /* monotonic: when the VM was last seen busy or in use */
	int64_t last_ms;      /* monotonic: of `last` */
	int64_t touched_s;    /* wall: session_last() at `last` */
	struct stats_sample last;
};

/* stats_ring_head() - false, and a zero *@head, when there is none that can be used. */
bool stats_ring_head(const struct vm_dir *d, struct stats_head *head);

/*
 * stats_ring_add() - write @head->last as a sample and then the head, whose count is increased.
 * Not synced: it means nothing after a crash of the host.  F_SYS, F_NO_SPACE.
 */
struct fault *stats_ring_add(const struct vm_dir *d, struct stats_head *head) MUST_CHECK;

/* stats_ring_read() - the samples since @from_ms (wall), oldest first.  @out: records of struct
 * stats_sample, free(out->v).  F_SYS; a missing file is an empty list. */
struct fault *stats_ring_read(const struct vm_dir *d, int64_t from_ms, struct records *out) MUST_CHECK;

/*
 * watch_lock() - be the one who watches.  @wait_ms as in lock_take().  F_BUSY when there is one.
 */
struct fault *watch_lock(const struct store *s, int wait_ms, struct lock *lock) MUST_CHECK;

#endif
