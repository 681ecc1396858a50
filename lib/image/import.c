/* SPDX-License-Identifier: MIT */
/*
 * import.c - from a source to an image.
 *
 * Theory of operation.  The source is opened and told apart first, because the image's name and
 * default size come from it; then the name is locked and everything is written into a staging
 * directory.  Layers are given to the builder from the top down and hashed while it reads them;
 * only when all of them have their digests is the image published.
 */
#include "image/image.h"

#include <errno.h>

#include "base/text.h"
#include "host/machine.h"
#include "image/blob.h"
#include "image/builder.h"
#include "image/ext4_copy.h"
#include "image/oci_image.h"
#include "image/source.h"
#include "image/stage.h"
#include "store/name.h"

#define SPOOL_FACTOR 4 /* layers may hide each other's files, so they may exceed the image */

/* One import under way. */
struct import {
	const struct store *store;
	const struct image_import *options;
	struct source source;
	struct oci_image chosen; /* SOURCE_IMAGES only */
	char *name;
	struct image_stage stage;
	struct image_record record;
};

/* ----------------------------------------------------------------------------- size and name */

static uint64_t stored_bytes(const struct import *im)
{
	const struct oci_layer *layers = im->chosen.layers.v;
	uint64_t sum = 0;

	if (im->source.kind != SOURCE_IMAGES)
		return im->source.bytes;
	for (size_t i = 0; i < im->chosen.layers.n; i++)
		if (__builtin_add_overflow(sum, layers[i].size, &sum))
			return UINT64_MAX;
	return sum;
}

static uint64_t image_size(const struct import *im)
{
	return im->options->size_bytes ? im->options->size_bytes : image_default_size(stored_bytes(im));
}

/* "docker.io/library/alpine:latest" gives "alpine"; owned. */
static char *name_of_reference(const char *reference)
{
	static const char *const dropped[] = { "docker.io/library/", "docker.io/", "localhost/" };
	AUTO_FREE char *text = NULL;
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
		if (!strncmp(reference, dropped[i], strlen(dropped[i])))
			reference += strlen(dropped[i]);
	text = xstrdup(reference);
	len = strlen(text);
	if (len > 7 && !strcmp(text + len - 7, ":latest"))
		text[len - 7] = '\0';
	return name_from_text(text);
}

/* What to call the image when the user did not say. */
static struct fault *choose_name(struct import *im)
{
	const char *reference = im->chosen.reference;
	const char *stem = im->source.stem;
	AUTO_FREE char *both = NULL;

	if (im->options->name) {
		im->name = xstrdup(im->options->name);
	} else if (reference && strpbrk(reference, "/:")) {
		im->name = name_of_reference(reference);
	} else if (stem && *stem) {
		/* A bare tag ("3.20") names nothing without the file it is in. */
		both = reference && strcmp(reference, "latest") ? xasprintf("%s-%s", stem, reference)
								 : xstrdup(stem);
		im->name = name_from_text(both);
	} else {
		return fault_hint(fault_new(F_USAGE, "an image from %s needs a name", im->source.what),
				  "Give it one with --name NAME.");
	}
	return name_check_object("image", im->name);
}

/* -------------------------------------------------------------------------------------- layers */

/* A stored layer: its digest is checked while it is read, when it has one. */
static struct fault *open_layer(const struct import *im, const struct oci_layer *layer,
				const char *what, struct blob **out)
{
	struct vault_part part = VAULT_PART_INIT;
	const char *digest = layer->digest;
	char head[ARCHIVE_PACKING_HEAD];
	ssize_t n;

	TRY(vault_open(&im->source.vault, layer->path, &part));
	n = pread(part.fd, head, part.size < sizeof(head) ? part.size : sizeof(head),
		  (off_t)part.offset);
	if (n >= 0 && archive_packing(head, (size_t)n) == PACKED_NOT)
		digest = layer->diff_id;
	*out = blob_of_part(&part, digest ? oci_digest_hex(digest) : NULL, what,
			    im->options->progress);
	return NULL;
}

static struct fault *add_layer(const struct import *im, struct image_builder *builder, size_t i)
{
	const struct oci_layer *layer = (const struct oci_layer *)im->chosen.layers.v + i;
	AUTO_FREE char *what = xasprintf("layer %zu of %s", i + 1, im->source.what);
	struct image_layer known = { .what = what, .digest = layer->digest,
				     .diff_id = layer->diff_id };
	struct archive_source from;
	AUTO_BLOB blob = NULL;

	progress_stage(im->options->progress, "%s: layer %zu of %zu", im->name,
		       im->chosen.layers.n - i, im->chosen.layers.n);
	TRY(open_layer(im, layer, what, &blob));
	from = blob_source(blob);
	TRY(image_builder_known_layer(builder, &from, &known, NULL));
	return blob_finish(blob);
}

static struct fault *add_layers(const struct import *im, struct image_builder *builder)
{
	for (size_t i = im->chosen.layers.n; i-- > 0;)
		TRY(add_layer(im, builder, i));
	return NULL;
}

