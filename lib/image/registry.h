/* SPDX-License-Identifier: MIT */
/*
 * registry.h - asking one registry for manifests and blobs of one repository (OCI distribution-spec
 * 1.1; Docker's registry API version 2).
 *
 * HTTPS, always verified; plain HTTP only for registries on this machine, which are asked how they
 * want to be spoken to, and where the user allows it.  Authentication, redirects (credentials stay
 * with the registry), busy servers and broken transfers are dealt with here.
 */
#ifndef BANGER_IMAGE_REGISTRY_H
#define BANGER_IMAGE_REGISTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/http.h"
#include "base/progress.h"
#include "image/reference.h"

struct registry;

/*
 * registry_open() - @reference and @progress (may be NULL) are borrowed.  Asks a registry on this
 * machine whether it speaks TLS; nothing else is sent yet.
 */
struct fault *registry_open(const struct reference *reference, bool plain_http,
			    struct progress *progress, struct registry **out) MUST_CHECK;
void registry_close(struct registry *r); /* NULL allowed */

struct registry_get {
	const char *path;	 /* below /v2/<repository>/: "manifests/latest" */
	const char *what;	 /* for messages: "layer 2 of 'alpine'" */
	const char *accept;	 /* a whole header; NULL = none */
	uint64_t from;		 /* the first byte that is wanted */
	uint64_t max;		 /* F_CORRUPT when the body goes beyond this offset */
	uint64_t size;		 /* where the body must end; 0 = anywhere */
	const atomic_bool *stop; /* may be NULL */
	/* Takes the bytes from `from` on, each once and in order, whatever is tried again. */
	struct fault *(*sink)(void *context, const void *data, size_t len);
	void *context;
};

/*
 * registry_get() - fetch, with @client; several threads may do so with one client each.
 * @content_type: out, owned, may be NULL when the server does not say; NULL = not wanted.
 * Return: NULL when the body has been delivered to its end; F_NOT_FOUND; F_DENIED; F_CORRUPT;
 * F_NETWORK; F_CANCELLED by a signal or *@stop; the sink's fault; those of registry_auth_refused().
 */
struct fault *registry_get(struct registry *r, struct http_client *client,
			   const struct registry_get *get, char **content_type) MUST_CHECK;

#endif
