/* SPDX-License-Identifier: MIT */
/*
 * builder.h - writing one root file system from the layers of an image.
 *
 * Layers are given from the TOP one down to the base and each is read exactly once.  They are
 * merged by the OCI image specification (layer.md): whiteouts, opaque directories, hard links to
 * files of the same or a lower layer, a file replaced by a directory and the reverse.  Paths are
 * resolved inside the image's own tree as it is at that layer; the host's tree is never touched.
 *
 * After any fault the only allowed call is image_builder_free(); the file is then worthless.
 */
#ifndef BANGER_IMAGE_BUILDER_H
#define BANGER_IMAGE_BUILDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/archive_reader.h"
#include "base/fault.h"
#include "base/progress.h"

struct image_builder; /* one root file system being written */

struct image_builder_options {
	uint64_t size_bytes;   /* of the file system; four times that may be unpacked in all */
	const char *label;     /* at most 16 bytes, NULL = none; borrowed */
	uint64_t max_entries;  /* over all layers, 0 = 4 million */
	const char *full_hint; /* hint when it does not fit, NULL = "give a larger --size" */
};

struct image_summary {
	uint64_t size_bytes;	/* of the file system */
	uint64_t entries;	/* files, directories, links */
	uint64_t content_bytes; /* sum of the sizes of all files */
	char *os;		/* owned: "debian 12" from os-release; NULL = unknown */
	bool has_passwd;	/* there is /etc/passwd */
	bool has_shell;		/* there is /bin/sh */
	bool has_init;		/* there is /sbin/init, or systemd where it is looked for */
};
void image_summary_release(struct image_summary *summary);

/* What is known of a layer before it is read; strings borrowed. */
struct image_layer {
	const char *what;    /* in messages: "layer 2 of 'alpine'" */
	const char *digest;  /* "sha256:<hex>" as stored, NULL = unknown; the caller's to check */
	const char *diff_id; /* "sha256:<hex>" of it unpacked, NULL = unknown: not checked */
	/*
	 * A stranger's, who shall not choose how much memory it takes: none but gzip and zstd are
	 * unpacked, zstd with a window of at most 32 MiB.
	 */
	bool foreign;
};

/* image_builder_open() - @rootfs_fd: a regular file, borrowed until image_builder_free(). */
struct fault *image_builder_open(int rootfs_fd, const struct image_builder_options *options,
				 struct image_builder **out) MUST_CHECK;

/*
 * image_builder_layer() - add the next lower layer: a tar (or cpio) archive, plain or compressed.
 * @source is read up to the archive's end mark; bytes after it are the caller's to drain when it
 * checks a digest.  It may be called from a second thread, never from two at a time, and not after
 * this function has returned.
 * @what: the layer in messages.  @progress: may be NULL.
 * Return: F_CORRUPT a damaged or hostile archive, naming the entry; F_NO_SPACE; F_CANCELLED; F_SYS;
 * the source's own fault.
 */
struct fault *image_builder_layer(struct image_builder *b, const struct archive_source *source,
				  const char *what, struct progress *progress) MUST_CHECK;
/*
 * The same for one of which more is known.  With a diff_id it is read to the end of what it unpacks
 * to.  Also returns F_CORRUPT when the diff_id is not the right one; F_UNSUPPORTED a foreign layer
 * that is compressed in a way that would take too much memory.
 */
struct fault *image_builder_known_layer(struct image_builder *b,
					const struct archive_source *source,
					const struct image_layer *layer,
					struct progress *progress) MUST_CHECK;
/* As image_builder_layer(), from @fd (borrowed), from its current offset; quicker when it is a plain
 * tar file. */
struct fault *image_builder_layer_fd(struct image_builder *b, int fd, const char *what,
				     struct progress *progress) MUST_CHECK;

/*
 * image_builder_directory() - add a host directory (borrowed) as the next lower layer: symbolic
 * links kept, owners as on disk, ".wh." names are ordinary names.
 */
struct fault *image_builder_directory(struct image_builder *b, int dir_fd, const char *what,
				      struct progress *progress) MUST_CHECK;

/*
 * image_builder_finish() - merge, write directories and metadata.
 * @summary: filled on success; release it with image_summary_release().
 * Return: F_CORRUPT a hard link to nowhere, a loop of symbolic links; F_NO_SPACE; F_SYS.
 */
struct fault *image_builder_finish(struct image_builder *b,
				   struct image_summary *summary) MUST_CHECK;
void image_builder_free(struct image_builder *b);

#endif
