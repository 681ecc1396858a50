/* SPDX-License-Identifier: MIT */
#include "image/catalog_image.h"

#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "host/machine.h"
#include "image/bundle.h"
#include "image/platform.h"
#include "image/reference.h"
#include "image/registry_image.h"

#define SUITE_SIZE_BYTES (8 * GIB)

/* -- Debian suites -- */

struct feeding {
	const struct suite *suite;
	char *source; /* owned, set by the feeding */
};

/* For image_stage_build(). */
static struct fault *feed(void *context, struct image_builder *builder)
{
	struct feeding *f = context;

	return suite_feed(f->suite, builder, &f->source);
}

struct fault *suite_image_build(struct image_stage *stage, const struct suite *suite,
				uint64_t size_bytes, struct image_record *record)
{
	struct feeding feeding = { .suite = suite };
	struct fault *f;

	f = image_stage_build(stage, size_bytes ? size_bytes : SUITE_SIZE_BYTES, feed, &feeding,
			      suite->progress, record);
	if (f) {
		free(feeding.source);
		return f;
	}
	record->source = feeding.source;
	record->source_kind = xstrdup("debian-suite");
	record->created = text_time(time(NULL));
	record->arch = xstrdup(machine_arch());
	/* Services get it from systemd; this is for commands run by the agent. */
	strings_add(&record->config.env, "LANG=C.UTF-8");
	return NULL;
}

/* -- one source -- */

/* One attempt to make the image. */
struct attempt {
	struct image_stage *stage;
	const struct catalog_source *source;
	const struct image_pull *options;
	struct image_record *record;
};

/* An option that makes no sense for a source is an error, never ignored. */
static struct fault *check_no_registry(const struct image_pull *o)
{
	if (!o->plain_http)
		return NULL;
	return fault_new(F_USAGE, "it does not come from a registry: --plain-http cannot be used with "
			 "it");
}

static struct fault *check_suite(const struct catalog_source *source, const struct image_pull *o)
{
	AUTO_PLATFORM wanted = { 0 };

	(void)source;
	TRY(check_no_registry(o));
	if (o->offline)
		return fault_new(F_NOT_FOUND, "it is built from packages, which needs the network");
	TRY(platform_parse(o->platform, &wanted));
	if (strcmp(wanted.architecture, machine_arch()))
		return fault_new(F_UNSUPPORTED, "it can only be built for this host's %s",
				 machine_arch());
	return NULL;
}

static struct fault *build_suite(const struct attempt *a)
{
	const struct suite suite = { .suite = a->source->suite, .include = &a->source->include,
				     .label = a->stage->name, .progress = a->options->progress };

	return suite_image_build(a->stage, &suite, a->options->size_bytes, a->record);
}

static struct fault *check_bundle(const struct catalog_source *source, const struct image_pull *o)
{
	(void)source;
	if (o->size_bytes)
		return fault_new(F_USAGE, "a bundle keeps its own size: --size cannot be used with it");
	return check_no_registry(o);
}

static struct fault *build_bundle(const struct attempt *a)
{
	return bundle_build(a->stage, a->source, a->options->offline, a->options->progress,
			    a->record);
}

static struct fault *parse_reference(const struct catalog_source *source, struct reference *out)
{
	AUTO_FREE char *text = source->digest
				       ? xasprintf("%s@%s", source->reference, source->digest)
				       : xstrdup(source->reference);

	return reference_parse(text, out);
}

static struct fault *check_oci(const struct catalog_source *source, const struct image_pull *o)
{
	AUTO_REFERENCE reference = { 0 };

	(void)o;
	return parse_reference(source, &reference);
}

static struct fault *build_oci(const struct attempt *a)
{
	AUTO_REFERENCE reference = { 0 };
	const struct registry_pull pull = {
		.reference = &reference,
		.platform = a->options->platform,
		.size_bytes = a->options->size_bytes,
		.digest = a->options->digest,
		.offline = a->options->offline,
		.plain_http = a->options->plain_http,
		.progress = a->options->progress,
	};

	TRY(parse_reference(a->source, &reference));
	return registry_build(a->stage, &pull, a->record);
}

