/* SPDX-License-Identifier: MIT */
/* catalog_image.h - from an entry of the catalogue to a root file system. */
#ifndef BANGER_IMAGE_CATALOG_IMAGE_H
#define BANGER_IMAGE_CATALOG_IMAGE_H

#include "base/fault.h"
#include "image/image.h"
#include "image/stage.h"
#include "image/suite.h"
#include "store/catalog.h"

/*
 * catalog_image_check() - can any source of @entry serve @options?  Said before anything is done.
 * Return: NULL; else why not, one fault for each source.
 */
struct fault *catalog_image_check(const struct catalog_entry *entry,
				  const struct image_pull *options) MUST_CHECK;

/*
 * catalog_image_build() - fill the stage from the first source of @entry that works, and @record
 * (zeroed; released by the caller in every case) with what is known but for the name.
 * Return: as bundle_build(), registry_build() and suite_image_build() when there is one source or
 * none is left to try; else a fault with those of all sources attached.
 */
struct fault *catalog_image_build(struct image_stage *stage, const struct catalog_entry *entry,
				  const struct image_pull *options,
				  struct image_record *record) MUST_CHECK;

/*
 * suite_image_build() - fill the stage with a Debian suite.  @size_bytes: 0 = default.  Return: as
 * suite_feed().
 */
struct fault *suite_image_build(struct image_stage *stage, const struct suite *suite,
				uint64_t size_bytes, struct image_record *record) MUST_CHECK;

#endif
