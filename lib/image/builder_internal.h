/* SPDX-License-Identifier: MIT */
/* builder_internal.h - what the files of the image builder share. */
#ifndef BANGER_IMAGE_BUILDER_INTERNAL_H
#define BANGER_IMAGE_BUILDER_INTERNAL_H

#include "image/builder.h"
#include "image/merge.h"

struct image_builder {
	struct ext4_writer *w;	  /* owned */
	struct merge *m;	  /* owned */
	char *full_hint;	  /* owned */
	struct fault *room_fault; /* owned: why making room failed */
	uint64_t size_bytes;
	uint64_t budget;	/* bytes that may still come out of compressed layers */
	uint64_t content_bytes; /* of files that are not certainly hidden */
	uint64_t file_bytes;	/* sizes of all files that were written */
	uint64_t read_bytes;	/* of data, for the progress line */
	bool has_root;		/* some layer has an entry for "/" */
	uint32_t root_layer;	/* which one, as m->n_layers was */
};

/* builder_fault() - a fault of the writer on its way out: hint, and what else went wrong. */
struct fault *builder_fault(struct image_builder *b, struct fault *f) MUST_CHECK;
/* builder_count_file() - F_NO_SPACE when a file of @size cannot be in this image. */
struct fault *builder_count_file(struct image_builder *b, uint64_t size, bool hidden) MUST_CHECK;
/* builder_root() - the attributes of "/" in the current layer. */
struct fault *builder_root(struct image_builder *b, const struct ext4_attr *attr) MUST_CHECK;

#endif
