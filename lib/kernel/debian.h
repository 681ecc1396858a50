/* SPDX-License-Identifier: MIT */
/*
 * debian.h - packages from a Debian archive, checked from the signature down.
 *
 * Theory of operation.  gpgv checks the InRelease file of a suite against Debian's archive keys and hands out
 * the text that was signed.  That text names the digest and size of the package index; the index
 * names those of each package.  Everything that was fetched is compared before it is used, so the
 * mirror and the way to it need not be trusted.  Files go to unnamed temporary files: no crash
 * leaves one behind.
 */
#ifndef BANGER_KERNEL_DEBIAN_H
#define BANGER_KERNEL_DEBIAN_H

#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/progress.h"

struct debian_archive {
	const char *uri;   /* "https://deb.debian.org/debian" */
	const char *suite; /* "bookworm" */
	const char *const *keyrings; /* absolute paths, NULL-terminated; absent ones are left out */
	int cache;	   /* directory for temporary files, borrowed */
	struct progress *progress;
};

/* Debian's own archive keys, as the package debian-archive-keyring installs them. */
extern const char *const debian_keyrings[];

/* What a verified Release file says. */
struct debian_release {
	char *distro;	   /* "debian 12"; NULL = it does not say */
	bool by_hash;	   /* files can be fetched by digest (Acquire-By-Hash) */
	char *index_path;  /* of the package index, below dists/<suite>/ */
	char *index_sha256;
	uint64_t index_bytes;
};

/*
 * debian_release_fetch() - fetch and verify InRelease, find the index for architecture @arch ("amd64").
 * Return: NULL and *@release, see debian_release_release(); F_CORRUPT when the signature, the suite or
 * the date is wrong; F_MISSING without gpgv or keys; F_NOT_FOUND without such a suite; as http_get().
 */
struct fault *debian_release_fetch(const struct debian_archive *a, const char *arch,
				   struct debian_release *release) MUST_CHECK;
/* The same from the text that was signed: for tests.  @now: seconds since the epoch. */
struct fault *debian_release_read(const char *text, const char *suite, const char *arch, int64_t now,
				  struct debian_release *release) MUST_CHECK;
void debian_release_release(struct debian_release *release);

struct debian_package {
	char *name, *version, *depends, *path, *sha256; /* owned; path is below the archive's URI */
	uint64_t bytes;
};

void debian_package_release(struct debian_package *p);

/*
 * debian_kernel_find() - the package with the kernel that metapackage @package depends on, or @package
 * itself when it is the kernel.
 * Return: NULL; F_NOT_FOUND; F_CORRUPT; as http_get().
 */
struct fault *debian_kernel_find(const struct debian_archive *a, const struct debian_release *release,
				 const char *package, struct debian_package *out) MUST_CHECK;

/* debian_package_fetch() - fetch @p into an unnamed file.  *@fd: owned.  F_CORRUPT when it differs. */
struct fault *debian_package_fetch(const struct debian_archive *a, const struct debian_package *p,
				   int *fd) MUST_CHECK;

/* debian_version_compare() - as dpkg does: less than, equal to or greater than 0. */
int debian_version_compare(const char *a, const char *b);

/* --- between the files of this module ------------------------------------------------------- */

/* debian_fetch() - fetch @path below the archive into an unnamed file and check size and digest. */
struct fault *debian_fetch(const struct debian_archive *a, const char *path, uint64_t bytes,
			   const char *sha256, int *fd) MUST_CHECK;

/* debian_size() - a size of 1 to @max bytes in an index.  F_CORRUPT. */
struct fault *debian_size(const char *text, uint64_t max, uint64_t *bytes) MUST_CHECK;

/* Collects the packages of an index whose names start with a prefix. */
struct debian_index {
	const char *prefix;
	struct records packages; /* of struct debian_package */
	struct debian_package current;
	struct buf line; /* the unfinished one */
};

/* debian_index_add() - feed the next bytes of the index.  F_CORRUPT. */
struct fault *debian_index_add(struct debian_index *x, const char *data, size_t len) MUST_CHECK;
/* debian_index_end() - the index is complete. */
struct fault *debian_index_end(struct debian_index *x) MUST_CHECK;
void debian_index_release(struct debian_index *x);
/* debian_index_choose() - see debian_kernel_find().  @out: owned copy. */
struct fault *debian_index_choose(const struct debian_index *x, const char *package,
				  struct debian_package *out) MUST_CHECK;

#endif
