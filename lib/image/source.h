/* SPDX-License-Identifier: MIT */
/*
 * source.h - what the user gave to `image import`, told apart by content, never by name.
 *
 * An image archive (OCI layout or docker save in a tar) must be read out of order.  A plain tar
 * file is indexed and read in place; a compressed one or one from a pipe is first unpacked into an
 * unlinked temporary file in the state directory's cache.
 */
#ifndef BANGER_IMAGE_SOURCE_H
#define BANGER_IMAGE_SOURCE_H

#include <stdint.h>

#include "base/fault.h"
#include "base/progress.h"
#include "image/blob.h"
#include "image/vault.h"
#include "store/store.h"

enum source_kind {
	SOURCE_DIRECTORY, /* fd: a root file system as a directory */
	SOURCE_TAR,	  /* fd: a root file system as a plain tar file, at offset 0 */
	SOURCE_STREAM,	  /* blob: a root file system as a tar, compressed or from a pipe */
	SOURCE_EXT4,	  /* fd: a file that is an ext4 file system */
	SOURCE_IMAGES,	  /* vault: an OCI layout or a docker-save archive */
};

struct source {
	enum source_kind kind;
	char *what;	/* for messages: "'app.tar'", "standard input" */
	char *given;	/* as the user wrote it, for the record */
	char *stem;	/* file name without endings, for the image's name; NULL = none */
	char *tag;	/* what followed the path; NULL = nothing */
	uint64_t bytes;	/* as stored; 0 = unknown */
	int fd;		/* -1 = not used by this kind */
	struct blob *blob;
	struct vault vault;
};
#define SOURCE_INIT ((struct source){ .fd = -1, .vault = { .dir = -1, .file = -1 } })

struct source_options {
	const struct store *store; /* for the temporary file */
	int input;		   /* borrowed: what "-" means */
	uint64_t spool_max;	   /* longest temporary file, bytes */
	struct progress *progress; /* may be NULL */
};

/*
 * source_open() - open @text: a path, a path and ":tag", or "-".
 * Return: F_NOT_FOUND; F_INVALID when it is nothing that can be imported, or a tag stands where
 * there can be none; F_NO_SPACE; F_CORRUPT; F_CANCELLED; F_SYS.
 * *@out must be released in every case.
 */
struct fault *source_open(const char *text, const struct source_options *options,
			  struct source *out) MUST_CHECK;
void source_release(struct source *source);

#define AUTO_SOURCE __attribute__((cleanup(source_release))) struct source

#endif
