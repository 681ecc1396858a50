/* SPDX-License-Identifier: MIT */
/* pull.c - images by name: the catalogue's first, then those of registries; built, published. */
#include "image/image.h"

#include <string.h>

#include "base/text.h"
#include "disk/sparse.h"
#include "host/machine.h"
#include "image/catalog_image.h"
#include "image/image_lock.h"
#include "image/platform.h"
#include "image/reference.h"
#include "image/registry_image.h"
#include "image/stage.h"
#include "store/catalog.h"
#include "store/name.h"

/* What will be pulled. */
struct target {
	const struct store *store;
	const struct image_pull *options;
	const struct catalog_entry *entry;  /* NULL when it is in a registry */
	struct reference reference;	    /* when there is no entry */
	char *name;			    /* of the image */
};

static void target_release(struct target *t)
{
	reference_release(&t->reference);
	free(t->name);
}
#define AUTO_TARGET __attribute__((cleanup(target_release))) struct target

/* Everything that can be said before anything is done. */
static struct fault *choose_target(const struct catalog *catalog, struct target *t)
{
	const struct image_pull *o = t->options;
	AUTO_PLATFORM wanted = { 0 };

	t->entry = catalog_find(&catalog->images, o->reference);
	if (t->entry) {
		TRY(catalog_image_check(t->entry, o));
	} else {
		TRY(reference_parse(o->reference, &t->reference));
		TRY(platform_parse(o->platform, &wanted));
	}
	if (o->name)
		t->name = xstrdup(o->name);
	else
		t->name = t->entry ? xstrdup(t->entry->name) : reference_name(&t->reference);
	TRY(name_check_object("image", t->name));
	return o->kernel ? name_check_object("kernel", o->kernel) : NULL;
}

/* What has no manifest is known by what came out, before anybody can use it. */
static struct fault *check_digest(const struct target *t, const struct image_stage *stage,
				  const struct image_record *record)
{
	AUTO_FREE char *what = xasprintf("image '%s'", t->name);
	AUTO_FREE char *found = NULL;

	if (!t->options->digest)
		return NULL;
	if (record->manifest_digest)
		found = xstrdup(record->manifest_digest);
	else
		TRY(sparse_digest(stage->rootfs, what, &found));
	return image_digest_check(what, t->options->digest, found);
}

static struct fault *fill_stage(const struct target *t, struct image_stage *stage,
				struct image_record *record)
{
	const struct image_pull *o = t->options;
	struct registry_pull registry = {
		.reference = &t->reference,
		.platform = o->platform,
		.size_bytes = o->size_bytes,
		.digest = o->digest,
		.offline = o->offline,
		.plain_http = o->plain_http,
		.progress = o->progress,
	};

	if (t->entry)
		TRY(catalog_image_build(stage, t->entry, o, record));
	else
		TRY(registry_build(stage, &registry, record));
	record->name = xstrdup(t->name);
	if (o->kernel) {
		free(record->kernel);
		record->kernel = xstrdup(o->kernel);
	}
	TRY(check_digest(t, stage, record));
	return image_stage_commit(stage, record);
}

/* Has somebody made just this image while we waited for its name? */
static bool is_made(const struct target *t)
{
	AUTO_FREE char *wanted = t->entry ? NULL : reference_text(&t->reference);
	struct image_record record = { 0 };
	AUTO_FAULT f = image_load(t->store, t->name, &record);
	AUTO_PLATFORM platform = { 0 };
	AUTO_FAULT bad = platform_parse(t->options->platform, &platform);
	bool same = !f && !bad && (!record.arch || !strcmp(record.arch, platform.architecture));

	if (t->options->digest)
		same = same && record.manifest_digest &&
		       !strcmp(record.manifest_digest, t->options->digest);
	if (wanted)
		same = same && record.reference && !strcmp(record.reference, wanted);
	record_release(&image_record_type, &record);
	return same;
}

static struct fault *make(const struct target *t)
{
	struct image_stage stage = IMAGE_STAGE_INIT;
	struct image_record record = { 0 };
	struct fault *f;

	f = image_stage_open(t->store, t->name, t->options->force, "pull", &stage);
	if (f && fault_kind(f) == F_EXISTS && is_made(t)) {
		fault_free(f);
		return NULL;
	}
	TRY(f);
	f = image_stage_close(&stage, fill_stage(t, &stage, &record));
	record_release(&image_record_type, &record);
	return f;
}

/* Who types one plain word may have meant the catalogue. */
static struct fault *name_catalogue(const struct catalog *catalog, const struct target *t,
				    struct fault *f)
{
	AUTO_FREE char *names = catalog_names(&catalog->images);
	enum fault_kind kind = f ? fault_kind(f) : F_SYS;

