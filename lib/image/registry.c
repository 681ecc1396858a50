/* SPDX-License-Identifier: MIT */
#include "image/registry.h"

#include <poll.h>
#include <string.h>
#include <sys/random.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/text.h"
#include "image/registry_auth.h"
#include "image/registry_credentials.h"

#define TRIES		  6 /* in a row without a new byte */
#define TRIES_SHORT	  2 /* for a body that is complete, and too short */
#define FIRST_PAUSE_MS	  500
#define PAUSE_SLICE_MS	  100
#define LONGEST_PAUSE_MS  (2 * 60 * 1000)
#define REDIRECTS_MAX	  5
#define SERVER_TEXT_SHOWN 200
#define PROBE_BYTES_MAX	  (1u << 20)

struct registry {
	const struct reference *reference;
	char *base; /* "https://registry-1.docker.io/v2/" */
	bool plain; /* spoken to in plain HTTP */
	bool direct;
	bool plain_http;
	struct progress *progress;
	struct registry_auth *auth;
};

/* One registry_get() over all its tries. */
struct get {
	struct registry *r;
	struct http_client *client;
	const struct registry_get *get;
	uint64_t at; /* what has been delivered ends here */
	char *url;
	char **content_type;
	bool elsewhere; /* the answer is not the registry's own */
	int tries; /* that are worth while with this fault, in a row */
	int64_t pause_ms; /* that the server wants before the next try; -1 = any */
};

/* -- one try -- */

static struct fault *deliver(void *context, uint64_t offset, const void *data, size_t len)
{
	struct get *g = context;
	uint64_t skip = offset < g->at ? g->at - offset : 0;

	if (skip >= len)
		return NULL; /* a server that starts at the beginning again */
	TRY(g->get->sink(g->get->context, (const char *)data + skip, len - (size_t)skip));
	g->at += len - skip;
	return NULL;
}

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Where may a redirect lead?  Not from https to http, nor from another machine to this one. */
static struct fault *check_redirect(const struct get *g, const char *url, const char *to)
{
	AUTO_HTTP_ADDRESS a = {0};

	TRY(fault_wrap(http_address_parse(to, &a), "%s: registry '%s' redirects", g->get->what,
		       g->r->reference->registry));
	if (!strcmp(a.scheme, "https"))
		return NULL;
	if (strncmp(url, "https:", 6) && (http_is_loopback(a.host) || g->r->plain_http))
		return NULL;
	return fault_new(F_DENIED, "%s: registry '%s' redirects to '%s', which is not https",
			 g->get->what, g->r->reference->registry, a.host);
}

static bool is_local(const char *url)
{
	AUTO_HTTP_ADDRESS a = {0};
	AUTO_FAULT f = http_address_parse(url, &a);

	return !f && http_is_loopback(a.host);
}

/* One exchange.  @authorization: borrowed header, or NULL. */
static struct fault *ask(struct get *g, const char *url, const char *authorization,
			 struct http_answer *answer)
{
	const char *headers[3] = {NULL};
	size_t n = 0;
	struct http_exchange e = {
		.url = url,
		.headers = headers,
		.from = g->at,
		.max = g->get->max,
		.direct = is_local(url),
		.stop = g->get->stop,
		.sink = deliver,
		.context = g,
	};
	struct fault *f;

	if (g->get->accept)
		headers[n++] = g->get->accept;
	if (authorization)
		headers[n++] = authorization;
	f = http_exchange(g->client, &e, answer);
	g->tries = answer->tries;
	g->pause_ms = answer->retry_after_ms;
	return f;
}

/* Ask the registry, and whoever it sends us to. */
static struct fault *follow(struct get *g, const char *authorization, struct http_answer *answer)
{
	AUTO_FREE char *url = xstrdup(g->url);

	for (int hop = 0; hop <= REDIRECTS_MAX; hop++) {
		g->elsewhere = !http_same_origin(url, g->url);
		http_answer_release(answer);
		TRY(ask(g, url, g->elsewhere ? NULL : authorization, answer));
		if (!is_redirect(answer->status) || !answer->location)
			return NULL;
		TRY(check_redirect(g, url, answer->location));
		free(url);
		url = xstrdup(answer->location);
	}
	return fault_new(F_NETWORK, "%s: registry '%s' redirects in circles", g->get->what,
			 g->r->reference->registry);
}

