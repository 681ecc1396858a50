/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  A layer is WAITING until a thread takes it; then it is either found in the
 * cache (CACHED: the thread hashes it while the reader reads) or GROWING: the thread appends to a file
 * of the cache and moves `available`, and the reader, which has the same file open, follows.  DONE
 * means that the thread has seen the right digest; nothing that was read counts before.  The first
 * fault of any thread stops everything: `stop` ends the other transfers and the reader, and
 * fetch_end() hands it out.
 */
#include "image/fetch.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/sha256.h"

#define THREADS	   3
#define TICK_MS	   100
#define CHUNK	   (128 * 1024)
#define LOCK_MS	   50

enum state { WAITING, CACHED, GROWING, DONE };

struct layer {
	const struct fetch_layer *given;
	struct fetch *fetch;
	enum state state;
	int fd;		    /* owned; -1 while WAITING */
	uint64_t available; /* bytes that the reader may have */
	bool resumed;	    /* some bytes are from an earlier run */
	int64_t since_ms;   /* when the first byte came that is new */
	uint64_t from;	    /* bytes that were there before */
	/* The thread's own. */
	struct sha256 *sha; /* owned */
	uint64_t written;
	/* The reader's own. */
	uint64_t read_at;
};

struct fetch {
	const struct blob_cache *cache;
	struct registry *registry;
	struct progress *progress;
	struct layer *layers;
	size_t n, next; /* next: the first that no thread has taken */
	pthread_mutex_t lock;
	pthread_cond_t moved;
	pthread_t threads[THREADS];
	size_t n_threads;
	atomic_bool stop;
	atomic_bool spoiled; /* set before `stop`: what the reader had read was no layer */
	struct fault *fault; /* owned: the first one */
	bool failed, damaged;
	char *chunk; /* the reader's, owned */
};

/* -- the threads -- */

static void set_state(struct layer *l, enum state state, int fd, uint64_t available)
{
	struct fetch *f = l->fetch;

	pthread_mutex_lock(&f->lock);
	l->state = state;
	if (l->fd < 0)
		l->fd = fd;
	l->available = available;
	pthread_cond_broadcast(&f->moved);
	pthread_mutex_unlock(&f->lock);
}

static struct fault *check_stop(const struct layer *l)
{
	TRY(cancel_check());
	if (atomic_load(&l->fetch->stop))
		return fault_new(F_CANCELLED, "fetching %s was given up", l->given->what);
	return NULL;
}

/* Bytes of the layer, new or found again, in order. */
static void account(struct layer *l, const void *data, size_t len)
{
	sha256_update(l->sha, data, len);
	l->written += len;
}

static struct fault *on_data(void *context, const void *data, size_t len)
{
	struct layer *l = context;

	TRY(file_pwrite_all(l->fd, data, len, (off_t)l->written, "a layer into the cache"));
	account(l, data, len);
	set_state(l, GROWING, -1, l->written);
	return NULL;
}

/* Hash the layer's first @end bytes, which are there already. */
static struct fault *hash_again(struct layer *l, uint64_t end)
{
	AUTO_FREE char *chunk = xmalloc(CHUNK);

	while (l->written < end) {
		ssize_t n = pread(l->fd, chunk, CHUNK, (off_t)l->written);

		TRY(check_stop(l));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "reading what there is of %s", l->given->what);
		if (!n)
			break;
		account(l, chunk, (size_t)n);
		if (l->state == GROWING)
			set_state(l, GROWING, -1, l->written);
	}
	return NULL;
}

/* What an earlier run left is used again; all of it is forgotten when there is too much. */
static struct fault *take_over(struct layer *l)
{
	struct stat st;

	if (fstat(l->fd, &st) < 0)
		return fault_sys(F_SYS, "looking at what there is of %s", l->given->what);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > l->given->size) {
		if (ftruncate(l->fd, 0) < 0)
			return fault_sys(F_SYS, "starting %s again", l->given->what);
		return NULL;
	}
	l->resumed = st.st_size > 0;
	return hash_again(l, (uint64_t)st.st_size);
}

