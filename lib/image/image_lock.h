/* SPDX-License-Identifier: MIT */
/*
 * image_lock.h - lock files: which bytes a name stood for, so that it can be insisted on later.
 *
 * A lock file is JSON with sorted entries: for each image the digest of its manifest or, where it has
 * none (built from packages, imported), of its root file system; for each kernel that of its vmlinux.
 * It is meant to be kept beside the user's own sources, so it may come from anybody.
 */
#ifndef BANGER_IMAGE_IMAGE_LOCK_H
#define BANGER_IMAGE_IMAGE_LOCK_H

#include "base/fault.h"
#include "base/json.h"
#include "store/image_record.h"
#include "store/store.h"

struct image_lock_entry {
	char *name;	 /* of the image */
	char *reference; /* whole; NULL when it came from no registry */
	char *arch;	 /* OCI name; NULL = any */
	char *digest;	 /* "sha256:<hex>" of the manifest or "blocks-sha256:<hex>" (disk/sparse.h) */
};

struct kernel_lock_entry {
	char *name;
	char *sha256; /* hex, of vmlinux */
};

struct image_locks {
	char *path; /* of the file, for messages; not in it */
	struct records images;	/* of struct image_lock_entry, sorted by name */
	struct records kernels; /* of struct kernel_lock_entry, sorted by name */
};

extern const struct record_type image_locks_type;

void image_locks_release(struct image_locks *locks);
#define AUTO_IMAGE_LOCKS __attribute__((cleanup(image_locks_release))) struct image_locks

/* image_locks_read() - from the file @path.  F_NOT_FOUND; F_CORRUPT with what is wrong; F_NEWER. */
struct fault *image_locks_read(const char *path, struct image_locks *locks) MUST_CHECK;
/*
 * image_locks_make() - of the images @names (none = all), and of those kernels that they start with
 * and that are there.  @default_kernel: for images that want no certain one.
 * Return: F_NOT_FOUND; and the faults of reading images.
 */
struct fault *image_locks_make(const struct store *s, const struct strings *names,
			       const char *default_kernel, struct image_locks *locks) MUST_CHECK;

/*
 * image_locks_digest() - the digest that @wanted, an image's name or a reference, must have.
 * @arch: OCI name.  @digest: borrowed.  F_NOT_FOUND when the file does not say.
 */
struct fault *image_locks_digest(const struct image_locks *locks, const char *wanted,
				 const char *arch, const char **digest) MUST_CHECK;
/* image_locks_kernel() - F_STATE unless kernel @name is there and the one that is locked. */
struct fault *image_locks_kernel(const struct image_locks *locks, const struct store *s,
				 const char *name) MUST_CHECK;

/* image_digest_check() - F_STATE, naming both, unless @found is @wanted; NULL @wanted: any. */
struct fault *image_digest_check(const char *what, const char *wanted,
				 const char *found) MUST_CHECK;
/* image_digest() - of the image @name with @record, as in a lock file.  Owned. */
struct fault *image_digest(const struct store *s, const char *name,
			   const struct image_record *record, char **digest) MUST_CHECK;

#endif