	if (t->entry || strpbrk(t->options->reference, "/:@") ||
	    (kind != F_NOT_FOUND && kind != F_DENIED && kind != F_NETWORK))
		return f;
	return fault_attach(f, fault_new(F_NOT_FOUND, "the catalogue has no image '%s' either; it has: "
					 "%s", t->options->reference, names));
}

struct fault *image_pull(const struct store *s, const struct image_pull *options, char **name)
{
	AUTO_CATALOG catalog = { 0 };
	AUTO_TARGET t = { .store = s, .options = options };

	TRY(catalog_load(&catalog));
	TRY(choose_target(&catalog, &t));
	if (!options->force)
		TRY(image_check_absent(s, t.name)); /* before waiting for a lock */
	TRY(name_catalogue(&catalog, &t, make(&t)));
	*name = steal_ptr(&t.name);
	return NULL;
}

/* -- whatever it is called -- */

struct fault *image_check_wanted(const char *wanted)
{
	AUTO_FAULT f = name_check_object("image", wanted);
	AUTO_REFERENCE r = { 0 };

	return f ? reference_parse(wanted, &r) : NULL;
}

/* The image that was pulled for reference @text and runs here; NULL = none.  Owned. */
static struct fault *find_by_reference(const struct store *s, const char *text, char **name)
{
	struct records list;

	TRY(image_list(s, &list));
	for (size_t i = 0; i < list.n && !*name; i++) {
		const struct image_info *info = (const struct image_info *)list.v + i;
		const struct image_record *r = &info->record;

		if (!info->fault && r->reference && !strcmp(r->reference, text) &&
		    (!r->arch || !strcmp(r->arch, machine_arch())))
			*name = xstrdup(info->name);
	}
	image_list_release(&list);
	return NULL;
}

static bool is_there(const struct store *s, const char *name)
{
	AUTO_FAULT valid = name_check_object("image", name);
	AUTO_FAULT f = valid ? NULL : image_check_absent(s, name);

	return f != NULL;
}

/* A name that is taken by another image is not what was asked for. */
static struct fault *pull_for(const struct store *s, const char *wanted, const char *reference,
			      const char *digest, struct progress *progress, char **name)
{
	struct image_pull options = { .reference = wanted, .digest = digest, .progress = progress };
	struct store patient = *s; /* borrows everything of *s */
	struct fault *f;

	/* Whoever is pulling it now does it for us too; waiting ends with them or with a signal. */
	patient.wait_ms = -1;
	f = image_pull(&patient, &options, name);
	if (!f || fault_kind(f) != F_EXISTS)
		return f;
	if (reference)
		f = fault_attach(f, find_by_reference(s, reference, name));
	else
		*name = xstrdup(wanted);
	if (!*name)
		return fault_hint(f, "It is another one than %s. Give that one a name of its own: banger "
				  "image pull --name NAME %s", reference, wanted);
	fault_free(f); /* it has appeared meanwhile */
	return NULL;
}

/* As image_ensure(), but for the digest of what is there already. */
static struct fault *find_or_pull(const struct store *s, const char *wanted, const char *digest,
				  struct progress *progress, char **name)
{
	AUTO_CATALOG catalog = { 0 };
	AUTO_REFERENCE r = { 0 };
	AUTO_FREE char *text = NULL;

	if (is_there(s, wanted)) {
		*name = xstrdup(wanted);
		return NULL;
	}
	TRY(catalog_load(&catalog));
	if (catalog_find(&catalog.images, wanted))
		return pull_for(s, wanted, NULL, digest, progress, name);
	TRY(reference_parse(wanted, &r));
	text = reference_text(&r);
	TRY(find_by_reference(s, text, name));
	return *name ? NULL : pull_for(s, wanted, text, digest, progress, name);
}

static struct fault *check_existing(const struct store *s, const char *name, const char *wanted)
{
	AUTO_FREE char *what = xasprintf("image '%s'", name);
	AUTO_FREE char *found = NULL;
	struct image_record record;
	struct fault *f;

	TRY(image_load(s, name, &record));
	f = image_digest(s, name, &record, &found);
	record_release(&image_record_type, &record);
	return f ? f : image_digest_check(what, wanted, found);
}

struct fault *image_ensure(const struct store *s, const char *wanted, const char *digest,
			   struct progress *progress, char **name)
{
	struct fault *f;

	*name = NULL;
	TRY(find_or_pull(s, wanted, digest, progress, name));
	f = digest ? check_existing(s, *name, digest) : NULL;
	if (f)
		free(steal_ptr(name));
	return f;
}
