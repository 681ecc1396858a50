/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdint.h>
#include <string.h>

char buf_empty[1];

void buf_init(struct buf *b)
{
	*b = BUF_INIT;
}

void buf_release(struct buf *b)
{
	if (b->room)
		free(b->data);
	buf_init(b);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->room)
		b->data[0] = '\0';
}

char *buf_grow(struct buf *b, size_t extra)
{
	size_t need;

	if (__builtin_add_overflow(b->len, extra, &need) || __builtin_add_overflow(need, 1, &need))
		abort();
	if (need > b->room) {
		/* At least twice as much as before: many small pieces are copied only a few times. */
		size_t room = b->room < 32 ? 64 : b->room > SIZE_MAX / 2 ? need : b->room * 2;

		if (room < need)
			room = need;
		b->data = xrealloc_array(b->room ? b->data : NULL, room, 1);
		b->room = room;
		b->data[b->len] = '\0';
	}
	return b->data + b->len;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (!len)
		return;
	memcpy(buf_grow(b, len), data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	buf_adds(b, text);
}

void buf_drop(struct buf *b, size_t len)
{
	if (len >= b->len) {
		buf_clear(b);
		return;
	}
	memmove(b->data, b->data + len, b->len - len + 1);
	b->len -= len;
}

char *buf_steal(struct buf *b)
{
	char *data = b->room ? b->data : xstrdup("");

	buf_init(b);
	return data;
}
