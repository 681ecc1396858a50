/* SPDX-License-Identifier: MIT */
#include "image/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/sha256.h"

#define CHUNK (256 * 1024)

struct blob {
	struct vault_part part;	 /* fd owned; -1 for a stream */
	int stream;		 /* borrowed; -1 for a part */
	uint64_t done, total;	 /* bytes handed out; total 0 = unknown (streams) */
	bool ended;
	char *what;
	char *hex;		 /* wanted digest, NULL = none */
	struct sha256 *sha;
	struct progress *progress;
	struct buf kept;	 /* streams: what was read before the rewind */
	bool keeping;
	size_t replay_at;	 /* next byte of `kept` to hand out again */
	char chunk[CHUNK];
};

/* ---------------------------------------------------------------------------------- reading */

/* Wait until @fd can be read or somebody wants us to stop. */
static struct fault *wait_readable(int fd, const char *what)
{
	for (;;) {
		struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
				       { .fd = cancel_fd(), .events = POLLIN } };

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return fault_sys(F_SYS, "waiting for %s", what);
		TRY(cancel_check());
		if (p[0].revents)
			return NULL;
	}
}

static struct fault *read_stream(struct blob *b, size_t *len)
{
	ssize_t n;

	for (;;) {
		TRY(wait_readable(b->stream, b->what));
		n = read(b->stream, b->chunk, CHUNK);
		if (n >= 0)
			break;
		if (errno != EINTR && errno != EAGAIN)
			return fault_sys(F_SYS, "reading %s", b->what);
	}
	*len = (size_t)n;
	if (!b->keeping)
		return NULL;
	if (b->kept.len + *len > BLOB_REWIND_MAX)
		return fault_new(F_CORRUPT, "%s does not tell what it is in its first %u MiB",
				 b->what, BLOB_REWIND_MAX >> 20);
	buf_add(&b->kept, b->chunk, *len);
	return NULL;
}

static struct fault *read_part(struct blob *b, size_t *len)
{
	uint64_t left = b->part.size - b->done;
	ssize_t n;

	TRY(cancel_check());
	*len = 0;
	if (!left)
		return NULL;
	do
		n = pread(b->part.fd, b->chunk, left < CHUNK ? left : CHUNK,
			  (off_t)(b->part.offset + b->done));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fault_sys(F_SYS, "reading %s", b->what);
	if (!n)
		return fault_new(F_CORRUPT, "%s is truncated: %llu of %llu bytes are there", b->what,
				 (unsigned long long)b->done, (unsigned long long)b->part.size);
	*len = (size_t)n;
	return NULL;
}

static struct fault *read_blob(void *context, const void **data, size_t *len)
{
	struct blob *b = context;

	*data = b->chunk;
	*len = 0;
	if (b->replay_at < b->kept.len && !b->keeping) {
		*data = b->kept.data + b->replay_at;
		*len = b->kept.len - b->replay_at;
		b->replay_at = b->kept.len;
	} else if (!b->ended) {
		TRY(b->stream >= 0 ? read_stream(b, len) : read_part(b, len));
	}
	if (!*len)
		b->ended = true;
	if (b->sha && *len)
		sha256_update(b->sha, *data, *len);
	b->done += *len;
	if (!b->keeping)
		progress_amount(b->progress, b->done, b->total);
	return NULL;
}

/* ---------------------------------------------------------------------------------- life cycle */

static struct blob *blob_new(const char *hex, const char *what, struct progress *progress)
{
	struct blob *b = xmalloc(sizeof(*b)); /* the chunk need not be cleared */

	memset(b, 0, offsetof(struct blob, chunk));
	b->part = VAULT_PART_INIT;
	b->stream = -1;
	b->what = xstrdup(what);
	b->hex = hex ? xstrdup(hex) : NULL;
	b->sha = hex ? sha256_new() : NULL;
	b->progress = progress;
	buf_init(&b->kept);
	return b;
}

struct blob *blob_of_part(struct vault_part *part, const char *hex, const char *what,
			  struct progress *progress)
{
	struct blob *b = blob_new(hex, what, progress);

	b->part = *part;
	*part = VAULT_PART_INIT;
	b->total = b->part.size;
	posix_fadvise(b->part.fd, (off_t)b->part.offset, (off_t)b->part.size,
		      POSIX_FADV_SEQUENTIAL);
	return b;
}

struct blob *blob_of_stream(int fd, uint64_t total, const char *what, struct progress *progress)
{
	struct blob *b = blob_new(NULL, what, progress);

	b->stream = fd;
	b->total = total;
	b->keeping = true;
	return b;
}

struct archive_source blob_source(struct blob *b)
{
	return (struct archive_source){ read_blob, b };
}

struct fault *blob_rewind(struct blob *b)
{
	b->done = 0;
	if (b->stream >= 0) {
		/* An end that was seen stays seen: the kept bytes are the whole stream then. */
		b->keeping = false;
		b->replay_at = 0;
		return NULL;
	}
	b->ended = false;
	if (b->sha) {
		sha256_free(b->sha);
		b->sha = sha256_new();
	}
	return NULL;
}

static struct fault *drain(struct archive_source source)
{
	const void *data;
	size_t len;

	do
		TRY(source.read(source.context, &data, &len));
	while (len);
	return NULL;
}

static struct fault *check_digest(struct sha256 **sha, const char *hex, const char *what)
{
	char got[SHA256_HEX_LEN + 1];

	sha256_finish(steal_ptr(sha), got);
	if (strcmp(got, hex))
		return fault_new(F_CORRUPT, "%s does not match its digest: it should be sha256:%s but "
				 "is sha256:%s", what, hex, got);
	return NULL;
}

struct fault *blob_finish(struct blob *b)
{
	TRY(drain(blob_source(b)));
	return b->sha ? check_digest(&b->sha, b->hex, b->what) : NULL;
}

void blob_free(struct blob *b)
{
	if (!b)
		return;
	vault_part_release(&b->part);
	sha256_free(b->sha);
	buf_release(&b->kept);
	free(b->what);
	free(b->hex);
	free(b);
}