static void set_damaged(struct fetch *f)
{
	pthread_mutex_lock(&f->lock);
	f->damaged = true;
	pthread_mutex_unlock(&f->lock);
}

/* The digest of all that was accounted; *@got: at least SHA256_HEX_LEN + 1 bytes. */
static bool is_right(struct layer *l, char *got)
{
	sha256_finish(steal_ptr(&l->sha), got);
	return !strcmp(got, l->given->hex);
}

static struct fault *verdict(struct layer *l)
{
	char got[SHA256_HEX_LEN + 1];

	if (is_right(l, got))
		return NULL;
	blob_part_discard(l->fetch->cache, l->given->hex);
	if (l->resumed) /* then it may be the old bytes that are wrong */
		set_damaged(l->fetch);
	return fault_new(F_CORRUPT, "%s does not match its digest: it should be sha256:%s but is "
			 "sha256:%s", l->given->what, l->given->hex, got);
}

/* For the rate that is shown. */
static void begin_counting(struct layer *l)
{
	pthread_mutex_lock(&l->fetch->lock);
	l->since_ms = clock_now_ms();
	l->from = l->written;
	pthread_mutex_unlock(&l->fetch->lock);
}

static struct fault *download(struct layer *l, struct http_client *client)
{
	AUTO_FREE char *path = xasprintf("blobs/sha256:%s", l->given->hex);
	struct registry_get get = {
		.path = path,
		.what = l->given->what,
		.max = l->given->size,
		.size = l->given->size,
		.stop = &l->fetch->stop,
		.sink = on_data,
		.context = l,
	};
	struct fault *f;
	int fd = -1;

	TRY(blob_part_open(l->fetch->cache, l->given->hex, &fd));
	l->sha = sha256_new();
	set_state(l, GROWING, fd, 0);
	TRY(take_over(l));
	get.from = l->written;
	begin_counting(l);
	if (l->written < l->given->size) {
		f = registry_get(l->fetch->registry, client, &get, NULL);
		/* What a server sent that does not keep to the rules is of no use to anybody. */
		if (f && fault_kind(f) == F_CORRUPT)
			blob_part_discard(l->fetch->cache, l->given->hex);
		TRY(f);
	}
	TRY(verdict(l));
	TRY(blob_part_publish(l->fetch->cache, l->given->hex));
	set_state(l, DONE, -1, l->written);
	return NULL;
}

static bool find_cached(struct layer *l)
{
	int fd = blob_cache_find(l->fetch->cache, l->given->hex, l->given->size);

	if (fd >= 0)
		set_state(l, CACHED, fd, l->given->size);
	return fd >= 0;
}

/* Its content may have changed since it was put there. */
static struct fault *check_cached(struct layer *l)
{
	char got[SHA256_HEX_LEN + 1];

	l->sha = sha256_new();
	TRY(hash_again(l, l->given->size));
	if (!is_right(l, got))
		return fault_new(F_CORRUPT, "%s in the cache does not match its digest", l->given->what);
	set_state(l, DONE, -1, l->written);
	return NULL;
}

static struct fault *wait_a_little(const struct layer *l)
{
	struct timespec pause = {.tv_nsec = LOCK_MS * 1000000L};

	nanosleep(&pause, NULL);
	return check_stop(l);
}

/* Somebody else who downloads it does it for us too. */
static struct fault *wait_for_lock(struct layer *l, struct lock *lock)
{
	for (bool told = false;; told = true) {
		AUTO_FAULT f = blob_cache_lock(l->fetch->cache, l->given->hex, lock);

		if (!f || fault_kind(f) != F_BUSY)
			return steal_ptr(&f);
		if (!told)
			progress_note(l->fetch->progress, "banger: %s is being downloaded by another "
				      "banger; waiting", l->given->what);
		TRY(wait_a_little(l));
		if (find_cached(l))
			return NULL;
	}
}

