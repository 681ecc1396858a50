/* SPDX-License-Identifier: MIT */
/*
 * catalog.h - names of images and kernels that can be pulled, and where they come from.
 *
 * The catalogue is packaging/catalog.json, built into the program, extended by the files
 * /etc/banger/catalog.d/<name>.json and then $XDG_CONFIG_HOME/banger/catalog.d/<name>.json, each
 * directory in the order of its names.  Of two entries with one name the later counts, whole.
 *
 * A name has an ordered list of sources; which types are understood is for the layers that pull.
 * Types that are not known here are kept: a file may be written for a newer program.
 */
#ifndef BANGER_STORE_CATALOG_H
#define BANGER_STORE_CATALOG_H

#include <sys/types.h>

#include "base/fault.h"
#include "base/json.h"

#define CATALOG_SYSTEM_DIR "/etc/banger/catalog.d"

#define SOURCE_BUNDLE	     "bundle"	     /* url, sha256 */
#define SOURCE_OCI	     "oci"	     /* reference */
#define SOURCE_DEBIAN_SUITE  "debian-suite"  /* suite */
#define SOURCE_DEBIAN_KERNEL "debian-kernel" /* suite, package */

struct catalog_source {
	char *type;	 /* one of the above */
	char *arch;	 /* OCI name: only for machines of this kind; NULL = for all */
	char *suite;	 /* "bookworm" */
	char *package;	 /* kernels: the package that depends on or is the kernel */
	struct strings include; /* images: packages beside the essential ones */
	char *url;	 /* bundle: http, https or file address, or an absolute path */
	char *sha256;	 /* bundle: hex digest of the whole file */
	uint64_t size;	 /* bundle: bytes of the file; 0 = unknown */
	char *reference; /* oci: "docker.io/library/alpine:3.20" */
	char *digest;	 /* oci: "sha256:<hex>" that the manifest must have; NULL = any */
};

struct catalog_entry {
	char *name;
	char *description;
	char *kernel; /* images: kernel that they want; NULL = the default one */
	struct records sources; /* of struct catalog_source, first choice first, never empty */
};

struct catalog {
	struct records images, kernels; /* of struct catalog_entry */
};

/*
 * catalog_load() - the whole catalogue; release with catalog_release().
 * Return: F_CORRUPT, F_NEWER naming file and field; F_DENIED when we are root and others could have
 * written a file; F_SYS.
 */
struct fault *catalog_load(struct catalog *catalog) MUST_CHECK;
/* catalog_read() - one file's text.  @what: for messages. */
struct fault *catalog_read(const char *text, size_t len, const char *what,
			   struct catalog *catalog) MUST_CHECK;
/*
 * catalog_add_directory() - read the *.json files of @path over what is in @catalog; a directory
 * that is not there is fine.  @owner: who may own them beside root when we are root.
 */
struct fault *catalog_add_directory(struct catalog *catalog, const char *path,
				    uid_t owner) MUST_CHECK;
void catalog_release(struct catalog *catalog);

/* The catalogue as JSON, for showing entries to paste. */
extern const struct record_type catalog_type;

/* catalog_find() - the entry called @name of catalog->images or ->kernels, borrowed, or NULL. */
const struct catalog_entry *catalog_find(const struct records *entries, const char *name);
/* The @index-th source of an entry, borrowed. */
const struct catalog_source *catalog_source_at(const struct catalog_entry *entry, size_t index);
/* catalog_names() - all names, as "a, b, c" for messages.  Owned. */
char *catalog_names(const struct records *entries);

#define AUTO_CATALOG __attribute__((cleanup(catalog_release))) struct catalog

#endif
