/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  The thread fills the slots of a ring in turn and waits while all are full;
 * the reader hands out one slot at a time and frees it when it asks for the next.  Whoever waits is
 * woken by the other side; `stop` wakes the thread for good.
 *
 * What comes out is hashed by whoever has less to do: gzip keeps the thread busier than the files
 * keep the reader; with anything else it is the reader who is late.
 */
#include "image/unpack.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/cancel.h"
#include "base/sha256.h"
#include "image/oci.h"
#include "image/zstd_guard.h"

#define SLOTS	   8u
#define SLOT_BYTES (128u * 1024)
#define POLL_MS	   100

struct slot {
	char data[SLOT_BYTES];
	size_t len; /* 0 = the end */
};

struct unpack {
	struct archive_source from; /* context borrowed */
	const struct image_layer *layer; /* borrowed */
	char *what;		    /* owned */
	uint64_t *budget;	    /* borrowed */
	enum archive_packing packing;
	struct zstd_guard guard;
	struct sha256 *sha;	    /* owned; of what comes out, NULL when nobody asks */
	uint64_t in, out;	    /* bytes so far */
	const void *head;	    /* borrowed: read, but not yet handed out */
	size_t head_len;
	struct buf head_parts;	    /* the head when it came in pieces */
	bool threaded;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	struct slot *slots;  /* owned */
	uint32_t put, taken; /* slots filled and freed so far */
	bool holding;	     /* the reader still uses slot `taken` */
	bool stop;
	struct fault *fault; /* owned: why the thread ended early */
};

/* The source as the thread sees it: first what has been looked at, then the rest. */
static struct fault *read_input(void *context, const void **data, size_t *len)
{
	struct unpack *u = context;

	if (u->head_len) {
		*data = u->head;
		*len = u->head_len;
		u->head_len = 0;
	} else {
		TRY(u->from.read(u->from.context, data, len));
	}
	u->in += *len;
	if (u->layer->foreign && u->packing == PACKED_ZSTD)
		return zstd_guard_look(&u->guard, *data, *len, u->layer->what);
	return NULL;
}

/* Enough bytes to tell the compression by: a source may hand out less at a time. */
static struct fault *read_head(struct unpack *u)
{
	const void *data;
	size_t len;

	TRY(u->from.read(u->from.context, &u->head, &u->head_len));
	if (!u->head_len || u->head_len >= ARCHIVE_PACKING_HEAD)
		return NULL;
	buf_add(&u->head_parts, u->head, u->head_len);
	do {
		TRY(u->from.read(u->from.context, &data, &len));
		buf_add(&u->head_parts, data, len);
	} while (len && u->head_parts.len < ARCHIVE_PACKING_HEAD);
	u->head = u->head_parts.data;
	u->head_len = u->head_parts.len;
	return NULL;
}

/* A few bytes can be made to unpack to more than any disk holds. */
static struct fault *check_expansion(struct unpack *u, size_t len)
{
	u->out += len;
	if (len > *u->budget)
		return fault_new(F_CORRUPT, "%s would unpack to more than the image could ever use",
				 u->what);
	*u->budget -= len;
	if (u->out > UNPACK_FREE_BYTES && u->out / UNPACK_RATIO_MAX > u->in)
		return fault_new(F_CORRUPT, "%s unpacks to more than %u times its size", u->what,
				 UNPACK_RATIO_MAX);
	return NULL;
}

/* What strangers may send: xz and its like take as much memory as the sender wants. */
static struct fault *check_packing(const struct unpack *u)
{
	const struct image_layer *l = u->layer;

	if (u->packing == PACKED_NOT && l->digest && l->diff_id && strcmp(l->digest, l->diff_id))
		return fault_new(F_CORRUPT,
				 "%s is not compressed, but its digest and its diff_id differ",
				 l->what);
	if (!l->foreign || u->packing == PACKED_NOT || u->packing == PACKED_GZIP ||
	    u->packing == PACKED_ZSTD)
		return NULL;
	return fault_new(F_UNSUPPORTED, "%s is compressed with %s: layers in a registry may be "
			 "compressed with gzip or zstd", l->what, archive_packing_name(u->packing));
}

/* -- the thread -- */

/* The next free slot, NULL when it is time to stop. */
static struct slot *wait_for_slot(struct unpack *u)
{
	struct slot *s;

	pthread_mutex_lock(&u->lock);
	while (!u->stop && u->put - u->taken == SLOTS)
		pthread_cond_wait(&u->moved, &u->lock);
	s = u->stop ? NULL : &u->slots[u->put % SLOTS];
	pthread_mutex_unlock(&u->lock);
	return s;
}

static void publish(struct unpack *u, struct slot *s, size_t len)
{
	pthread_mutex_lock(&u->lock);
	s->len = len;
	u->put++;
	pthread_cond_signal(&u->moved);
	pthread_mutex_unlock(&u->lock);
}

/* Copies @len bytes into slots; false when it is time to stop. */
static bool put_bytes(struct unpack *u, const char *data, size_t len)
{
	while (len) {
		size_t n = len < SLOT_BYTES ? len : SLOT_BYTES;
		struct slot *s = wait_for_slot(u);

		if (!s)
			return false;
		memcpy(s->data, data, n);
		publish(u, s, n);
		data += n;
		len -= n;
	}
	return true;
}

static bool reader_hashes(const struct unpack *u)
{
	return u->sha && u->packing == PACKED_GZIP;
}

static struct fault *decompress(struct unpack *u, struct archive_reader *r)
{
	const void *data;
	uint64_t offset;
	size_t len;

