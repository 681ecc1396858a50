/* SPDX-License-Identifier: MIT */
#include "disk/sparse.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/sha256.h"

#define BLOCK FILE_SPARSE_BLOCK
#define CHUNK (1u << 20)

struct scan {
	int fd;
	const char *what;
	struct fault *(*run)(void *context, uint64_t offset, const void *data, size_t len);
	void *context;
	char *chunk; /* CHUNK bytes */
};

/* The runs in the @n bytes of the chunk, which begin at @at. */
static struct fault *chunk_runs(const struct scan *s, uint64_t at, size_t n)
{
	size_t start = 0, i = 0;

	while (i < n) {
		size_t len = n - i < BLOCK ? n - i : BLOCK;

		if (file_is_zero(s->chunk + i, len)) {
			if (start < i)
				TRY(s->run(s->context, at + start, s->chunk + start, i - start));
			start = i + len;
		}
		i += len;
	}
	return start < n ? s->run(s->context, at + start, s->chunk + start, n - start) : NULL;
}

/* @at: a multiple of the block size. */
static struct fault *range_runs(const struct scan *s, uint64_t at, uint64_t end)
{
	while (at < end) {
		size_t want = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
		size_t have = 0;

		TRY(cancel_check());
		while (have < want) {
			ssize_t n = pread(s->fd, s->chunk + have, want - have, (off_t)(at + have));

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return fault_sys(F_SYS, "reading %s", s->what);
			if (!n)
				return fault_new(F_CORRUPT, "%s became shorter while it was read",
						 s->what);
			have += (size_t)n;
		}
		TRY(chunk_runs(s, at, have));
		at += have;
	}
	return NULL;
}

static struct fault *scan_file(const struct scan *s)
{
	struct stat st;
	uint64_t at = 0;

	if (fstat(s->fd, &st) < 0)
		return fault_sys(F_SYS, "reading %s", s->what);
	while (at < (uint64_t)st.st_size) {
		off_t data = lseek(s->fd, (off_t)at, SEEK_DATA);
		off_t hole;

		if (data < 0 && errno == ENXIO)
			return NULL; /* nothing but a hole up to the end */
		hole = data < 0 ? -1 : lseek(s->fd, data, SEEK_HOLE);
		if (data < 0 || hole < 0)
			return fault_sys(F_SYS, "reading %s", s->what);
		/* The host's blocks may be smaller than ours. */
		data = data / BLOCK * BLOCK;
		if ((uint64_t)data > at)
			at = (uint64_t)data;
		hole = (hole + BLOCK - 1) / BLOCK * BLOCK;
		if (hole > st.st_size)
			hole = st.st_size;
		TRY(range_runs(s, at, (uint64_t)hole));
		at = (uint64_t)hole;
	}
	return NULL;
}

struct fault *sparse_runs(int fd, const char *what,
			  struct fault *(*run)(void *context, uint64_t offset, const void *data,
					       size_t len),
			  void *context)
{
	AUTO_FREE char *chunk = xmalloc(CHUNK);
	struct scan s = {fd, what, run, context, chunk};

	return scan_file(&s);
}

static void hash_number(struct sha256 *h, uint64_t number)
{
	uint64_t le = htole64(number);

	sha256_update(h, &le, sizeof(le));
}

static struct fault *hash_run(void *context, uint64_t offset, const void *data, size_t len)
{
	for (size_t i = 0; i < len; i += BLOCK) {
		hash_number(context, (offset + i) / BLOCK);
		sha256_update(context, (const char *)data + i, len - i < BLOCK ? len - i : BLOCK);
	}
	return NULL;
}

struct fault *sparse_digest(int fd, const char *what, char **digest)
{
	char hex[SHA256_HEX_LEN + 1];
	struct sha256 *h;
	struct stat st;
	struct fault *f;

	if (fstat(fd, &st) < 0)
		return fault_sys(F_SYS, "reading %s", what);
	h = sha256_new();
	hash_number(h, (uint64_t)st.st_size);
	f = sparse_runs(fd, what, hash_run, h);
	if (f) {
		sha256_free(h);
		return f;
	}
	sha256_finish(h, hex);
	*digest = xasprintf(SPARSE_DIGEST_PREFIX "%s", hex);
	return NULL;
}
