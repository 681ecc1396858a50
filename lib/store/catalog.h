/* SPDX-License-Identifier: MIT */
/*
 * catalog.h - names of images and kernels that can be pulled, and where they come from.
 *
 * The catalogue is packaging/catalog.json, built into the program.  A name has an ordered list of
 * sources; which types are understood is for the layers that pull.
 */
#ifndef BANGER_STORE_CATALOG_H
#define BANGER_STORE_CATALOG_H

#include "base/fault.h"
#include "base/json.h"

struct catalog_source {
	char *type;	/* "debian-suite", "debian-kernel" */
	char *suite;	/* "bookworm" */
	char *package;	/* kernels: the package that depends on or is the kernel */
	struct strings include; /* images: packages beside the essential ones */
};

struct catalog_entry {
	char *name;
	char *description;
	struct records sources; /* of struct catalog_source, first choice first, never empty */
};

struct catalog {
	struct records images, kernels; /* of struct catalog_entry */
};

/* catalog_load() - read the built-in catalogue; release with catalog_release(). F_CORRUPT. */
struct fault *catalog_load(struct catalog *catalog) MUST_CHECK;
/* catalog_read() - the same from JSON text.  @what: for messages. */
struct fault *catalog_read(const char *text, size_t len, const char *what,
			   struct catalog *catalog) MUST_CHECK;
void catalog_release(struct catalog *catalog);

/* catalog_find() - the entry called @name of catalog->images or ->kernels, borrowed, or NULL. */
const struct catalog_entry *catalog_find(const struct records *entries, const char *name);
/* The @index-th source of an entry, borrowed. */
const struct catalog_source *catalog_source_at(const struct catalog_entry *entry, size_t index);
/* catalog_names() - all names, as "a, b, c" for messages.  Owned. */
char *catalog_names(const struct records *entries);

#define AUTO_CATALOG __attribute__((cleanup(catalog_release))) struct catalog

#endif
