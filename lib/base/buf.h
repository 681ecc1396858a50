/* SPDX-License-Identifier: MIT */
/*
 * buf.h - a growing byte buffer that is always followed by a NUL byte.
 *
 * Start with BUF_INIT; `data` is never NULL to read (it points at an empty string until the first
 * byte is added).  Release with buf_release() or declare with AUTO_BUF.
 */
#ifndef BANGER_BASE_BUF_H
#define BANGER_BASE_BUF_H

#include "base/mem.h"

struct buf {
	char *data;  /* len bytes and a NUL; owned */
	size_t len;  /* bytes in use */
	size_t room; /* bytes allocated, 0 while data is the shared empty string */
};

extern char buf_empty[1];
#define BUF_INIT ((struct buf){ buf_empty, 0, 0 })

void buf_init(struct buf *b);
void buf_release(struct buf *b);
/* buf_clear() - forget the content, keep the memory. */
void buf_clear(struct buf *b);
/* buf_grow() - make sure that @extra more bytes fit; returns where they go (data + len). */
char *buf_grow(struct buf *b, size_t extra);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *text);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/* buf_drop() - remove the first @len bytes (at most all of them). */
void buf_drop(struct buf *b, size_t len);
/* buf_steal() - the content as a malloc'ed, NUL-terminated block owned by the caller. */
char *buf_steal(struct buf *b);

#define AUTO_BUF __attribute__((cleanup(buf_release))) struct buf

#endif
