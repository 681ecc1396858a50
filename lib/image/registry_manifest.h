/* SPDX-License-Identifier: MIT */
/* registry_manifest.h - from a reference to the manifest and configuration of one platform. */
#ifndef BANGER_IMAGE_REGISTRY_MANIFEST_H
#define BANGER_IMAGE_REGISTRY_MANIFEST_H

#include "base/fault.h"
#include "image/blob_cache.h"
#include "image/oci.h"
#include "image/reference.h"
#include "image/registry.h"

struct resolved {
	char *digest; /* of the manifest, "sha256:<hex>" */
	struct oci_manifest manifest;
	struct oci_config config;
};

struct resolver {
	const struct reference *reference;
	const struct blob_cache *cache;
	struct registry *registry; /* NULL = only the cache is asked */
	struct http_client *client;
	const char *platform; /* NULL = this host's */
	struct progress *progress;
};

/*
 * resolve() - every document on the way is hashed and compared with what was asked for; what the
 * server says about digests is not looked at.
 * Return: as registry_build().  Release @out only after success.
 */
struct fault *resolve(const struct resolver *r, struct resolved *out) MUST_CHECK;
void resolved_release(struct resolved *r);

#endif
