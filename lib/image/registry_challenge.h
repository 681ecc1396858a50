/* SPDX-License-Identifier: MIT */
/* registry_challenge.h - what a server wants to see: WWW-Authenticate (RFC 9110, 11.6.1). */
#ifndef BANGER_IMAGE_REGISTRY_CHALLENGE_H
#define BANGER_IMAGE_REGISTRY_CHALLENGE_H

#include "base/json.h"

#define CHALLENGES_KEPT	    16
#define CHALLENGE_VALUE_MAX 4096

struct challenge {
	char *scheme; /* lower case: "basic", "bearer" */
	char *realm, *service, *scope; /* NULL = not said */
};

/*
 * challenges_parse() - every challenge of these header values, in order; what cannot be understood
 * ends the header that it is in.  @out: zeroed records of struct challenge, added to.
 */
void challenges_parse(const struct strings *headers, struct records *out);
void challenges_release(struct records *list);

#endif