static struct fault *add_stream(const struct import *im, struct image_builder *builder)
{
	struct archive_source from = blob_source(im->source.blob);

	TRY(image_builder_layer(builder, &from, im->source.what, NULL));
	return blob_finish(im->source.blob);
}

/* For image_stage_build(). */
static struct fault *add_content(void *context, struct image_builder *builder)
{
	const struct import *im = context;
	const struct source *source = &im->source;
	struct progress *progress = im->options->progress;

	if (source->kind == SOURCE_IMAGES)
		return add_layers(im, builder);
	progress_stage(progress, "%s: reading %s", im->name, source->what);
	if (source->kind == SOURCE_DIRECTORY)
		return image_builder_directory(builder, source->fd, source->what, progress);
	if (source->kind == SOURCE_TAR)
		return image_builder_layer_fd(builder, source->fd, source->what, progress);
	return add_stream(im, builder);
}

/* ------------------------------------------------------------------------------------- writing */

static struct fault *copy_ext4(struct import *im)
{
	struct ext4_facts facts;

	if (im->options->size_bytes)
		return fault_new(F_USAGE, "%s is an ext4 file system, which keeps its own size: --size "
				 "cannot be used with it", im->source.what);
	progress_stage(im->options->progress, "%s: copying %s", im->name, im->source.what);
	TRY(ext4_copy(im->source.fd, im->stage.rootfs, im->source.what, im->options->progress,
		      &facts));
	im->record.size_bytes = facts.size_bytes;
	im->record.content_bytes = facts.used_bytes;
	im->record.entries = facts.inodes;
	return NULL;
}

static const char *kind_name(const struct import *im)
{
	switch (im->source.kind) {
	case SOURCE_DIRECTORY:
		return "directory";
	case SOURCE_EXT4:
		return "ext4";
	case SOURCE_IMAGES:
		return im->chosen.kind;
	case SOURCE_TAR:
	case SOURCE_STREAM:
		break;
	}
	return "tar";
}

static char *copy_text(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static void describe_image(struct import *im)
{
	const struct oci_layer *layers = im->chosen.layers.v;
	struct image_record *r = &im->record;

	r->arch = copy_text(im->chosen.config.platform.architecture);
	r->manifest_digest = copy_text(im->chosen.manifest_digest);
	r->config_digest = copy_text(im->chosen.config_digest);
	for (size_t i = 0; i < im->chosen.layers.n; i++)
		strings_add(&r->layers, layers[i].digest ? layers[i].digest : layers[i].diff_id);
	/* Moved, not copied: nobody asks the chosen image for it afterwards. */
	r->config = im->chosen.config.image;
	im->chosen.config.image = (struct image_config){ 0 };
}

static void describe(struct import *im)
{
	struct image_record *r = &im->record;

	r->name = xstrdup(im->name);
	r->source = xstrdup(strcmp(im->source.given, "-") ? im->source.given : "standard input");
	r->source_kind = xstrdup(kind_name(im));
	r->created = text_time(time(NULL));
	if (im->source.kind == SOURCE_IMAGES)
		describe_image(im);
}

/* ----------------------------------------------------------------------------------- the whole */

static struct fault *open_source(struct import *im)
{
	const struct image_import *o = im->options;
	struct source_options options = {
		.store = im->store,
		.input = o->input,
		.spool_max = (o->size_bytes ? o->size_bytes : image_default_size(0)) * SPOOL_FACTOR,
		.progress = o->progress,
	};

	TRY(source_open(o->source, &options, &im->source));
	if (im->source.kind != SOURCE_IMAGES)
		return NULL;
	if (vault_is_layout(&im->source.vault))
		return layout_select(&im->source.vault, im->source.tag, &im->chosen);
	return docker_archive_select(&im->source.vault, im->source.tag, &im->chosen);
}

static struct fault *write_image(struct import *im)
{
	struct fault *f;

	TRY(image_stage_open(im->store, im->name, im->options->force, "import", &im->stage));
	if (im->source.kind == SOURCE_EXT4)
		f = copy_ext4(im);
	else
		f = image_stage_build(&im->stage, image_size(im), add_content, im,
				      im->options->progress, &im->record);
	if (!f) {
		describe(im);
		f = image_stage_commit(&im->stage, &im->record);
	}
	return image_stage_close(&im->stage, f);
}

static struct fault *import(struct import *im)
{
	const struct image_import *o = im->options;

	/* Before a long read; decided again under the lock. */
	if (o->name) {
		TRY(name_check_object("image", o->name));
		if (!o->force)
			TRY(image_check_absent(im->store, o->name));
	}
	TRY(open_source(im));
	TRY(choose_name(im));
	return write_image(im);
}

struct fault *image_import(const struct store *s, const struct image_import *options, char **name)
{
	struct import im = { .store = s, .options = options, .source = SOURCE_INIT,
			     .stage = IMAGE_STAGE_INIT };
	struct fault *f = import(&im);

	source_release(&im.source);
	oci_image_release(&im.chosen);
	record_release(&image_record_type, &im.record);
	if (f)
		free(im.name);
	else
		*name = im.name;
	return f;
}