/*
 * What a killed pull left may be garbage.  The reader sees that before there is a verdict on the
 * whole, and a part that were kept would be garbage again the next time.
 */
static void drop_spoiled(struct layer *l)
{
	if (!l->resumed || !atomic_load(&l->fetch->spoiled) || !l->read_at)
		return;
	blob_part_discard(l->fetch->cache, l->given->hex);
	set_damaged(l->fetch);
}

static struct fault *get_layer(struct layer *l, struct http_client *client)
{
	struct lock lock = LOCK_INIT;
	struct fault *f = NULL;

	if (find_cached(l))
		return check_cached(l);
	if (!l->fetch->registry)
		return fault_new(F_NOT_FOUND, "%s is not in the cache", l->given->what);
	TRY(wait_for_lock(l, &lock));
	if (lock.fd >= 0 && !find_cached(l)) {
		f = download(l, client);
		if (f)
			drop_spoiled(l);
	}
	blob_cache_unlock(l->fetch->cache, l->given->hex, &lock);
	return f || l->state == DONE ? f : check_cached(l);
}

static struct layer *take_layer(struct fetch *f)
{
	struct layer *l = NULL;

	pthread_mutex_lock(&f->lock);
	if (f->next < f->n && !f->failed)
		l = &f->layers[f->next++];
	pthread_mutex_unlock(&f->lock);
	return l;
}

static void fail(struct fetch *f, struct fault *fault)
{
	pthread_mutex_lock(&f->lock);
	if (f->failed)
		fault_free(fault);
	else
		f->fault = fault;
	f->failed = true;
	atomic_store(&f->stop, true);
	pthread_cond_broadcast(&f->moved);
	pthread_mutex_unlock(&f->lock);
}

static void *thread_main(void *context)
{
	struct fetch *f = context;
	struct http_client *client = NULL;
	struct fault *fault = f->registry ? http_client_open(&client) : NULL;
	struct layer *l;

	while (!fault && (l = take_layer(f)))
		fault = get_layer(l, client);
	if (fault)
		fail(f, fault);
	http_client_close(client);
	return NULL;
}

/* -- the reader -- */

/* One line for each layer under way.  Under the lock. */
static void show(struct fetch *f)
{
	struct progress_row rows[THREADS];
	size_t n = 0;

	for (size_t i = 0; i < f->n && n < THREADS; i++) {
		const struct layer *l = &f->layers[i];

		if (l->state == GROWING && l->since_ms)
			rows[n++] = (struct progress_row){ .label = l->given->what,
							   .done = l->available,
							   .total = l->given->size,
							   .since_ms = l->since_ms,
							   .from = l->from };
	}
	progress_rows(f->progress, rows, n);
}

static void wait_tick(struct fetch *f)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += TICK_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_cond_timedwait(&f->moved, &f->lock, &until);
}

/* Has all that there will be been read? */
static bool is_at_end(const struct layer *l)
{
	return l->state == CACHED && l->read_at == l->given->size;
}

/* Wait until there is more than what was read, or nothing more to come; @verdict: until its digest is right. */
static struct fault *wait_for_bytes(struct layer *l, bool verdict, uint64_t *available)
{
	struct fetch *f = l->fetch;
	struct fault *fault = NULL;

	pthread_mutex_lock(&f->lock);
	while (!f->failed && !fault && l->state != DONE &&
	       (verdict || (l->available <= l->read_at && !is_at_end(l)))) {
		wait_tick(f);
		fault = cancel_check();
		show(f);
	}
	if (!fault && f->failed)
		fault = fault_new(F_CANCELLED, "fetching the image was given up");
	show(f);
	*available = l->available;
	pthread_mutex_unlock(&f->lock);
	return fault;
}

static struct fault *read_layer(void *context, const void **data, size_t *len)
{
	struct layer *l = context;
	struct fetch *f = l->fetch;
	uint64_t available = 0;
	ssize_t n;

