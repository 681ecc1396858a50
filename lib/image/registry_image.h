/* SPDX-License-Identifier: MIT */
/* registry_image.h - from a reference to a root file system. */
#ifndef BANGER_IMAGE_REGISTRY_IMAGE_H
#define BANGER_IMAGE_REGISTRY_IMAGE_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/progress.h"
#include "image/reference.h"
#include "image/stage.h"

struct registry_pull {
	const struct reference *reference; /* borrowed */
	const char *platform;		   /* "linux/arm64"; NULL = this host's */
	uint64_t size_bytes;		   /* of the root file system; 0 = by the size of the layers */
	const char *digest;		   /* that its manifest must have; NULL = any */
	bool offline;			   /* only what is in the cache; no socket is opened */
	bool plain_http;
	struct progress *progress; /* may be NULL */
};

/*
 * registry_build() - write the image into the rootfs.ext4 of @stage and all that is known about it,
 * but for its name, into @record (zeroed; released by the caller in every case).
 * Return: F_NOT_FOUND no such image or platform, or not in the cache with `offline`; F_DENIED;
 * F_STATE another digest, before any layer is fetched;
 * F_CORRUPT; F_UNSUPPORTED; F_NETWORK; F_NO_SPACE; F_CANCELLED; F_SYS.
 */
struct fault *registry_build(struct image_stage *stage, const struct registry_pull *pull,
			     struct image_record *record) MUST_CHECK;

#endif
