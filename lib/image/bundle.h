/* SPDX-License-Identifier: MIT */
/*
 * bundle.h - an image in one file: a tar, compressed with zstd, of exactly two regular files,
 * rootfs.ext4 (holes left out) and manifest.json.
 *
 * The manifest has the form of image.json.  Of a bundle that somebody else made only what describes the
 * content is taken over (architecture, system, kernel, configuration); where it says that it came
 * from is its maker's word and is not recorded.
 */
#ifndef BANGER_IMAGE_BUNDLE_H
#define BANGER_IMAGE_BUNDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/progress.h"
#include "image/stage.h"
#include "store/catalog.h"
#include "store/store.h"

/*
 * bundle_build() - put the bundle of @source into the stage and what is known about it, but for its
 * name, into @record.  What is fetched is hashed while it comes and looked into only when its digest
 * is the catalogue's.
 * Return: F_CORRUPT a wrong digest or length, anything but the two members, no clean file system;
 * F_NOT_FOUND; F_INVALID an address that is none; F_NETWORK; F_NO_SPACE; F_CANCELLED; F_SYS.
 */
struct fault *bundle_build(struct image_stage *stage, const struct catalog_source *source,
			   bool offline, struct progress *progress,
			   struct image_record *record) MUST_CHECK;

struct bundle_facts {
	char sha256[65];
	uint64_t size; /* of the file */
};

/*
 * image_bundle() - make a bundle of image @name.  The same image always gives the same bytes (as long
 * as libarchive and libzstd are the same).
 * @sink: takes the file in pieces.  Return: F_NOT_FOUND; F_MISSING, F_STATE about a registered file;
 * F_CANCELLED; F_SYS; the sink's.
 */
struct fault *image_bundle(const struct store *s, const char *name,
			   struct fault *(*sink)(void *context, const void *data, size_t len),
			   void *context, struct progress *progress,
			   struct bundle_facts *facts) MUST_CHECK;

#endif
