/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  RFC 8878: a stream is frames, one after the other.  Each has a magic
 * number, a header that says how much of what was unpacked must be kept (the window), blocks with
 * their sizes in front, and perhaps a checksum.  Only headers are collected; the rest is counted.
 */
#include "image/zstd_guard.h"

#include "base/text.h"

#define MAGIC		0xfd2fb528u
#define SKIPPABLE	0x184d2a50u
#define SKIPPABLE_MASK	0xfffffff0u
#define CHECKSUM_BYTES	4
#define BLOCK_REPEATED	1u
#define BLOCK_RESERVED	3u
#define BLOCK_HEAD	3
#define WINDOW_LOG_MIN	10

enum part { PART_MAGIC, PART_SKIPPABLE, PART_DESCRIPTOR, PART_HEADER, PART_BLOCK };

static uint64_t le(const uint8_t *bytes, size_t n)
{
	uint64_t value = 0;

	while (n--)
		value = value << 8 | bytes[n];
	return value;
}

static void collect(struct zstd_guard *g, enum part part, size_t need)
{
	g->part = part;
	g->have = 0;
	g->need = need;
}

void zstd_guard_init(struct zstd_guard *g)
{
	*g = (struct zstd_guard){0};
	collect(g, PART_MAGIC, 4);
}

static struct fault *see_magic(struct zstd_guard *g, const char *what)
{
	uint32_t magic = (uint32_t)le(g->bytes, 4);

	if (magic == MAGIC)
		collect(g, PART_DESCRIPTOR, 1);
	else if ((magic & SKIPPABLE_MASK) == SKIPPABLE)
		collect(g, PART_SKIPPABLE, 4);
	else
		return fault_new(F_CORRUPT, "%s has something else where a zstd frame should begin",
				 what);
	return NULL;
}

static size_t content_size_bytes(uint8_t descriptor)
{
	bool single = descriptor >> 5 & 1;
	unsigned int flag = descriptor >> 6;

	return flag ? (size_t)1 << flag : single;
}

/* The descriptor tells how long the rest of the header is. */
static void see_descriptor(struct zstd_guard *g)
{
	static const uint8_t dictionary_bytes[] = {0, 1, 2, 4};
	uint8_t d = g->bytes[0];

	g->checksum = d >> 2 & 1;
	g->part = PART_HEADER;
	g->need += !(d >> 5 & 1) + dictionary_bytes[d & 3] + content_size_bytes(d);
}

static uint64_t window_of(const struct zstd_guard *g)
{
	size_t n = content_size_bytes(g->bytes[0]);
	uint64_t base;

	if (g->bytes[0] >> 5 & 1) /* a single segment: all of the content is kept */
		return le(g->bytes + g->need - n, n) + (n == 2 ? 256 : 0);
	base = UINT64_C(1) << (WINDOW_LOG_MIN + (g->bytes[1] >> 3));
	return base + base / 8 * (g->bytes[1] & 7);
}

static struct fault *see_header(struct zstd_guard *g, const char *what)
{
	AUTO_FREE char *asked = text_size(window_of(g)), *most = text_size(ZSTD_WINDOW_MAX);

	if (window_of(g) <= ZSTD_WINDOW_MAX) {
		collect(g, PART_BLOCK, BLOCK_HEAD);
		return NULL;
	}
	return fault_hint(fault_new(F_UNSUPPORTED,
				    "%s was compressed by zstd with a window of %s, and at most %s "
				    "of memory are spent on one", what, asked, most),
			  "Whoever makes the image can leave out zstd's options --long and "
			  "--ultra. To use it as it is, copy it to an OCI layout with skopeo and "
			  "use banger image import.");
}

static struct fault *see_block(struct zstd_guard *g, const char *what)
{
	uint32_t head = (uint32_t)le(g->bytes, BLOCK_HEAD);
	unsigned int type = head >> 1 & 3;

	if (type == BLOCK_RESERVED)
		return fault_new(F_CORRUPT, "%s has a zstd block of an unknown kind", what);
	g->skip = type == BLOCK_REPEATED ? 1 : head >> 3;
	if (!(head & 1)) {
		collect(g, PART_BLOCK, BLOCK_HEAD);
		return NULL;
	}
	g->skip += g->checksum ? CHECKSUM_BYTES : 0;
	collect(g, PART_MAGIC, 4);
	return NULL;
}

static struct fault *see(struct zstd_guard *g, const char *what)
{
	switch ((enum part)g->part) {
	case PART_MAGIC:
		return see_magic(g, what);
	case PART_SKIPPABLE:
		g->skip = le(g->bytes, 4);
		collect(g, PART_MAGIC, 4);
		break;
	case PART_DESCRIPTOR:
		see_descriptor(g);
		break;
	case PART_HEADER:
		return see_header(g, what);
	case PART_BLOCK:
		return see_block(g, what);
	}
	return NULL;
}

struct fault *zstd_guard_look(struct zstd_guard *g, const void *data, size_t len, const char *what)
{
	const uint8_t *p = data;

	while (len) {
		if (g->skip) {
			size_t n = g->skip < len ? (size_t)g->skip : len;

			g->skip -= n;
			p += n;
			len -= n;
			continue;
		}
		g->bytes[g->have++] = *p++;
		len--;
		if (g->have == g->need)
			TRY(see(g, what));
	}
	return NULL;
}
