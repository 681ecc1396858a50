/* SPDX-License-Identifier: MIT */
#include "base/http.h"

#define CURL_DISABLE_TYPECHECK /* its macros cannot call through a pointer */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <poll.h>
#include <string.h>

#include "base/cancel.h"
#include "base/library.h"
#include "base/text.h"

/* What is used of the library, which is loaded when it is first needed. */
/* clang-format off */
#define FUNCTIONS(X) \
	X(curl_easy_cleanup) X(curl_easy_getinfo) X(curl_easy_init) X(curl_easy_perform) \
	X(curl_easy_setopt) X(curl_easy_strerror) X(curl_global_init) X(curl_slist_append) \
	X(curl_slist_free_all) X(curl_url) X(curl_url_cleanup) X(curl_url_get) X(curl_url_set) \
	X(curl_free) X(curl_version_info)
/* clang-format on */

static struct {
	FUNCTIONS(LIBRARY_MEMBER)
} lib;
static const struct library_symbol symbols[] = {FUNCTIONS(LIBRARY_SYMBOL)};
static struct library library = {"libcurl.so.4", symbols, ARRAY_LEN(symbols), false};

#define TRIES		   6
#define TRIES_FEW	   3
#define FIRST_PAUSE_MS	   500
#define REDIRECTS_MAX	   5L
#define CONNECT_TIMEOUT_MS 20000L
#define LOW_SPEED_BYTES	   1024L
#define LOW_SPEED_SECONDS  30L
#define BUFFER_BYTES	   (128L * 1024)
#define CHALLENGES_MAX	   16
#define RETRY_AFTER_MAX_S  3600

/* One http_get() over all its tries. */
struct transfer {
	const struct http_get *get;
	CURL *curl;
	struct fault *fault; /* raised in a callback, owned */
	uint64_t delivered;  /* bytes that the sink has had */
	uint64_t skip;	     /* bytes of this try that it has had before */
	bool body_begun;     /* of this try */
	char error[CURL_ERROR_SIZE];
};

static long response_code(const struct transfer *t)
{
	long code = 0;

	lib.curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
	return code;
}

/* A server may answer a request for the rest with the rest (206) or with everything (200). */
static size_t on_body(char *data, size_t one, size_t len, void *context)
{
	struct transfer *t = context;
	size_t given = len;

	(void)one;
	if (!t->body_begun && response_code(t) == 206)
		t->skip = 0;
	t->body_begun = true;
	if (t->skip >= len) {
		t->skip -= len;
		return given;
	}
	data += t->skip;
	len -= (size_t)t->skip;
	t->skip = 0;
	if (len > t->get->max - t->delivered)
		t->fault = fault_new(F_CORRUPT, "'%s' is longer than %llu bytes", t->get->url,
				     (unsigned long long)t->get->max);
	else
		t->fault = t->get->sink(t->get->context, data, len);
	if (t->fault)
		return CURL_WRITEFUNC_ERROR;
	t->delivered += len;
	return given;
}

static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total,
		       curl_off_t up_now)
{
	struct transfer *t = context;

	(void)now, (void)up_total, (void)up_now;
	if (!t->fault)
		t->fault = cancel_check();
	progress_amount(t->get->progress, t->delivered,
			t->get->size ? t->get->size : (uint64_t)(total > 0 ? total : 0));
	return t->fault != NULL;
}

/* An environment variable that names where certificates are; as the curl program does. */
static void use_certificates(CURL *curl)
{
	static const struct {
		const char *variable;
		CURLoption option;
	} places[] = {
		{"SSL_CERT_DIR", CURLOPT_CAPATH},
		{"SSL_CERT_FILE", CURLOPT_CAINFO},
		{"CURL_CA_BUNDLE", CURLOPT_CAINFO},
	};

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		const char *path = secure_getenv(places[i].variable);

		if (path && *path)
			lib.curl_easy_setopt(curl, places[i].option, path);
	}
}

/* What every transfer has in common. */
static void set_common(CURL *c)
{
	lib.curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	lib.curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	lib.curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES);
	lib.curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, LOW_SPEED_SECONDS);
	lib.curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	lib.curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	lib.curl_easy_setopt(c, CURLOPT_USERAGENT, "banger");
	lib.curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	lib.curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	use_certificates(c);
}

static struct fault *set_up(struct transfer *t, struct curl_slist *headers)
{
	CURL *c = t->curl;
	bool tls = !strncmp(t->get->url, "https://", 8);

