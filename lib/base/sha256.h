/* SPDX-License-Identifier: MIT */
/* sha256.h - SHA-256 digests (libcrypto). */
#ifndef BANGER_BASE_SHA256_H
#define BANGER_BASE_SHA256_H

#include <stdint.h>

#include "base/fault.h"

#define SHA256_HEX_LEN 64

struct sha256;

struct sha256 *sha256_new(void);
void sha256_update(struct sha256 *h, const void *data, size_t len);
/* sha256_finish() - write 64 hex digits and a NUL, and free @h (stolen). */
void sha256_finish(struct sha256 *h, char hex[static SHA256_HEX_LEN + 1]);
/* sha256_free() - drop an unfinished one; NULL allowed. */
void sha256_free(struct sha256 *h);
/* sha256_fd() - digest of everything from @fd's current offset to its end. */
struct fault *sha256_fd(int fd, const char *what, char hex[static SHA256_HEX_LEN + 1]) MUST_CHECK;
/* sha256_is_hex() - is @text exactly 64 lower-case hex digits? */
_Bool sha256_is_hex(const char *text);

/* The version of libcrypto: "3.0.17".  Static. */
const char *sha256_library(void);

#endif
