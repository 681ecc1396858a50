/* SPDX-License-Identifier: MIT */
/* prune.h - giving disk space back: images that no VM uses, and what the cache holds. */
#ifndef BANGER_IMAGE_PRUNE_H
#define BANGER_IMAGE_PRUNE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"
#include "store/store.h"

struct prune_image {
	char *name;
	uint64_t disk_bytes; /* what it takes on the host's disk */
};

extern const struct record_type prune_image_type;

struct prune_blobs {
	uint64_t blobs; /* files */
	uint64_t bytes; /* on the host's disk */
};

/*
 * prune_images_find() - the images that no VM uses, by name.  Takes no lock.
 * @out: records of struct prune_image; release with prune_images_release().
 */
struct fault *prune_images_find(const struct store *s, struct records *out) MUST_CHECK;
void prune_images_release(struct records *list);

/*
 * prune_blobs() - remove what was fetched from registries and no remaining image is made of any
 * more; what a download under way holds is left alone.
 * @doomed: records of struct prune_image that count as gone already; NULL: every blob is removed.
 * @dry_run: only count.
 * A pull at the same time loses nothing: it fetches again what it no longer finds.
 */
struct fault *prune_blobs(const struct store *s, const struct records *doomed, bool dry_run,
			  struct prune_blobs *out) MUST_CHECK;

#endif
