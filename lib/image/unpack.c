/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  The thread fills the slots of a ring in turn and waits while all are full;
 * the reader hands out one slot at a time and frees it when it asks for the next.  Whoever waits is
 * woken by the other side; `stop` wakes the thread for good.
 */
#include "image/unpack.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/cancel.h"

#define SLOTS	   8u
#define SLOT_BYTES (128u * 1024)
#define POLL_MS	   100

struct slot {
	char data[SLOT_BYTES];
	size_t len; /* 0 = the end */
};

struct unpack {
	struct archive_source from; /* context borrowed */
	char *what;		    /* owned */
	uint64_t *budget;	    /* borrowed */
	uint64_t in, out;	    /* bytes so far */
	const void *head;	    /* borrowed from the source: read, but not yet handed out */
	size_t head_len;
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
		u->in += *len;
		return NULL;
	}
	TRY(u->from.read(u->from.context, data, len));
	u->in += *len;
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

static bool is_compressed(const void *head, size_t len)
{
	static const struct {
		const char *magic;
		size_t len;
	} known[] = {
		{"\x1f\x8b", 2},	 /* gzip */
		{"\x28\xb5\x2f\xfd", 4}, /* zstd */
		{"\xfd"
		 "7zXZ",
		 6},			 /* xz */
		{"BZh", 3},		 /* bzip2 */
		{"\x04\x22\x4d\x18", 4}, /* lz4 */
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (len >= known[i].len && !memcmp(head, known[i].magic, known[i].len))
			return true;
	return false;
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

static struct fault *decompress(struct unpack *u, struct archive_reader *r)
{
	const void *data;
	uint64_t offset;
	size_t len;

	do {
		TRY(archive_reader_data(r, &data, &len, &offset));
		TRY(check_expansion(u, len));
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

	TRY(archive_reader_open(&input, ARCHIVE_RAW, u->what, &r));
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

struct fault *unpack_open(const struct archive_source *from, const char *what, uint64_t *budget,
			  struct unpack **out)
{
	struct unpack *u = xcalloc(1, sizeof(*u));
	struct fault *f;

	u->from = *from;
	u->budget = budget;
	u->what = xasprintf("the compressed data of %s", what);
	pthread_mutex_init(&u->lock, NULL);
	pthread_cond_init(&u->moved, NULL);
	f = u->from.read(u->from.context, &u->head, &u->head_len);
	if (f)
		f = fault_wrap(f, "reading %s", what);
	else if (is_compressed(u->head, u->head_len))
		f = start(u);
	if (f)
		unpack_close(u);
	else
		*out = u;
	return f;
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
