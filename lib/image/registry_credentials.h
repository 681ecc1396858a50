/* SPDX-License-Identifier: MIT */
/*
 * registry_credentials.h - user names and passwords that other programs keep for registries.
 *
 * In this order: $REGISTRY_AUTH_FILE, $XDG_RUNTIME_DIR/containers/auth.json,
 * ~/.config/containers/auth.json, $DOCKER_CONFIG/config.json, ~/.docker/config.json; the first that
 * knows the registry counts.  An entry holds the secret itself or names a program
 * (docker-credential-NAME) that does.  Nothing of what is read here ever gets into a message.
 */
#ifndef BANGER_IMAGE_REGISTRY_CREDENTIALS_H
#define BANGER_IMAGE_REGISTRY_CREDENTIALS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/fault.h"
#include "image/reference.h"

struct credentials {
	char *user, *password; /* both or none */
	char *identity_token;  /* of OAuth2, to be changed for an access token; NULL = none */
};

/*
 * credentials_find() - what there is for the registry and repository of @r; all NULL when there is
 * nothing.  Release it in every case.
 * Return: F_CORRUPT a file that is not what it should be, by its name only; F_MISSING, F_TOOL,
 * F_TIMEOUT about a helper program; F_DENIED, F_SYS; F_CANCELLED.
 */
struct fault *credentials_find(const struct reference *r, struct credentials *out) MUST_CHECK;
/* credentials_parse() - the same from the text of one such file.  *@helper: the program to ask,
 * owned, or NULL; *@server: the name under which it knows the registry, owned. */
struct fault *credentials_parse(const char *text, size_t len, const char *what,
				const struct reference *r, struct credentials *out, char **helper,
				char **server) MUST_CHECK;
bool credentials_empty(const struct credentials *c);
/* credentials_release() - wipe and free. */
void credentials_release(struct credentials *c);

/* secret_free() - wipe a string and free it; NULL allowed. */
void secret_free(char *secret);
/* credentials_basic() - the value of an Authorization header, "Basic <base64>".  Owned. */
char *credentials_basic(const struct credentials *c);

#endif
