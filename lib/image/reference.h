/* SPDX-License-Identifier: MIT */
/*
 * reference.h - names of images in registries: "alpine", "quay.io/org/app:1.2",
 * "localhost:5000/app@sha256:<64 hex>".
 *
 * A short name means Docker Hub: "alpine" is docker.io/library/alpine:latest.  The first component
 * is a registry only when it has a dot or a colon, or is "localhost".
 */
#ifndef BANGER_IMAGE_REFERENCE_H
#define BANGER_IMAGE_REFERENCE_H

#include <stdbool.h>

#include "base/fault.h"

struct reference {
	char *registry;	  /* as people write it: "docker.io", "localhost:5000" */
	char *repository; /* "library/alpine" */
	char *tag;	  /* NULL only when there is a digest */
	char *digest;	  /* "sha256:<hex>"; NULL = none.  It decides when both are there. */
};

/*
 * reference_parse() - F_INVALID with what is wrong; F_UNSUPPORTED for a digest of another kind.
 * Nothing to release after a fault.
 */
struct fault *reference_parse(const char *text, struct reference *out) MUST_CHECK;
void reference_release(struct reference *r);

/* reference_text() - the whole name, "docker.io/library/alpine:latest": equal for equal images.
 * Owned. */
char *reference_text(const struct reference *r);
/* reference_host() - host[:port] that answers for the registry: not what docker.io says.  Static or
 * borrowed from @r. */
const char *reference_host(const struct reference *r);
/* reference_object() - what names the manifest at the registry: the digest, else the tag. */
const char *reference_object(const struct reference *r);
/* reference_name() - a name for the image made of it, without the registry: "alpine", "python-3.12",
 * "org-app-1.2".  Owned. */
char *reference_name(const struct reference *r);

#define AUTO_REFERENCE __attribute__((cleanup(reference_release))) struct reference

#endif
