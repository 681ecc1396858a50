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

#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
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

/* The version of libcurl, "7.88.1"; NULL when it is missing.  Static. */
const char *http_library(void);

#endif