	if (!tls && strncmp(t->get->url, "http://", 7))
		return fault_new(F_INVALID, "'%s' is not an http or https address", t->get->url);
	set_common(c);
	lib.curl_easy_setopt(c, CURLOPT_URL, t->get->url);
	lib.curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, tls ? "https" : "http,https");
	lib.curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	lib.curl_easy_setopt(c, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	lib.curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
	lib.curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	lib.curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error);
	lib.curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	lib.curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	lib.curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	lib.curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
	return NULL;
}

/* How often to try at most when this happens. */
static int tries_for(CURLcode code, long status)
{
	switch (code) {
	case CURLE_HTTP_RETURNED_ERROR:
		return status == 408 || status == 429 || status >= 500 ? TRIES : 1;
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return TRIES;
	case CURLE_COULDNT_RESOLVE_HOST: /* more likely for good: a wrong name, no network */
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
		return TRIES_FEW;
	default:
		return 1;
	}
}

static struct fault *failure(const struct transfer *t, CURLcode code, long status)
{
	enum fault_kind kind = status == 404 || status == 410	? F_NOT_FOUND
			       : status == 401 || status == 403 ? F_DENIED
								: F_NETWORK;

	if (code == CURLE_HTTP_RETURNED_ERROR)
		return fault_new(kind, "fetching '%s': the server answered %ld", t->get->url,
				 status);
	return fault_new(F_NETWORK, "fetching '%s': %s", t->get->url,
			 t->error[0] ? t->error : lib.curl_easy_strerror(code));
}

/* Wait before the next try; a signal ends it. */
static struct fault *pause_ms(int ms)
{
	struct pollfd p = {.fd = cancel_fd(), .events = POLLIN};

	poll(&p, 1, ms);
	return cancel_check();
}

/* *@tries: how many are worth while. */
static struct fault *try_once(struct transfer *t, int *tries)
{
	CURLcode code;
	long status;

	*tries = 1;
	t->skip = t->delivered;
	t->body_begun = false;
	t->error[0] = '\0';
	lib.curl_easy_setopt(t->curl, CURLOPT_RANGE, NULL);
	if (t->delivered) {
		AUTO_FREE char *range = xasprintf("%llu-", (unsigned long long)t->delivered);

		lib.curl_easy_setopt(t->curl, CURLOPT_RANGE, range);
	}
	code = lib.curl_easy_perform(t->curl);
	status = response_code(t);
	if (t->fault)
		return steal_ptr(&t->fault);
	/* All was there already; the server says that nothing is left. */
	if (code == CURLE_HTTP_RETURNED_ERROR && status == 416 && t->delivered &&
	    t->delivered == t->get->size)
		return NULL;
	if (code == CURLE_OK && status != 200 && status != 206)
		return fault_new(F_NETWORK, "fetching '%s': the server answered %ld", t->get->url,
				 status);
	if (code == CURLE_OK && t->skip) /* shorter than last time: not the same body */
		return fault_new(F_NETWORK, "fetching '%s': it changed meanwhile", t->get->url);
	if (code == CURLE_OK)
		return NULL;
	*tries = tries_for(code, status);
	return failure(t, code, status);
}

static struct fault *run(struct transfer *t)
{
	int pause = FIRST_PAUSE_MS, tries;

	for (int done = 1;; done++) {
		struct fault *f = try_once(t, &tries);

		if (!f || done >= tries)
			return f;
		progress_note(t->get->progress, "banger: %s; trying again", fault_message(f));
		fault_free(f);
		TRY(pause_ms(pause));
		pause *= 2;
	}
}

struct fault *http_get(const struct http_get *get)
{
	struct transfer t = {.get = get};
	struct curl_slist *headers = NULL;
	struct fault *f;

	TRY(cancel_check());
	TRY(library_load(&library));
	if (lib.curl_global_init(CURL_GLOBAL_DEFAULT) || !(t.curl = lib.curl_easy_init()))
		return fault_new(F_SYS, "starting libcurl failed");
	for (size_t i = 0; get->headers && get->headers[i]; i++)
		headers = lib.curl_slist_append(headers, get->headers[i]);
	f = set_up(&t, headers);
	if (!f)
		f = run(&t);
	lib.curl_easy_cleanup(t.curl);
	lib.curl_slist_free_all(headers);
	return f;
}

static struct fault *add_to_buf(void *context, const void *data, size_t len)
{
	buf_add(context, data, len);
	return NULL;
}

struct fault *http_get_buf(const char *url, uint64_t max, struct progress *progress,
			   struct buf *out)
{
	const struct http_get get = {
		.url = url, .max = max, .progress = progress, .sink = add_to_buf, .context = out};

	return http_get(&get);
}

