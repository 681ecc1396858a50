/* SPDX-License-Identifier: MIT */
/* build.h - Debian images with packages of the user's choice. */
#ifndef BANGER_IMAGE_BUILD_H
#define BANGER_IMAGE_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/progress.h"
#include "store/store.h"

struct image_build {
	const char *suite;	/* "bookworm" */
	struct strings include; /* packages */
	const char *name;	/* NULL = debian-<suite> */
	uint64_t size_bytes;	/* 0 = default */
	bool minimal;		/* not even what the catalogue's image of that suite has */
	bool force;
	struct progress *progress; /* may be NULL */
};

/* image_build() - @name: out, owned.  Return: F_EXISTS; F_BUSY; those of suite_feed(). */
struct fault *image_build(const struct store *s, const struct image_build *build,
			  char **name) MUST_CHECK;

#endif
