/* SPDX-License-Identifier: MIT */
/*
 * fetch.h - the layers of one image on their way from a registry through the blob cache to the
 * builder, which reads each while it is still being downloaded.
 *
 * A few threads download, in the order in which the layers will be read.  Every byte is hashed once:
 * by the thread that downloads it, or, when it was in the cache, by the reader.
 */
#ifndef BANGER_IMAGE_FETCH_H
#define BANGER_IMAGE_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/archive_reader.h"
#include "base/fault.h"
#include "base/progress.h"
#include "image/blob_cache.h"
#include "image/registry.h"

struct fetch;

struct fetch_layer {
	const char *hex;  /* SHA-256 of the layer as stored; borrowed */
	const char *what; /* for messages: "layer 2 of 'alpine'"; borrowed */
	uint64_t size;	  /* bytes as stored */
};

/*
 * fetch_start() - get @n layers, the one that is read first first.  All arguments are borrowed until
 * fetch_end().  @registry: NULL = only what is in the cache.
 */
struct fault *fetch_start(const struct blob_cache *cache, struct registry *registry,
			  const struct fetch_layer *layers, size_t n, struct progress *progress,
			  struct fetch **out) MUST_CHECK;

/* fetch_source() - layer @i for the builder, to be read once, from the beginning. */
struct archive_source fetch_source(struct fetch *f, size_t i);
/*
 * fetch_finish() - wait for the rest of layer @i and for the verdict on its digest.
 * Return: NULL; F_CORRUPT; F_CANCELLED also when a download failed: fetch_end() knows why.
 */
struct fault *fetch_finish(struct fetch *f, size_t i) MUST_CHECK;

/*
 * fetch_end() - stop what is under way, and free.
 * @first: the fault that led here, or NULL; stolen.  When a download failed, that is what made the
 * reader fail, and it takes its place.
 * *@damaged: something that had been in the cache before turned out to be wrong and was removed, so
 * that another try may succeed; looked for only after a fault.
 */
struct fault *fetch_end(struct fetch *f, struct fault *first, bool *damaged) MUST_CHECK;

#endif
