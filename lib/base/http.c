/* SPDX-License-Identifier: MIT */
#include "base/http.h"

#define CURL_DISABLE_TYPECHECK /* its macros cannot call through a pointer */
#include <curl/curl.h>
#include <poll.h>
#include <string.h>

#include "base/cancel.h"
#include "base/library.h"

/* What is used of the library, which is loaded when it is first needed. */
/* clang-format off */
#define FUNCTIONS(X) \
	X(curl_easy_cleanup) X(curl_easy_getinfo) X(curl_easy_init) X(curl_easy_perform) \
	X(curl_easy_setopt) X(curl_easy_strerror) X(curl_global_init) X(curl_slist_append) \
	X(curl_slist_free_all) X(curl_version_info)
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

static struct fault *set_up(struct transfer *t, struct curl_slist *headers)
{
	CURL *c = t->curl;
	bool tls = !strncmp(t->get->url, "https://", 8);

	if (!tls && strncmp(t->get->url, "http://", 7))
		return fault_new(F_INVALID, "'%s' is not an http or https address", t->get->url);
	lib.curl_easy_setopt(c, CURLOPT_URL, t->get->url);
	lib.curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	lib.curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, tls ? "https" : "http,https");
	lib.curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	lib.curl_easy_setopt(c, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	lib.curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
	lib.curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	lib.curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	lib.curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES);
	lib.curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, LOW_SPEED_SECONDS);
	lib.curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	lib.curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	lib.curl_easy_setopt(c, CURLOPT_USERAGENT, "banger");
	lib.curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	lib.curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error);
	lib.curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	lib.curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	lib.curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	lib.curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
	lib.curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	use_certificates(c);
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

const char *http_library(void)
{
	AUTO_FAULT f = library_load(&library);

	return f ? NULL : lib.curl_version_info(CURLVERSION_NOW)->version;
}
