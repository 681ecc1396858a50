/* SPDX-License-Identifier: MIT */
/* tree_hash.c - SHA-1 (FIPS 180-4): the agent has no libcrypto. */
#include "guest/tree_hash.h"

#include <errno.h>
#include <string.h>

static uint32_t rol(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

static void expand(const unsigned char *block, uint32_t w[80])
{
	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
		       (uint32_t)block[4 * i + 2] << 8 | (uint32_t)block[4 * i + 3];
	for (int i = 16; i < 80; i++)
		w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
}

static void compress(uint32_t state[5], const unsigned char *block)
{
	static const uint32_t k[4] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], w[80];

	expand(block, w);
	for (int i = 0; i < 80; i++) {
		uint32_t f = i < 20   ? (b & c) | (~b & d)
			     : i < 40 ? b ^ c ^ d
			     : i < 60 ? (b & c) | (b & d) | (c & d)
				      : b ^ c ^ d;
		uint32_t next = rol(a, 5) + f + e + k[i / 20] + w[i];

		e = d;
		d = c;
		c = rol(b, 30);
		b = a;
		a = next;
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
}

void tree_hash_start(struct tree_hash *h, uint64_t size)
{
	char head[32];
	int len = snprintf(head, sizeof(head), "blob %llu", (unsigned long long)size);

	*h = (struct tree_hash){ .state = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
					    0xc3d2e1f0 } };
	tree_hash_add(h, head, (size_t)len + 1);
}

void tree_hash_add(struct tree_hash *h, const void *data, size_t len)
{
	const unsigned char *at = data;

	while (len) {
		size_t have = h->len % 64, n = 64 - have < len ? 64 - have : len;

		memcpy(h->block + have, at, n);
		h->len += n;
		at += n;
		len -= n;
		if (have + n == 64)
			compress(h->state, h->block);
	}
}

void tree_hash_finish(struct tree_hash *h, char hex[static TREE_OID_HEX + 1])
{
	static const unsigned char pad[64] = { 0x80 };
	uint64_t bits = h->len * 8;
	unsigned char end[8];

	tree_hash_add(h, pad, 1 + (119 - h->len % 64) % 64);
	for (int i = 0; i < 8; i++)
		end[i] = (unsigned char)(bits >> (56 - 8 * i));
	tree_hash_add(h, end, sizeof(end));
	for (size_t i = 0; i < 5; i++)
		snprintf(hex + 8 * i, 9, "%08x", (unsigned int)h->state[i]);
}

struct fault *tree_hash_fd(int fd, uint64_t size, const char *name,
			   char hex[static TREE_OID_HEX + 1])
{
	struct tree_hash h;
	char data[65536];

	tree_hash_start(&h, size);
	for (uint64_t at = 0; at < size;) {
		size_t want = size - at < sizeof(data) ? (size_t)(size - at) : sizeof(data);
		ssize_t n = pread(fd, data, want, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "reading '%s'", name);
		if (!n)
			return fault_new(F_STATE, "'%s' became shorter while it was read", name);
		tree_hash_add(&h, data, (size_t)n);
		at += (uint64_t)n;
	}
	tree_hash_finish(&h, hex);
	return NULL;
}
