/* SPDX-License-Identifier: MIT */
/* tar_build.h - making tar archives in memory, hostile ones included. */
#ifndef BANGER_TESTS_TAR_BUILD_H
#define BANGER_TESTS_TAR_BUILD_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/archive_reader.h"
#include "base/buf.h"

static inline void tar_octal(char *field, size_t width, uint64_t value)
{
	for (size_t i = width - 1; i-- > 0; value >>= 3)
		field[i] = (char)('0' + (value & 7));
}

struct tar_entry {
	const char *name, *link;
	char type;
	unsigned int mode, major, minor;
	uint64_t size;
};

/* One ustar header block; the fields that the tests do not care about are fixed. */
static inline void tar_header(struct buf *tar, const struct tar_entry *e)
{
	char h[512] = {0};
	unsigned int sum = 0;

	memcpy(h, e->name, strnlen(e->name, 100));
	tar_octal(h + 100, 8, e->mode ? e->mode : 0644);
	tar_octal(h + 108, 8, 0);
	tar_octal(h + 116, 8, 0);
	tar_octal(h + 124, 12, e->size);
	tar_octal(h + 136, 12, 1000);
	memset(h + 148, ' ', 8);
	h[156] = e->type;
	if (e->link)
		memcpy(h + 157, e->link, strnlen(e->link, 100));
	memcpy(h + 257, "ustar\00000", 8);
	tar_octal(h + 329, 8, e->major);
	tar_octal(h + 337, 8, e->minor);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	buf_add(tar, h, sizeof(h));
}

static inline void tar_add(struct buf *tar, const char *name, char type, const char *link)
{
	const struct tar_entry e = {
		.name = name, .type = type, .link = link, .mode = type == '5' ? 0755 : 0644};

	tar_header(tar, &e);
}

static inline void tar_pad(struct buf *tar)
{
	while (tar->len % 512)
		buf_addc(tar, 0);
}

static inline void tar_file(struct buf *tar, const char *name, const void *data, size_t len)
{
	const struct tar_entry e = {.name = name, .type = '0', .size = len};

	tar_header(tar, &e);
	buf_add(tar, data, len);
	tar_pad(tar);
}

static inline void pax_record(struct buf *body, const char *key, const void *value, size_t len)
{
	size_t rest = strlen(key) + len + 3; /* blank, '=', newline */
	size_t total = rest + 1;
	char number[24];

	while (rest + (size_t)snprintf(number, sizeof(number), "%zu", total) != total)
		total = rest + strlen(number);
	buf_addf(body, "%zu %s=", total, key);
	buf_add(body, value, len);
	buf_addc(body, '\n');
}

static inline void tar_pax(struct buf *tar, const struct buf *body)
{
	const struct tar_entry e = {.name = "pax", .type = 'x', .size = body->len};

	tar_header(tar, &e);
	buf_add(tar, body->data, body->len);
	tar_pad(tar);
}

static inline void tar_end(struct buf *tar)
{
	char zero[1024] = {0};

	buf_add(tar, zero, sizeof(zero));
}

/* A buffer as a source of bytes, handed out in pieces of @step. */
struct memory {
	const struct buf *bytes;
	size_t at, step;
};

static inline struct fault *read_memory(void *context, const void **data, size_t *len)
{
	struct memory *m = context;

	*data = m->bytes->data + m->at;
	*len = m->bytes->len - m->at < m->step ? m->bytes->len - m->at : m->step;
	m->at += *len;
	return NULL;
}

#endif
