/* SPDX-License-Identifier: MIT */
/* unpack.h - decompressing a layer in a thread of its own, while its files are written. */
#ifndef BANGER_IMAGE_UNPACK_H
#define BANGER_IMAGE_UNPACK_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/archive_reader.h"
#include "image/builder.h"

struct unpack;

/*
 * unpack_open() - a source that yields @from decompressed, once: what comes out is not looked at
 * for another compression.  A stream that is not compressed is passed through without a thread.
 * @from, its context and @layer must live until unpack_close().  @layer: what must hold of it.
 * @budget: how many bytes may still come out of this and all later streams of the same image;
 * borrowed until unpack_close(), counted down.
 * Return: NULL; F_UNSUPPORTED a compression that @layer may not have; F_CORRUPT a plain layer whose
 * digest and diff_id differ; the source's own fault.
 *
 * Reading ends in F_CORRUPT when the budget is used up, or when a stream yields more than
 * UNPACK_FREE_BYTES and more than UNPACK_RATIO_MAX times what went in: gzip cannot do that, and
 * nobody else has a reason to.
 */
#define UNPACK_FREE_BYTES (UINT64_C(4) << 30)
#define UNPACK_RATIO_MAX  1100u
struct fault *unpack_open(const struct archive_source *from, const struct image_layer *layer,
			  uint64_t *budget, struct unpack **out) MUST_CHECK;
/* What to read from; its context is the unpack. */
struct archive_source unpack_source(struct unpack *u);
/*
 * unpack_check() - read what is left and compare with the layer's diff_id; nothing is done when
 * that is unknown, or when the layer is plain: then its digest is its diff_id.  F_CORRUPT.
 */
struct fault *unpack_check(struct unpack *u) MUST_CHECK;
/* unpack_close() - stop the thread and wait for it; NULL allowed. */
void unpack_close(struct unpack *u);

/* A descriptor as a source.  Waiting for data ends at cancellation and when `stop` is set. */
struct fd_source {
	int fd; /* borrowed */
	const char *what;
	char *memory;	  /* owned */
	atomic_bool stop; /* set before unpack_close() */
};
struct fault *fd_source_read(void *context, const void **data, size_t *len) MUST_CHECK;
void fd_source_release(struct fd_source *s);

#endif