/* -- single exchanges -- */

struct http_client {
	CURL *curl;
	char error[CURL_ERROR_SIZE];
};

/* One http_exchange(). */
struct exchange {
	struct http_client *client;
	const struct http_exchange *e;
	struct http_answer *answer;
	char *url_shown;     /* owned */
	struct fault *fault; /* raised in a callback, owned */
	uint64_t at;	     /* offset of the next byte of the body */
	bool begun;	     /* the body has */
	bool has_range;	     /* the answer has a Content-Range that was understood */
	uint64_t range_from;
};

struct fault *http_client_open(struct http_client **out)
{
	struct http_client *c;

	TRY(library_load(&library));
	c = xcalloc(1, sizeof(*c));
	if (lib.curl_global_init(CURL_GLOBAL_DEFAULT) || !(c->curl = lib.curl_easy_init())) {
		free(c);
		return fault_new(F_SYS, "starting libcurl failed");
	}
	set_common(c->curl);
	lib.curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->error);
	lib.curl_easy_setopt(c->curl, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
	lib.curl_easy_setopt(c->curl, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	lib.curl_easy_setopt(c->curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	*out = c;
	return NULL;
}

void http_client_close(struct http_client *c)
{
	if (!c)
		return;
	lib.curl_easy_cleanup(c->curl);
	free(c);
}

/* Where the value of header @name starts in @line; NULL when it is another one. */
static const char *header_value(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) || line[len] != ':')
		return NULL;
	line += len + 1;
	return line + strspn(line, " \t");
}

static size_t on_header(char *data, size_t one, size_t len, void *context)
{
	struct exchange *x = context;
	AUTO_FREE char *line = xstrndup(data, len);
	const char *value;

	(void)one;
	line[strcspn(line, "\r\n")] = '\0';
	if (!strncmp(line, "HTTP/", 5)) { /* a new answer: what came before was provisional */
		strings_release(&x->answer->authenticate);
		x->has_range = false;
	} else if ((value = header_value(line, "www-authenticate"))) {
		if (x->answer->authenticate.n < CHALLENGES_MAX)
			strings_add(&x->answer->authenticate, value);
	} else if ((value = header_value(line, "content-range"))) {
		unsigned long long from;

		x->has_range = sscanf(value, "bytes %llu-", &from) == 1;
		x->range_from = x->has_range ? from : 0;
	}
	return len;
}

static long exchange_status(const struct exchange *x)
{
	long code = 0;

	lib.curl_easy_getinfo(x->client->curl, CURLINFO_RESPONSE_CODE, &code);
	return code;
}

static struct fault *begin_body(struct exchange *x, long status)
{
	x->begun = true;
	x->at = status == 206 ? x->e->from : 0;
	if (status == 206 && (!x->has_range || x->range_from != x->e->from))
		return fault_new(F_CORRUPT, "fetching '%s': the server sent another part than the "
				 "one that was asked for", x->url_shown);
	return NULL;
}

static struct fault *take_body(struct exchange *x, const char *data, size_t len)
{
	long status = exchange_status(x);

	if (status != 200 && status != 206) {
		size_t room = HTTP_TEXT_MAX - x->answer->text.len;

		buf_add(&x->answer->text, data, len < room ? len : room);
		return NULL;
	}
	if (!x->begun)
		TRY(begin_body(x, status));
	if (x->at > x->e->max || len > x->e->max - x->at)
		return fault_new(F_CORRUPT, "fetching '%s': the body is longer than the %llu bytes "
				 "that it may have", x->url_shown, (unsigned long long)x->e->max);
	TRY(x->e->sink(x->e->context, x->at, data, len));
	x->at += len;
	return NULL;
}

static size_t on_exchange_body(char *data, size_t one, size_t len, void *context)
{
	struct exchange *x = context;

	(void)one;
	x->fault = take_body(x, data, len);
	return x->fault ? CURL_WRITEFUNC_ERROR : len;
}

static int on_exchange_tick(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total,
			    curl_off_t up_now)
{
	struct exchange *x = context;

	(void)total, (void)now, (void)up_total, (void)up_now;
	if (!x->fault)
		x->fault = cancel_check();
	if (!x->fault && x->e->stop && atomic_load(x->e->stop))
		x->fault = fault_new(F_CANCELLED, "fetching '%s' was given up", x->url_shown);
	return x->fault != NULL;
}

