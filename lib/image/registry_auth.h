/* SPDX-License-Identifier: MIT */
/*
 * registry_auth.h - what to show to one registry: nothing, a user name and password, or a token that
 * another server gives for them (the distribution project's token authentication).
 *
 * Several threads may use one; the first that is refused asks for a token, the others wait for it.
 * What is learnt is kept as long as the structure lives.
 */
#ifndef BANGER_IMAGE_REGISTRY_AUTH_H
#define BANGER_IMAGE_REGISTRY_AUTH_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/http.h"
#include "image/reference.h"

struct registry_auth;

/* @reference: borrowed.  @plain_http: may secrets and tokens go over plain HTTP to other machines? */
struct registry_auth *registry_auth_new(const struct reference *reference, bool plain_http);
void registry_auth_free(struct registry_auth *a); /* NULL allowed */

/*
 * registry_auth_header() - the whole header to send, "Authorization: ...", or NULL for none.  Owned,
 * end it with secret_free().  *@version: for registry_auth_refused().
 */
char *registry_auth_header(struct registry_auth *a, unsigned int *version);

/*
 * registry_auth_refused() - a server answered 401 to a request with the header of @version, and
 * wants @challenges.  @plain: it is itself spoken to in plain HTTP.
 * Return: NULL when it is worth asking again; F_DENIED when there is nothing (else) to show;
 * F_UNSUPPORTED; F_NETWORK and others from the way to the token and credentials.
 */
struct fault *registry_auth_refused(struct registry_auth *a, struct http_client *client,
				    const struct strings *challenges, bool plain,
				    unsigned int version) MUST_CHECK;
/* registry_auth_denied() - the fault for a server that has seen all there is to show. */
struct fault *registry_auth_denied(struct registry_auth *a) MUST_CHECK;

#endif