static const struct {
	const char *type;
	struct fault *(*check)(const struct catalog_source *source, const struct image_pull *o);
	struct fault *(*build)(const struct attempt *a);
} kinds[] = {
	{ SOURCE_BUNDLE, check_bundle, build_bundle },
	{ SOURCE_OCI, check_oci, build_oci },
	{ SOURCE_DEBIAN_SUITE, check_suite, build_suite },
};

static struct fault *check_arch(const struct catalog_source *source, const struct image_pull *o)
{
	AUTO_PLATFORM wanted = { 0 };

	TRY(platform_parse(o->platform, &wanted));
	if (!source->arch || !strcmp(source->arch, wanted.architecture))
		return NULL;
	return fault_new(F_UNSUPPORTED, "it is for %s, wanted is %s", source->arch,
			 wanted.architecture);
}

/* *@kind: index in kinds[]. */
static struct fault *check_source(const struct catalog_source *source, const struct image_pull *o,
				  size_t *kind)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (strcmp(source->type, kinds[i].type))
			continue;
		*kind = i;
		TRY(check_arch(source, o));
		return kinds[i].check(source, o);
	}
	return fault_new(F_UNSUPPORTED, "this banger does not know sources of type '%s'",
			 source->type);
}

/* -- all of them -- */

/* What a fault of one source is about. */
static struct fault *of_source(const struct catalog_entry *entry, size_t i, struct fault *f)
{
	const struct catalog_source *source = catalog_source_at(entry, i);
	const char *where = source->url	       ? source->url
			    : source->reference ? source->reference
						: source->suite;

	if (entry->sources.n == 1)
		return fault_wrap(f, "image '%s' of the catalogue", entry->name);
	return fault_wrap(f, "source %zu of image '%s' (%s%s%s)", i + 1, entry->name, source->type,
			  where ? " " : "", where ? where : "");
}

/* None did: the kind is that of the last one tried, or of the only one. */
static struct fault *conclude(const struct catalog_entry *entry, struct fault *all, size_t n)
{
	if (n < 2)
		return all;
	return fault_attach(fault_new(fault_kind(all), "none of the %zu sources of image '%s' can be "
				      "used", n, entry->name), all);
}

struct fault *catalog_image_check(const struct catalog_entry *entry,
				  const struct image_pull *options)
{
	struct fault *all = NULL;
	size_t kind;

	for (size_t i = 0; i < entry->sources.n; i++) {
		struct fault *f = check_source(catalog_source_at(entry, i), options, &kind);

		if (!f) {
			fault_free(all);
			return NULL;
		}
		all = fault_attach(all, of_source(entry, i, f));
	}
	return conclude(entry, all, entry->sources.n);
}

/* Would the next source fail in the same way? */
static bool is_final(const struct fault *f)
{
	return fault_kind(f) == F_CANCELLED || fault_kind(f) == F_NO_SPACE;
}

static struct fault *try_source(const struct attempt *a)
{
	size_t kind;

	TRY(check_source(a->source, a->options, &kind));
	record_release(&image_record_type, a->record);
	if (ftruncate(a->stage->rootfs, 0) < 0)
		return fault_sys(F_SYS, "starting image '%s'", a->stage->name);
	return kinds[kind].build(a);
}

struct fault *catalog_image_build(struct image_stage *stage, const struct catalog_entry *entry,
				  const struct image_pull *options, struct image_record *record)
{
	struct fault *all = NULL;
	size_t n = 0;

	for (; n < entry->sources.n; n++) {
		const struct attempt a = { stage, catalog_source_at(entry, n), options, record };
		struct fault *f = try_source(&a);

		if (!f) {
			fault_free(all);
			if (entry->kernel && !record->kernel)
				record->kernel = xstrdup(entry->kernel);
			return NULL;
		}
		f = of_source(entry, n, f);
		if (is_final(f)) {
			fault_free(all);
			return f;
		}
		if (n + 1 < entry->sources.n)
			progress_note(options->progress, "banger: %s; trying the next source",
				      fault_message(f));
		all = fault_attach(all, f);
	}
	return conclude(entry, all, n);
}