	do {
		TRY(archive_reader_data(r, &data, &len, &offset));
		TRY(check_expansion(u, len));
		if (u->sha && !reader_hashes(u))
			sha256_update(u->sha, data, len);
	} while (len && put_bytes(u, data, len));
	return NULL;
}

static struct fault *run(struct unpack *u)
{
	struct archive_source input = {read_input, u};
	struct archive_reader *r = NULL;
	struct archive_item item;
	struct fault *f;
	bool end;

	TRY(archive_reader_open_packed(&input, u->packing, ARCHIVE_RAW, u->what, &r));
	f = archive_reader_next(r, &item, &end);
	if (!f && !end)
		f = decompress(u, r);
	archive_reader_free(r);
	return f;
}

static void *thread_main(void *context)
{
	struct unpack *u = context;
	struct slot *s;

	u->fault = run(u);
	s = wait_for_slot(u);
	if (s)
		publish(u, s, 0);
	return NULL;
}

/* -- the reader -- */

static struct fault *read_slot(struct unpack *u, const void **data, size_t *len)
{
	struct slot *s;

	pthread_mutex_lock(&u->lock);
	if (u->holding) {
		u->holding = false;
		u->taken++;
		pthread_cond_signal(&u->moved);
	}
	while (u->put == u->taken)
		pthread_cond_wait(&u->moved, &u->lock);
	s = &u->slots[u->taken % SLOTS];
	*data = s->data;
	*len = s->len;
	u->holding = s->len; /* the end stays, for whoever asks again */
	pthread_mutex_unlock(&u->lock);
	if (*len && reader_hashes(u))
		sha256_update(u->sha, *data, *len);
	return *len ? NULL : steal_ptr(&u->fault);
}

static struct fault *read_output(void *context, const void **data, size_t *len)
{
	struct unpack *u = context;

	return u->threaded ? read_slot(u, data, len) : read_input(u, data, len);
}

struct archive_source unpack_source(struct unpack *u)
{
	return (struct archive_source){read_output, u};
}

/* -- opening and closing -- */

static struct fault *start(struct unpack *u)
{
	sigset_t all, old;
	int error;

	u->slots = xrealloc_array(NULL, SLOTS, sizeof(*u->slots));
	/* Signals are for the thread that waits for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&u->thread, NULL, thread_main, u);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error) {
		errno = error;
		return fault_sys(F_SYS, "starting a thread");
	}
	u->threaded = true;
	return NULL;
}

static struct fault *begin(struct unpack *u)
{
	TRY(fault_wrap(read_head(u), "reading %s", u->layer->what));
	u->packing = archive_packing(u->head, u->head_len);
	TRY(check_packing(u));
	if (u->packing == PACKED_NOT)
		return NULL;
	if (u->layer->diff_id)
		u->sha = sha256_new();
	return start(u);
}

struct fault *unpack_open(const struct archive_source *from, const struct image_layer *layer,
			  uint64_t *budget, struct unpack **out)
{
	struct unpack *u = xcalloc(1, sizeof(*u));
	struct fault *f;

	u->from = *from;
	u->layer = layer;
	u->budget = budget;
	u->what = xasprintf("the compressed data of %s", layer->what);
	buf_init(&u->head_parts);
	zstd_guard_init(&u->guard);
	pthread_mutex_init(&u->lock, NULL);
	pthread_cond_init(&u->moved, NULL);
	f = begin(u);
	if (f)
		unpack_close(u);
	else
		*out = u;
	return f;
}

struct fault *unpack_check(struct unpack *u)
{
	const char *wanted = u->layer->diff_id;
	char got[SHA256_HEX_LEN + 1];
	const void *data;
	size_t len;

	if (!u->sha)
		return NULL;
	do {
		TRY(cancel_check());
		TRY(read_output(u, &data, &len));
	} while (len);
	sha256_finish(steal_ptr(&u->sha), got);
	if (!strcmp(got, oci_digest_hex(wanted)))
		return NULL;
	return fault_new(F_CORRUPT,
			 "what %s unpacks to does not match its digest, the diff_id: it should be "
			 "%s but is sha256:%s", u->layer->what, wanted, got);
}

void unpack_close(struct unpack *u)
{
	if (!u)
		return;
	if (u->threaded) {
		pthread_mutex_lock(&u->lock);
		u->stop = true;
		pthread_cond_signal(&u->moved);
		pthread_mutex_unlock(&u->lock);
		pthread_join(u->thread, NULL);
	}
	pthread_cond_destroy(&u->moved);
	pthread_mutex_destroy(&u->lock);
	fault_free(u->fault);
	sha256_free(u->sha);
	buf_release(&u->head_parts);
	free(u->slots);
	free(u->what);
	free(u);
}

/* -- a descriptor -- */

struct fault *fd_source_read(void *context, const void **data, size_t *len)
{
	struct fd_source *s = context;
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	ssize_t n = -1;

	if (!s->memory)
		s->memory = xmalloc(SLOT_BYTES);
	while (n < 0) {
		TRY(cancel_check());
		if (atomic_load(&s->stop))
			return fault_new(F_CANCELLED, "reading %s was given up", s->what);
		if (poll(&p, 1, POLL_MS) == 0)
			continue;
		n = read(s->fd, s->memory, SLOT_BYTES);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return fault_sys(F_SYS, "reading %s", s->what);
	}
	*data = s->memory;
	*len = (size_t)n;
	return NULL;
}

void fd_source_release(struct fd_source *s)
{
	free(s->memory);
	s->memory = NULL;
}
