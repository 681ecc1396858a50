/* SPDX-License-Identifier: MIT */
/*
 * http.h - fetching over HTTP and HTTPS (libcurl; http.c is the only file that includes curl.h).
 *
 * Certificates are always checked.  CURL_CA_BUNDLE or SSL_CERT_FILE and SSL_CERT_DIR name other
 * certificates than the system's; http_proxy, https_proxy, all_proxy and no_proxy are honoured.
 * A server that goes silent, or slower than 1 KiB/s for 30 seconds, has failed.  What may be
 * passing (a time-out, a broken connection, 408, 429, 5xx) is tried again, up to five times with growing
 * pauses, going on where the body broke off.
 */
#ifndef BANGER_BASE_HTTP_H
#define BANGER_BASE_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/progress.h"

struct http_get {
	const char *url;     /* http:// or https:// */
	const char *const *headers; /* "Name: value", NULL-terminated; NULL = none */
	uint64_t size;	     /* of the body when it is known, for progress; 0 = unknown */
	uint64_t max;	     /* longest body that is accepted */
	struct progress *progress; /* may be NULL */
	/* Takes the body piece by piece, each byte once whatever is tried again. */
	struct fault *(*sink)(void *context, const void *data, size_t len);
	void *context;
};

/*
 * http_get() - fetch.  At most five redirects are followed, from https to https only.
 * Return: NULL when the whole body of a 200 was delivered; F_NOT_FOUND for 404 and 410; F_DENIED for 401
 * and 403; F_CORRUPT when the body is longer than @max; F_NETWORK otherwise; F_CANCELLED; what the sink
 * returned.
 */
struct fault *http_get(const struct http_get *get) MUST_CHECK;

/* http_get_buf() - the same into memory. */
struct fault *http_get_buf(const char *url, uint64_t max, struct progress *progress,
			   struct buf *out) MUST_CHECK;

/* ----------------------------------------------------------------------------- single exchanges */

/*
 * For protocols that must see every answer: one request, one answer, whatever its status.  Nothing
 * is tried again and no redirect is followed.
 *
 * A client keeps its connections for the next exchange.  It is for one thread at a time.
 */
struct http_client;

/* http_client_open() - F_MISSING without libcurl; F_SYS. */
struct fault *http_client_open(struct http_client **out) MUST_CHECK;
void http_client_close(struct http_client *client); /* NULL allowed */

struct http_exchange {
	const char *url;	    /* no user name in it; what follows a '?' is never shown */
	const char *const *headers; /* "Name: value", NULL-terminated; NULL = none */
	const char *form;	    /* sent by POST as an HTML form; NULL = GET */
	uint64_t from;		    /* ask for the body's bytes from this one on */
	uint64_t max;		    /* offset that the body must not go beyond */
	bool direct;		    /* past any proxy, for servers on this machine */
	const atomic_bool *stop;    /* gives up when it becomes true; may be NULL */
	/* Takes the body of a 200 or 206.  A 200 starts at byte 0, whatever `from` is. */
	struct fault *(*sink)(void *context, uint64_t offset, const void *data, size_t len);
	void *context;
};

#define HTTP_TEXT_MAX 16384 /* of the body of any other answer */

struct http_answer {
	long status;
	char *location;		     /* where a redirect leads, absolute; NULL = nowhere */
	char *content_type;	     /* without parameters; NULL = none */
	struct strings authenticate; /* every WWW-Authenticate */
	int64_t retry_after_ms;	     /* -1 = not said */
	struct buf text;	     /* the beginning of the body when it was neither 200 nor 206 */
	int tries;		     /* after a fault: how many in all are worth while */
};

/*
 * http_exchange() - @answer is filled whatever is returned; release it in every case.
 * Return: NULL when an answer came, whole; F_CORRUPT when it goes beyond @max or is not the range
 * that was asked for; F_NETWORK; F_CANCELLED by a signal or by *@stop; what the sink returned.
 */
struct fault *http_exchange(struct http_client *client, const struct http_exchange *e,
			    struct http_answer *answer) MUST_CHECK;
void http_answer_release(struct http_answer *answer);

/* ----------------------------------------------------------------------------- unix sockets */

/*
 * http_client_open_unix() - a client of the one server that listens at @path, at most 107 bytes; no
 * proxy, no redirect, and one connection that is kept from call to call.
 */
struct fault *http_client_open_unix(const char *path, struct http_client **out) MUST_CHECK;

struct http_call {
	const char *method; /* "GET", "PUT" ... */
	const char *path;   /* "/machine-config" */
	const char *body;   /* JSON; NULL = none */
	int timeout_ms;	    /* for all of it */
};
/*
 * http_call() - one request and its answer, whatever its status.  @body: initialised; is given the
 * first HTTP_CALL_MAX bytes of the answer's body.
 * Return: NULL and *@status; F_TIMEOUT; F_NETWORK when the connection broke; F_CANCELLED.
 */
#define HTTP_CALL_MAX (1u << 20)
struct fault *http_call(struct http_client *client, const struct http_call *call, long *status,
			struct buf *body) MUST_CHECK;

/* An address taken apart. */
struct http_address {
	char *scheme; /* lower case */
	char *host;   /* lower case; an IPv6 address without its brackets */
	char *port;   /* always set for http and https */
};
/* http_address_parse() - F_INVALID when it is no http or https address, or has a user name. */
struct fault *http_address_parse(const char *url, struct http_address *out) MUST_CHECK;
void http_address_release(struct http_address *a);
/* Same scheme, host and port? */
bool http_same_origin(const char *url, const char *other);
/* http_is_loopback() - does this host name or address always mean this machine? */
bool http_is_loopback(const char *host);
/* http_shown() - @url without what follows a '?', with odd bytes escaped: for messages.  Owned. */
char *http_shown(const char *url);
/* http_add_escaped() - append @text as part of a query or form. */
void http_add_escaped(struct buf *out, const char *text);

#define AUTO_HTTP_ANSWER __attribute__((cleanup(http_answer_release))) struct http_answer
#define AUTO_HTTP_ADDRESS __attribute__((cleanup(http_address_release))) struct http_address

/* The version of libcurl, "7.88.1"; NULL when it is missing.  Static. */
const char *http_library(void);

#endif
