/* SPDX-License-Identifier: MIT */
/* base64.h - RFC 4648, section 4, both ways. */
#ifndef BANGER_BASE_BASE64_H
#define BANGER_BASE_BASE64_H

#include <stdbool.h>

#include "base/buf.h"

/* base64_encode() - append @len bytes at @data, padded, on one line. */
void base64_encode(const void *data, size_t len, struct buf *out);
/* base64_decode() - append the bytes that @text means; false when it is not base64. */
bool base64_decode(const char *text, struct buf *out);

#endif
