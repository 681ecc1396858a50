/* SPDX-License-Identifier: MIT */
/* pull.c - images by name: looked up in the catalogue, built, published. */
#include "image/image.h"

#include "base/text.h"
#include "host/machine.h"
#include "image/stage.h"
#include "image/suite.h"
#include "store/catalog.h"
#include "store/name.h"

#define SUITE_SIZE_BYTES (8 * GIB)

static struct fault *not_in_catalog(const struct catalog *catalog, const char *reference)
{
	AUTO_FREE char *names = catalog_names(&catalog->images);
	AUTO_BUF shown = BUF_INIT;

	text_add_printable(&shown, reference, strnlen(reference, 256));
	return fault_hint(fault_new(F_NOT_FOUND, "the catalogue has no image '%s', and this banger "
				    "does not fetch from registries yet", shown.data),
			  "The catalogue has: %s. A container image can be imported from an archive: "
			  "banger image import FILE", names);
}

struct feed {
	const struct catalog_source *from;
	const struct image_pull *options;
	const char *name;
	char *source; /* owned, set by the feeding */
};

/* For image_stage_build(). */
static struct fault *feed(void *context, struct image_builder *builder)
{
	struct feed *feeding = context;
	struct suite suite = {
		.suite = feeding->from->suite,
		.include = &feeding->from->include,
		.label = feeding->name,
		.progress = feeding->options->progress,
	};

	return suite_feed(&suite, builder, &feeding->source);
}

static void describe(const char *name, const char *source, struct image_record *r)
{
	r->name = xstrdup(name);
	r->source = xstrdup(source);
	r->source_kind = xstrdup("debian-suite");
	r->created = text_time(time(NULL));
	r->arch = xstrdup(machine_arch());
	/* Services get it from systemd; this is for commands run by the agent. */
	strings_add(&r->config.env, "LANG=C.UTF-8");
}

static struct fault *build(struct image_stage *stage, const struct catalog_source *from,
			   const struct image_pull *options)
{
	uint64_t size = options->size_bytes ? options->size_bytes : SUITE_SIZE_BYTES;
	struct feed feeding = { .from = from, .options = options, .name = stage->name };
	struct image_record record = { 0 };
	struct fault *f;

	f = image_stage_build(stage, size, feed, &feeding, options->progress, &record);
	if (!f) {
		describe(stage->name, feeding.source, &record);
		f = image_stage_commit(stage, &record);
	}
	free(feeding.source);
	record_release(&image_record_type, &record);
	return f;
}

/* The first source that this program understands. */
static struct fault *choose_source(const struct catalog_entry *entry,
				   const struct catalog_source **from)
{
	for (size_t i = 0; i < entry->sources.n; i++) {
		*from = catalog_source_at(entry, i);
		if (!strcmp((*from)->type, "debian-suite") && (*from)->suite)
			return NULL;
	}
	return fault_new(F_UNSUPPORTED, "the catalogue's image '%s' has no source that this banger can "
			 "use", entry->name);
}

static struct fault *pull(const struct store *s, const struct catalog *catalog,
			  const struct image_pull *options, char **name)
{
	const struct catalog_entry *entry = catalog_find(&catalog->images, options->reference);
	const char *wanted = options->name ? options->name : options->reference;
	struct image_stage stage = IMAGE_STAGE_INIT;
	const struct catalog_source *from;
	struct fault *f;

	if (!entry)
		return not_in_catalog(catalog, options->reference);
	TRY(choose_source(entry, &from));
	TRY(name_check_object("image", wanted));
	if (!options->force)
		TRY(image_check_absent(s, wanted)); /* before waiting for a lock */
	TRY(image_stage_open(s, wanted, options->force, "pull", &stage));
	f = image_stage_close(&stage, build(&stage, from, options));
	if (!f)
		*name = xstrdup(wanted);
	return f;
}

struct fault *image_pull(const struct store *s, const struct image_pull *options, char **name)
{
	AUTO_CATALOG catalog = { 0 };

	TRY(catalog_load(&catalog));
	return pull(s, &catalog, options, name);
}

struct fault *image_ensure(const struct store *s, const char *name, struct progress *progress)
{
	struct image_pull options = { .reference = name, .progress = progress };
	struct store patient = *s; /* borrows everything of *s */
	AUTO_FREE char *made = NULL;
	AUTO_FAULT f = image_check_absent(s, name);

	if (f)
		return NULL; /* it is there */
	/* Whoever is pulling it now does it for us too; waiting ends with them or with a signal. */
	patient.wait_ms = -1;
	f = image_pull(&patient, &options, &made);
	if (f && fault_kind(f) == F_EXISTS)
		return NULL;
	return steal_ptr(&f);
}
