/* SPDX-License-Identifier: MIT */
#include "image/build.h"

#include <string.h>

#include "image/catalog_image.h"
#include "image/image.h"
#include "image/stage.h"
#include "store/catalog.h"
#include "store/name.h"

static void add_new(struct strings *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->v[i], text))
			return;
	strings_add(list, text);
}

/* The packages of the catalogue's entry debian-<suite>, where it has one. */
static struct fault *add_usual(const char *suite, struct strings *packages)
{
	AUTO_FREE char *name = xasprintf("debian-%s", suite);
	AUTO_CATALOG catalog = { 0 };
	const struct catalog_entry *entry;

	TRY(catalog_load(&catalog));
	entry = catalog_find(&catalog.images, name);
	for (size_t i = 0; entry && i < entry->sources.n; i++) {
		const struct catalog_source *source = catalog_source_at(entry, i);

		if (strcmp(source->type, SOURCE_DEBIAN_SUITE))
			continue;
		for (size_t j = 0; j < source->include.n; j++)
			add_new(packages, source->include.v[j]);
		break;
	}
	return NULL;
}

static struct fault *fill(const struct image_build *b, const struct strings *packages,
			  struct image_stage *stage)
{
	const struct suite suite = { .suite = b->suite, .include = packages, .label = stage->name,
				     .progress = b->progress };
	struct image_record record = { 0 };
	struct fault *f = suite_image_build(stage, &suite, b->size_bytes, &record);

	if (!f) {
		record.name = xstrdup(stage->name);
		f = image_stage_commit(stage, &record);
	}
	record_release(&image_record_type, &record);
	return f;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct fault *build(const struct store *s, const struct image_build *b, const char *name,
			   struct strings *packages)
{
	struct image_stage stage = IMAGE_STAGE_INIT;

	TRY(name_check_object("image", name));
	if (!b->force)
		TRY(image_check_absent(s, name));
	if (!b->minimal)
		TRY(add_usual(b->suite, packages));
	for (size_t i = 0; i < b->include.n; i++)
		add_new(packages, b->include.v[i]);
	/* The same packages are the same image, in whatever order they were named. */
	if (packages->n)
		qsort(packages->v, packages->n, sizeof(*packages->v), compare_texts);
	TRY(suite_check(&(struct suite){ .suite = b->suite, .include = packages }));
	TRY(image_stage_open(s, name, b->force ? IMAGE_REPLACE : IMAGE_NEW, "build", &stage));
	return image_stage_close(&stage, fill(b, packages, &stage));
}

struct fault *image_build(const struct store *s, const struct image_build *b, char **name)
{
	AUTO_FREE char *wanted = b->name ? xstrdup(b->name) : xasprintf("debian-%s", b->suite);
	struct strings packages = { 0 };
	struct fault *f = build(s, b, wanted, &packages);

	strings_release(&packages);
	if (!f)
		*name = steal_ptr(&wanted);
	return f;
}
