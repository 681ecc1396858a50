/* SPDX-License-Identifier: MIT */
/*
 * blob.h - streams of bytes for the image builder: files, parts of files and pipes, hashed while
 * they pass, with progress and cancellation.
 */
#ifndef BANGER_IMAGE_BLOB_H
#define BANGER_IMAGE_BLOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/archive_reader.h"
#include "base/fault.h"
#include "base/progress.h"
#include "image/vault.h"

struct blob;

/*
 * blob_of_part() - the bytes of @part (stolen).  @hex: the SHA-256 they must have, NULL = unknown.
 * @what: for messages, copied: "layer 2 of 'app.tar'".  @progress: borrowed, told about bytes.
 */
struct blob *blob_of_part(struct vault_part *part, const char *hex, const char *what,
			  struct progress *progress);
/*
 * blob_of_stream() - what can be read from @fd (borrowed) until its end.  @total: bytes expected,
 * for progress; 0 = unknown.
 */
struct blob *blob_of_stream(int fd, uint64_t total, const char *what, struct progress *progress);

/* What to hand to archive_reader_open() or the builder; valid as long as the blob. */
struct archive_source blob_source(struct blob *b);

/*
 * blob_rewind() - from the beginning again, after at most BLOB_REWIND_MAX bytes were read; for
 * finding out what a stream holds.  Works once on streams.  F_CORRUPT when more were needed.
 */
#define BLOB_REWIND_MAX (8u << 20)
struct fault *blob_rewind(struct blob *b) MUST_CHECK;

/*
 * blob_finish() - read what is left (an archive may end before its stream does) and check length
 * and digest.  Return: NULL; F_CORRUPT when either differs; F_CANCELLED; F_SYS.
 */
struct fault *blob_finish(struct blob *b) MUST_CHECK;
void blob_free(struct blob *b);

static inline void blob_cleanup(struct blob **b)
{
	blob_free(*b);
}
#define AUTO_BLOB __attribute__((cleanup(blob_cleanup))) struct blob *

#endif
