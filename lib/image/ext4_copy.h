/* SPDX-License-Identifier: MIT */
/* ext4_copy.h - taking over a file that is an ext4 file system already. */
#ifndef BANGER_IMAGE_EXT4_COPY_H
#define BANGER_IMAGE_EXT4_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/progress.h"

struct ext4_facts {
	uint64_t size_bytes; /* of the file system */
	uint64_t used_bytes;
	uint64_t inodes; /* in use */
};

/* ext4_is() - does a file that starts with these bytes look like ext2, ext3 or ext4? */
bool ext4_is(const void *head, size_t len);

/*
 * ext4_check() - is what is in @fd, from its beginning, a whole and cleanly unmounted file system?
 * @what: it in messages.  Return: F_CORRUPT, F_UNSUPPORTED as ext4_copy(); F_SYS.
 */
struct fault *ext4_check(int fd, const char *what, struct ext4_facts *facts) MUST_CHECK;

/*
 * ext4_copy() - check the superblock of @from and copy the file system to @to (empty): by reflink
 * where the file system can, else data only, holes kept.  @what: @from in messages.
 * Return: F_CORRUPT damaged or truncated; F_UNSUPPORTED a feature that kernels do not mount, or it
 * was not unmounted cleanly; F_NO_SPACE; F_CANCELLED; F_SYS.
 */
struct fault *ext4_copy(int from, int to, const char *what, struct progress *progress,
			struct ext4_facts *facts) MUST_CHECK;

#endif