	*len = 0;
	TRY(cancel_check());
	TRY(wait_for_bytes(l, false, &available));
	if (available <= l->read_at)
		return NULL;
	available -= l->read_at;
	do
		n = pread(l->fd, f->chunk, available < CHUNK ? available : CHUNK,
			  (off_t)l->read_at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fault_sys(F_SYS, "reading %s", l->given->what);
	if (!n)
		return fault_new(F_CORRUPT, "%s has become shorter in the cache", l->given->what);
	l->read_at += (uint64_t)n;
	*data = f->chunk;
	*len = (size_t)n;
	return NULL;
}

struct archive_source fetch_source(struct fetch *f, size_t i)
{
	return (struct archive_source){read_layer, &f->layers[i]};
}

struct fault *fetch_finish(struct fetch *f, size_t i)
{
	uint64_t available;

	return wait_for_bytes(&f->layers[i], true, &available);
}

/* -- life cycle -- */

static struct fault *start_threads(struct fetch *f)
{
	sigset_t all, old;
	int error = 0;

	/* Signals are for the thread that waits for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (!error && f->n_threads < THREADS && f->n_threads < f->n) {
		error = pthread_create(&f->threads[f->n_threads], NULL, thread_main, f);
		f->n_threads += !error;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!error || f->n_threads)
		return NULL;
	errno = error;
	return fault_sys(F_SYS, "starting a thread");
}

static void fetch_free(struct fetch *f)
{
	for (size_t i = 0; i < f->n; i++) {
		fd_close(f->layers[i].fd);
		sha256_free(f->layers[i].sha);
	}
	pthread_cond_destroy(&f->moved);
	pthread_mutex_destroy(&f->lock);
	fault_free(f->fault);
	free(f->chunk);
	free(f->layers);
	free(f);
}

struct fault *fetch_start(const struct blob_cache *cache, struct registry *registry,
			  const struct fetch_layer *layers, size_t n, struct progress *progress,
			  struct fetch **out)
{
	struct fetch *f = xcalloc(1, sizeof(*f));
	pthread_condattr_t monotonic;
	struct fault *fault;

	f->cache = cache;
	f->registry = registry;
	f->progress = progress;
	f->n = n;
	f->layers = xcalloc(n + 1, sizeof(*f->layers));
	for (size_t i = 0; i < n; i++)
		f->layers[i] = (struct layer){.given = &layers[i], .fetch = f, .fd = -1};
	f->chunk = xmalloc(CHUNK);
	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&f->moved, &monotonic);
	pthread_condattr_destroy(&monotonic);
	fault = start_threads(f);
	if (fault)
		fetch_free(f);
	else
		*out = f;
	return fault;
}

static struct fault *look_again(struct fetch *f)
{
	for (size_t i = 0; i < f->n; i++) {
		bool dropped = false;

		if (f->layers[i].state == CACHED)
			TRY(blob_cache_drop_bad(f->cache, f->layers[i].given->hex, &dropped));
		f->damaged |= dropped;
	}
	return NULL;
}

static void join_threads(struct fetch *f)
{
	atomic_store(&f->stop, true);
	for (size_t i = 0; i < f->n_threads; i++)
		pthread_join(f->threads[i], NULL);
}

struct fault *fetch_end(struct fetch *f, struct fault *first, bool *damaged)
{
	if (first && (fault_kind(first) == F_CORRUPT || fault_kind(first) == F_UNSUPPORTED))
		atomic_store(&f->spoiled, true);
	join_threads(f);
	if (first && f->fault && fault_kind(first) == F_CANCELLED) {
		fault_free(first);
		first = steal_ptr(&f->fault);
	}
	if (first && fault_kind(first) != F_CANCELLED)
		first = fault_attach(first, look_again(f));
	*damaged = first && f->damaged;
	fetch_free(f);
	return first;
}
