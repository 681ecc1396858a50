/* SPDX-License-Identifier: MIT */
/*
 * registry_image.c - documents first, then the layers from the top down, each written into the file
 * system while it arrives.  Nothing is published before every layer has had its digest.
 */
#include "image/registry_image.h"

#include "base/text.h"
#include "host/machine.h"
#include "image/blob_cache.h"
#include "image/fetch.h"
#include "image/image_lock.h"
#include "image/registry_manifest.h"

struct pull {
	const struct registry_pull *options;
	const char *name; /* of the image, for progress */
	struct blob_cache cache;
	struct registry *registry; /* NULL when offline */
	struct resolved image;
	struct fetch_layer *layers; /* top first */
	size_t n;
	bool damaged; /* by what had been in the cache, which is gone now */
};

static const struct oci_descriptor *descriptor_at(const struct pull *p, size_t i)
{
	return (const struct oci_descriptor *)p->image.manifest.layers.v + i;
}

/* -- what will be fetched -- */

static void list_layers(struct pull *p)
{
	p->n = p->image.manifest.layers.n;
	p->layers = xcalloc(p->n + 1, sizeof(*p->layers));
	for (size_t i = 0; i < p->n; i++) {
		size_t from = p->n - 1 - i;

		p->layers[i] = (struct fetch_layer){
			.hex = oci_digest_hex(descriptor_at(p, from)->digest),
			.what = xasprintf("layer %zu of '%s'", from + 1,
					  p->options->reference->repository),
			.size = descriptor_at(p, from)->size,
		};
	}
}

static void free_layers(struct pull *p)
{
	for (size_t i = 0; i < p->n; i++)
		free((char *)(uintptr_t)p->layers[i].what);
	free(p->layers);
}

static uint64_t stored_bytes(const struct pull *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->n; i++)
		if (__builtin_add_overflow(sum, p->layers[i].size, &sum))
			return UINT64_MAX;
	return sum;
}

/* A registry may promise more than the disk can hold: better said before than after. */
static struct fault *check_space(const struct pull *p)
{
	AUTO_FREE char *needed = NULL, *has = NULL;
	uint64_t missing = 0, space = 0;

	for (size_t i = 0; i < p->n; i++) {
		AUTO_FD fd = blob_cache_find(&p->cache, p->layers[i].hex, p->layers[i].size);

		if (fd < 0 && __builtin_add_overflow(missing, p->layers[i].size, &missing))
			missing = UINT64_MAX;
	}
	TRY(machine_free_bytes(p->cache.blobs, &space));
	if (missing <= space)
		return NULL;
	needed = text_size(missing);
	has = text_size(space);
	return fault_new(F_NO_SPACE, "the layers of '%s' need %s, and %s are free",
			 p->options->reference->repository, needed, has);
}

/* -- writing -- */

static struct fault *add_layer(struct pull *p, struct fetch *fetch, struct image_builder *builder,
			       size_t i)
{
	struct archive_source from = fetch_source(fetch, i);
	AUTO_FREE char *size = text_size(p->layers[i].size);
	struct image_layer known = {
		.what = p->layers[i].what,
		.digest = descriptor_at(p, p->n - 1 - i)->digest,
		.diff_id = p->image.config.diff_ids.v[p->n - 1 - i],
		.foreign = true,
	};

	progress_stage(p->options->progress, "%s: layer %zu of %zu, %s", p->name, p->n - i, p->n,
		       size);
	TRY(image_builder_known_layer(builder, &from, &known, NULL));
	return fetch_finish(fetch, i);
}

/* For image_stage_build(). */
static struct fault *add_layers(void *context, struct image_builder *builder)
{
	struct pull *p = context;
	struct fetch *fetch = NULL;
	struct fault *f;

	TRY(fetch_start(&p->cache, p->registry, p->layers, p->n, p->options->progress, &fetch));
	f = NULL;
	for (size_t i = 0; i < p->n && !f; i++)
		f = add_layer(p, fetch, builder, i);
	return fetch_end(fetch, f, &p->damaged);
}

static struct fault *write_rootfs(struct pull *p, struct image_stage *stage,
				  struct image_record *record)
{
	uint64_t size = p->options->size_bytes ? p->options->size_bytes
					       : image_default_size(stored_bytes(p));
	struct fault *f;

	f = image_stage_build(stage, size, add_layers, p, p->options->progress, record);
	if (!f || !p->damaged)
		return f;
	progress_note(p->options->progress, "banger: %s; it was removed from the cache, trying again",
		      fault_message(f));
	fault_free(f);
	if (ftruncate(stage->rootfs, 0) < 0)
		return fault_sys(F_SYS, "starting the image again");
	return image_stage_build(stage, size, add_layers, p, p->options->progress, record);
}

static void describe(struct pull *p, struct image_record *r)
{
	struct oci_config *config = &p->image.config;

	r->reference = reference_text(p->options->reference);
	r->source = xstrdup(r->reference);
	r->source_kind = xstrdup("registry");
	r->created = text_time(time(NULL));
	if (config->platform.architecture)
		r->platform = oci_platform_text(&config->platform);
	r->arch = steal_ptr(&config->platform.architecture);
	r->manifest_digest = xstrdup(p->image.digest);
	r->config_digest = xstrdup(p->image.manifest.config.digest);
	for (size_t i = 0; i < p->n; i++)
		strings_add(&r->layers, descriptor_at(p, i)->digest);
	r->config = config->image;
	config->image = (struct image_config){0};
}

/* -- the whole -- */

static struct fault *find_image(struct pull *p)
{
	const struct registry_pull *o = p->options;
	struct resolver resolver = {
		.reference = o->reference,
		.cache = &p->cache,
		.platform = o->platform,
		.progress = o->progress,
	};
	AUTO_FREE char *text = reference_text(o->reference);
	struct fault *f;

	if (!o->offline) {
		progress_stage(o->progress, "%s: asking for %s", p->name, text);
		TRY(registry_open(o->reference, o->plain_http, o->progress, &p->registry));
		TRY(http_client_open(&resolver.client));
	}
	resolver.registry = p->registry;
	f = resolve(&resolver, &p->image);
	http_client_close(resolver.client);
	return f;
}

static struct fault *build(struct pull *p, struct image_stage *stage, struct image_record *record)
{
	AUTO_FREE char *what = reference_text(p->options->reference);

	TRY(find_image(p));
	TRY(image_digest_check(what, p->options->digest, p->image.digest));
	list_layers(p);
	TRY(check_space(p));
	TRY(write_rootfs(p, stage, record));
	describe(p, record);
	return NULL;
}

struct fault *registry_build(struct image_stage *stage, const struct registry_pull *pull,
			     struct image_record *record)
{
	struct pull p = {.options = pull, .name = stage->name, .cache = BLOB_CACHE_INIT};
	struct fault *f;

	TRY(blob_cache_open(stage->store, &p.cache));
	f = build(&p, stage, record);
	registry_close(p.registry);
	free_layers(&p);
	resolved_release(&p.image);
	blob_cache_release(&p.cache);
	return f;
}
