/* SPDX-License-Identifier: MIT */
/* suite.h - a Debian release as a root file system, made by mmdebstrap from a package mirror. */
#ifndef BANGER_IMAGE_SUITE_H
#define BANGER_IMAGE_SUITE_H

#include "base/fault.h"
#include "base/json.h"
#include "base/progress.h"
#include "image/builder.h"

struct suite {
	const char *suite;	       /* "bookworm"; borrowed */
	const struct strings *include; /* packages beside the essential ones; borrowed */
	const char *label;	       /* the image's name, for progress; borrowed */
	struct progress *progress;     /* may be NULL */
};

/* suite_check() - F_INVALID a suite or package name that cannot be one. */
struct fault *suite_check(const struct suite *suite) MUST_CHECK;

/*
 * suite_feed() - run mmdebstrap and stream what it makes into @builder as its only layer.  Packages
 * come from the mirror of this host's apt (mirror_find()); apt checks their signatures against
 * Debian's archive keys.  Needs no root: a range of subordinate user ids, or fakechroot.
 * @source: out, owned, for the record: "bookworm from http://...".
 * Return: F_MISSING a program or file on this host, with what to install; F_INVALID a suite or
 * package name that cannot be one; F_TOOL mmdebstrap failed, with what it said; F_CANCELLED (it is
 * stopped and has cleaned up); those of image_builder_layer().
 */
struct fault *suite_feed(const struct suite *suite, struct image_builder *builder,
			 char **source) MUST_CHECK;

#endif