static void set_exchange(struct exchange *x, struct curl_slist *headers)
{
	CURL *c = x->client->curl;

	lib.curl_easy_setopt(c, CURLOPT_URL, x->e->url);
	lib.curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	/* Unset, the environment's proxy is used; the empty one is none. */
	lib.curl_easy_setopt(c, CURLOPT_PROXY, x->e->direct ? "" : NULL);
	if (x->e->form)
		lib.curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, x->e->form);
	else
		lib.curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
	lib.curl_easy_setopt(c, CURLOPT_RANGE, NULL);
	if (x->e->from) {
		AUTO_FREE char *range = xasprintf("%llu-", (unsigned long long)x->e->from);

		lib.curl_easy_setopt(c, CURLOPT_RANGE, range);
	}
	lib.curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_exchange_body);
	lib.curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
	lib.curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	lib.curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
	lib.curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_exchange_tick);
	lib.curl_easy_setopt(c, CURLOPT_XFERINFODATA, x);
}

/* What libcurl has gathered of the answer. */
static void note_answer(struct exchange *x)
{
	CURL *c = x->client->curl;
	char *text = NULL;
	curl_off_t seconds = 0;

	x->answer->status = exchange_status(x);
	if (!lib.curl_easy_getinfo(c, CURLINFO_REDIRECT_URL, &text) && text)
		x->answer->location = xstrdup(text);
	text = NULL;
	if (!lib.curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &text) && text)
		x->answer->content_type = xstrndup(text, strcspn(text, "; \t"));
	if (!lib.curl_easy_getinfo(c, CURLINFO_RETRY_AFTER, &seconds) && seconds > 0)
		x->answer->retry_after_ms =
			(seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S) * 1000;
}

static struct fault *perform(struct exchange *x)
{
	struct fault *f;
	CURLcode code;

	x->client->error[0] = '\0';
	code = lib.curl_easy_perform(x->client->curl);
	note_answer(x);
	if (x->fault)
		return steal_ptr(&x->fault);
	if (code == CURLE_OK)
		return NULL;
	/* Of a busy server's own status codes the caller knows; here it is all about transport. */
	x->answer->tries = tries_for(code, 0);
	f = fault_new(F_NETWORK, "fetching '%s': %s", x->url_shown,
		      x->client->error[0] ? x->client->error : lib.curl_easy_strerror(code));
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		f = fault_hint(f, "If its authority can be trusted, name a file with the authority's "
			       "certificate in CURL_CA_BUNDLE.");
	return f;
}

struct fault *http_exchange(struct http_client *client, const struct http_exchange *e,
			    struct http_answer *answer)
{
	struct exchange x = {.client = client, .e = e, .answer = answer};
	struct curl_slist *headers = NULL;
	struct fault *f;

	*answer = (struct http_answer){.retry_after_ms = -1};
	buf_init(&answer->text);
	TRY(cancel_check());
	x.url_shown = http_shown(e->url);
	for (size_t i = 0; e->headers && e->headers[i]; i++)
		headers = lib.curl_slist_append(headers, e->headers[i]);
	set_exchange(&x, headers);
	f = perform(&x);
	lib.curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
	lib.curl_slist_free_all(headers);
	free(x.url_shown);
	return f;
}

void http_answer_release(struct http_answer *a)
{
	free(a->location);
	free(a->content_type);
	strings_release(&a->authenticate);
	buf_release(&a->text);
	*a = (struct http_answer){.text = BUF_INIT};
}

/* -- unix sockets -- */

struct fault *http_client_open_unix(const char *path, struct http_client **out)
{
	CURL *c;

	TRY(http_client_open(out));
	c = (*out)->curl;
	lib.curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, path);
	lib.curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	lib.curl_easy_setopt(c, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	lib.curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	lib.curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, 0L); /* each call has a limit of its own */
	return NULL;
}

static size_t on_call_body(char *data, size_t one, size_t len, void *context)
{
	struct buf *body = context;
	size_t room = HTTP_CALL_MAX - body->len;

	(void)one;
	buf_add(body, data, len < room ? len : room);
	return len;
}

static int on_call_tick(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total,
			curl_off_t up_now)
{
	struct fault **cancelled = context;

	(void)total, (void)now, (void)up_total, (void)up_now;
	if (!*cancelled)
		*cancelled = cancel_check();
	return *cancelled != NULL;
}

/* The length is always said, as some servers know no other way, and no "100 Continue" is asked for. */
static void set_call(CURL *c, const struct http_call *call, const char *url,
		     struct curl_slist *headers)
{
	lib.curl_easy_setopt(c, CURLOPT_URL, url);
	lib.curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	lib.curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
	if (call->body) {
		lib.curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)strlen(call->body));
		lib.curl_easy_setopt(c, CURLOPT_POSTFIELDS, call->body);
	} else {
		lib.curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
	}
	lib.curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, call->method);
	lib.curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_call_body);
	lib.curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_call_tick);
}