/* What a registry says in its error document: "manifest unknown".  Owned. */
static char *server_text(const struct buf *text)
{
	struct json_doc *doc = NULL;
	AUTO_FAULT f = json_parse(text->data, text->len, "", &doc);
	AUTO_FREE char *message = NULL;
	struct buf shown = BUF_INIT;
	struct json list, first;

	if (!f && json_get(json_root(doc), "errors", &list) && json_kind(list) == JSON_ARRAY) {
		struct json_iter it = json_iter(list);

		if (json_next(&it, NULL, &first) && json_get_string(first, "message", &message) &&
		    *message) {
			buf_adds(&shown, ": ");
			text_add_printable(&shown, message, strnlen(message, SERVER_TEXT_SHOWN));
		}
	}
	json_free(doc);
	return buf_steal(&shown);
}

static struct fault *bad_status(struct get *g, const struct http_answer *answer)
{
	AUTO_FREE char *said = server_text(&answer->text);
	const char *registry = g->r->reference->registry;
	long status = answer->status;

	g->tries = status == 408 || status == 429 || status >= 500 ? TRIES : 1;
	if (status == 404 || status == 410)
		return fault_new(F_NOT_FOUND, "registry '%s' does not have %s%s", registry,
				 g->get->what, said);
	if (status == 403 && !g->elsewhere)
		return fault_attach(registry_auth_denied(g->r->auth),
				    *said ? fault_new(F_DENIED, "it said%s", said) : NULL);
	return fault_new(F_NETWORK, "fetching %s: %s '%s' %s %ld%s", g->get->what,
			 g->elsewhere ? "the server that registry" : "registry", registry,
			 g->elsewhere ? "redirects to answered" : "answered", status, said);
}

static struct fault *too_short(const struct get *g)
{
	return fault_new(F_NETWORK, "fetching %s: only %llu of %llu bytes came", g->get->what,
			 (unsigned long long)g->at, (unsigned long long)g->get->size);
}

static struct fault *check_answer(struct get *g, const struct http_answer *answer)
{
	long status = answer->status;

	/* There is nothing left to send: it was all, or it is too little. */
	if (status == 416 && g->at && g->get->size)
		return g->at == g->get->size ? NULL : too_short(g);
	if (status != 200 && status != 206)
		return bad_status(g, answer);
	if (!g->get->size || g->at == g->get->size)
		return NULL;
	g->tries = TRIES_SHORT;
	return too_short(g);
}

/* Ask with what we have to show; when that is refused, get something else and ask once more. */
static struct fault *try_once(struct get *g)
{
	AUTO_HTTP_ANSWER answer = {.text = BUF_INIT};

	g->tries = 1;
	g->pause_ms = -1;
	for (int refused = 0;; refused++) {
		unsigned int version;
		char *authorization = registry_auth_header(g->r->auth, &version);
		struct fault *f = follow(g, authorization, &answer);

		secret_free(authorization);
		if (f)
			return f;
		/* Nobody but the registry may ask for what is meant for it. */
		if (answer.status != 401 || g->elsewhere)
			break;
		if (refused)
			return registry_auth_denied(g->r->auth);
		f = registry_auth_refused(g->r->auth, g->client, &answer.authenticate, g->r->plain,
					  version);
		g->tries = f && fault_kind(f) == F_NETWORK ? TRIES / 2 : 1;
		if (f)
			return f;
	}
	TRY(check_answer(g, &answer));
	if (g->content_type)
		*g->content_type = steal_ptr(&answer.content_type);
	return NULL;
}

/* -- several tries -- */

/* Wait; a signal and *stop end it. */
static struct fault *pause_ms(const struct get *g, int64_t ms)
{
	int64_t deadline = clock_deadline(ms);

	for (int left = clock_left(deadline); left > 0; left = clock_left(deadline)) {
		struct pollfd p = {.fd = cancel_fd(), .events = POLLIN};

		poll(&p, 1, left < PAUSE_SLICE_MS ? left : PAUSE_SLICE_MS);
		TRY(cancel_check());
		if (g->get->stop && atomic_load(g->get->stop))
			return fault_new(F_CANCELLED, "fetching %s was given up", g->get->what);
	}
	return NULL;
}

