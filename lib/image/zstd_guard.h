/* SPDX-License-Identifier: MIT */
/*
 * zstd_guard.h - looks at a zstd stream on its way to the decompressor, which would allocate
 * whatever window each frame asks for.
 */
#ifndef BANGER_IMAGE_ZSTD_GUARD_H
#define BANGER_IMAGE_ZSTD_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

/* The largest window that no special option of any usual compressor exceeds. */
#define ZSTD_WINDOW_MAX (UINT64_C(32) << 20)

struct zstd_guard {
	unsigned int part; /* what is collected in bytes[] */
	uint8_t bytes[16];
	size_t have, need;
	uint64_t skip; /* bytes of the stream that say nothing */
	bool checksum; /* of the frame under way */
};

void zstd_guard_init(struct zstd_guard *g);
/*
 * zstd_guard_look() - the next @len bytes of the stream, in order from its beginning.
 * Return: NULL; F_UNSUPPORTED a frame of any place in the stream needs a larger window than
 * ZSTD_WINDOW_MAX; F_CORRUPT what is no zstd stream.  @what: for messages.
 */
struct fault *zstd_guard_look(struct zstd_guard *g, const void *data, size_t len,
			      const char *what) MUST_CHECK;

#endif