struct fault *http_call(struct http_client *client, const struct http_call *call, long *status,
			struct buf *body)
{
	AUTO_FREE char *url = xasprintf("http://localhost%s", call->path);
	struct curl_slist *headers = NULL;
	struct fault *cancelled = NULL;
	CURL *c = client->curl;
	CURLcode code;

	TRY(cancel_check());
	headers = lib.curl_slist_append(headers, "Expect:");
	headers = lib.curl_slist_append(headers, "Content-Type: application/json");
	headers = lib.curl_slist_append(headers, "Accept: application/json");
	set_call(c, call, url, headers);
	lib.curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
	lib.curl_easy_setopt(c, CURLOPT_XFERINFODATA, &cancelled);
	client->error[0] = '\0';
	code = lib.curl_easy_perform(c);
	lib.curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, status);
	lib.curl_easy_setopt(c, CURLOPT_HTTPHEADER, NULL);
	lib.curl_slist_free_all(headers);
	if (cancelled)
		return cancelled;
	if (code == CURLE_OPERATION_TIMEDOUT)
		return fault_new(F_TIMEOUT, "%s %s: no answer within %d ms", call->method,
				 call->path, call->timeout_ms);
	if (code != CURLE_OK)
		return fault_new(F_NETWORK, "%s %s: %s", call->method, call->path,
				 client->error[0] ? client->error : lib.curl_easy_strerror(code));
	return NULL;
}

/* -- addresses -- */

/* Part @what of @url as an owned, lower-case string; NULL when there is none. */
static char *address_part(CURLU *url, CURLUPart what, unsigned int flags)
{
	char *text = NULL, *copy;

	if (lib.curl_url_get(url, what, &text, flags) != CURLUE_OK || !text)
		return NULL;
	copy = xstrdup(text);
	lib.curl_free(text);
	for (char *c = copy; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return copy;
}

/* "[::1]" without the brackets. */
static void strip_brackets(char *host)
{
	size_t len = host ? strlen(host) : 0;

	if (len < 2 || host[0] != '[' || host[len - 1] != ']')
		return;
	host[len - 1] = '\0';
	memmove(host, host + 1, len - 1);
}

struct fault *http_address_parse(const char *url, struct http_address *out)
{
	AUTO_FREE char *shown = http_shown(url);
	AUTO_FREE char *user = NULL;
	bool ok = false;
	CURLU *u;

	*out = (struct http_address){0};
	TRY(library_load(&library));
	u = lib.curl_url();
	if (u && lib.curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK) {
		user = address_part(u, CURLUPART_USER, 0);
		out->scheme = address_part(u, CURLUPART_SCHEME, 0);
		out->host = address_part(u, CURLUPART_HOST, 0);
		out->port = address_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
		strip_brackets(out->host);
		ok = !user && out->scheme && out->host && *out->host && out->port &&
		     (!strcmp(out->scheme, "http") || !strcmp(out->scheme, "https"));
	}
	if (u)
		lib.curl_url_cleanup(u);
	if (ok)
		return NULL;
	http_address_release(out);
	return fault_new(F_INVALID, "'%s' is not an http or https address", shown);
}

void http_address_release(struct http_address *a)
{
	free(a->scheme);
	free(a->host);
	free(a->port);
	*a = (struct http_address){0};
}

bool http_same_origin(const char *url, const char *other)
{
	AUTO_HTTP_ADDRESS a = {0}, b = {0};
	AUTO_FAULT f = http_address_parse(url, &a);

	if (!f)
		f = http_address_parse(other, &b);
	return !f && !strcmp(a.scheme, b.scheme) && !strcmp(a.host, b.host) &&
	       !strcmp(a.port, b.port);
}

bool http_is_loopback(const char *host)
{
	struct in6_addr six;
	struct in_addr four;

	if (!strcasecmp(host, "localhost"))
		return true;
	if (inet_pton(AF_INET, host, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

char *http_shown(const char *url)
{
	struct buf shown = BUF_INIT;

	text_add_printable(&shown, url, strcspn(url, "?#"));
	return buf_steal(&shown);
}

void http_add_escaped(struct buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || strchr("-._~", c);

		buf_addf(out, plain ? "%c" : "%%%02X", c);
	}
}

const char *http_library(void)
{
	AUTO_FAULT f = library_load(&library);

	return f ? NULL : lib.curl_version_info(CURLVERSION_NOW)->version;
}
