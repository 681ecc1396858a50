/* SPDX-License-Identifier: MIT */
/*
 * blob_cache.h - what was fetched from registries, by its digest.
 *
 *	cache/oci/blobs/sha256/<hex>	a blob that had this digest when it was put there
 *	cache/oci/downloads/<hex>	a download under way, or what a killed one left
 *	cache/oci/downloads/<hex>.lock	held by who downloads the blob; removed afterwards
 *	cache/oci/references/<hex>	which manifest a reference meant when it was last asked for, by
 *					the SHA-256 of the reference
 *
 * Nothing is synced to disk and nothing is believed: whoever uses a blob hashes it on the way.  A
 * download is only ever continued after all that is there was hashed again.
 */
#ifndef BANGER_IMAGE_BLOB_CACHE_H
#define BANGER_IMAGE_BLOB_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "store/store.h"

struct blob_cache {
	int blobs, downloads, references; /* directories, owned */
};
#define BLOB_CACHE_INIT ((struct blob_cache){-1, -1, -1})

struct fault *blob_cache_open(const struct store *s, struct blob_cache *out) MUST_CHECK;
void blob_cache_release(struct blob_cache *c);

/* blob_cache_find() - open blob @hex of @size bytes.  -1 when it is not there (or of another size). */
int blob_cache_find(const struct blob_cache *c, const char *hex, uint64_t size);
/* blob_cache_drop_bad() - hash blob @hex and remove it when it is not what it should be. */
struct fault *blob_cache_drop_bad(const struct blob_cache *c, const char *hex,
				  bool *dropped) MUST_CHECK;

/* Small documents.  blob_cache_read() appends a document that was checked against @hex; *@there is
 * false when there is none that fits. */
struct fault *blob_cache_read(const struct blob_cache *c, const char *hex, size_t max,
			      struct buf *out, bool *there) MUST_CHECK;
struct fault *blob_cache_put(const struct blob_cache *c, const char *hex,
			     const struct buf *text) MUST_CHECK;

/* blob_cache_lock() - the right to download blob @hex, without waiting: F_BUSY when somebody has
 * it.  blob_cache_unlock() removes the lock's file as well. */
struct fault *blob_cache_lock(const struct blob_cache *c, const char *hex,
			      struct lock *lock) MUST_CHECK;
void blob_cache_unlock(const struct blob_cache *c, const char *hex, struct lock *lock);

/* The download of @hex, by the holder of its lock.  blob_part_open(): @fd for reading and writing,
 * owned.  blob_part_publish(): its content has been hashed and is right. */
struct fault *blob_part_open(const struct blob_cache *c, const char *hex, int *fd) MUST_CHECK;
struct fault *blob_part_publish(const struct blob_cache *c, const char *hex) MUST_CHECK;
void blob_part_discard(const struct blob_cache *c, const char *hex);

/* Which manifest a reference meant.  blob_cache_recall(): *@digest is owned, NULL when unknown. */
struct fault *blob_cache_remember(const struct blob_cache *c, const char *reference,
				  const char *digest) MUST_CHECK;
struct fault *blob_cache_recall(const struct blob_cache *c, const char *reference,
				char **digest) MUST_CHECK;

#define AUTO_BLOB_CACHE __attribute__((cleanup(blob_cache_release))) struct blob_cache

#endif
