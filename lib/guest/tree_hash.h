/* SPDX-License-Identifier: MIT */
/* tree_hash.h - what git calls a blob's name: SHA-1 of "blob <size>", a NUL and the content.  It tells
 * changed files from unchanged ones; nothing is trusted because of it. */
#ifndef BANGER_GUEST_TREE_HASH_H
#define BANGER_GUEST_TREE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

#define TREE_OID_HEX 40

struct tree_hash {
	uint32_t state[5];
	uint64_t len;
	unsigned char block[64];
};

/* @size: of the whole content; so many bytes must follow. */
void tree_hash_start(struct tree_hash *h, uint64_t size);
void tree_hash_add(struct tree_hash *h, const void *data, size_t len);
void tree_hash_finish(struct tree_hash *h, char hex[static TREE_OID_HEX + 1]);

/* tree_hash_fd() - of @size bytes that @fd gives from its start; F_STATE when it has fewer. */
struct fault *tree_hash_fd(int fd, uint64_t size, const char *name,
			   char hex[static TREE_OID_HEX + 1]) MUST_CHECK;

#endif