/* Half as much more at most, so that many clients do not come back in step. */
static int64_t with_jitter(int64_t ms)
{
	uint32_t bits = 0;

	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		bits = 0;
	return ms + (int64_t)(bits % (uint32_t)(ms / 2 + 1));
}

static struct fault *run(struct get *g)
{
	int64_t pause = FIRST_PAUSE_MS, wanted;
	uint64_t last = g->at;

	for (int tries = 1;; tries++) {
		struct fault *f = try_once(g);

		if (!f || g->tries <= 1)
			return f;
		if (g->at > last) { /* it is slow, but it goes on */
			tries = 1;
			pause = FIRST_PAUSE_MS;
		}
		last = g->at;
		wanted = g->pause_ms >= 0 ? g->pause_ms : with_jitter(pause);
		if (wanted > LONGEST_PAUSE_MS)
			return fault_hint(f, "The registry asks to come back in %lld minutes.",
					  (long long)(wanted / 60000));
		if (tries >= g->tries)
			return f;
		progress_note(g->r->progress, "banger: %s; trying again in %.1f s",
			      fault_message(f), (double)wanted / 1000);
		fault_free(f);
		TRY(pause_ms(g, wanted));
		pause *= 2;
	}
}

struct fault *registry_get(struct registry *r, struct http_client *client,
			   const struct registry_get *get, char **content_type)
{
	struct get g = {
		.r = r,
		.client = client,
		.get = get,
		.at = get->from,
		.content_type = content_type,
	};
	struct fault *f;

	g.url = xasprintf("%s%s/%s", r->base, r->reference->repository, get->path);
	f = run(&g);
	free(g.url);
	return f;
}

/* -- opening -- */

static struct fault *discard(void *context, uint64_t offset, const void *data, size_t len)
{
	(void)context, (void)offset, (void)data, (void)len;
	return NULL;
}

/* Any answer will do; 0 in *@status when there was none. */
static struct fault *probe(struct http_client *client, const char *url, long *status)
{
	AUTO_HTTP_ANSWER answer = {.text = BUF_INIT};
	struct http_exchange e = {.url = url, .max = PROBE_BYTES_MAX, .direct = true,
				  .sink = discard};
	struct fault *f = http_exchange(client, &e, &answer);

	*status = answer.status;
	return f;
}

/*
 * A registry on this machine may speak either.  Plain HTTP is tried first: servers that speak TLS
 * say so at once, whereas some plain ones wait for ever for the end of what they cannot read.
 */
static struct fault *choose_scheme(struct registry *r, const char *host)
{
	AUTO_FREE char *plain = xasprintf("http://%s/v2/", host);
	AUTO_FREE char *tls = xasprintf("https://%s/v2/", host);
	struct http_client *client = NULL;
	AUTO_FAULT first = NULL;
	AUTO_FAULT second = NULL;
	long status = 0;

	TRY(http_client_open(&client));
	first = probe(client, plain, &status);
	r->plain = !first && status != 400;
	if (!r->plain && (!first || fault_kind(first) == F_NETWORK))
		second = probe(client, tls, &status);
	http_client_close(client);
	if (r->plain || (first && fault_kind(first) == F_NETWORK && !second))
		return NULL;
	return fault_attach(steal_ptr(&first), steal_ptr(&second));
}

struct fault *registry_open(const struct reference *reference, bool plain_http,
			    struct progress *progress, struct registry **out)
{
	const char *host = reference_host(reference);
	struct registry *r = xcalloc(1, sizeof(*r));
	AUTO_HTTP_ADDRESS address = {0};
	AUTO_FREE char *url = xasprintf("https://%s/", host);
	struct fault *f = http_address_parse(url, &address);

	r->reference = reference;
	r->progress = progress;
	r->plain_http = r->plain = plain_http;
	r->auth = registry_auth_new(reference, plain_http);
	if (!f && http_is_loopback(address.host))
		f = choose_scheme(r, host);
	r->base = xasprintf("%s://%s/v2/", r->plain ? "http" : "https", host);
	if (f)
		registry_close(r);
	else
		*out = r;
	return f;
}

void registry_close(struct registry *r)
{
	if (!r)
		return;
	registry_auth_free(r->auth);
	free(r->base);
	free(r);
}
