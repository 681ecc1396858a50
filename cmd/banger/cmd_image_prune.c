/* SPDX-License-Identifier: MIT */
/* cmd_image_prune.c - 'image prune' and 'image cache prune'. */
#include "banger/commands.h"
#include "base/text.h"
#include "image/image.h"
#include "image/prune.h"

/* What was, or would be, freed. */
struct outcome {
	bool dry_run;
	struct records images; /* of struct prune_image */
	uint64_t blobs, bytes;
};

static const struct field outcome_fields[] = {
	FIELD(struct outcome, dry_run, FIELD_BOOL),
	FIELD_SUB(struct outcome, images, FIELD_RECORDS, &prune_image_type),
	FIELD(struct outcome, blobs, FIELD_U64),
	FIELD(struct outcome, bytes, FIELD_U64),
};

static const struct record_type outcome_type = {
	.name = "prune",
	.size = sizeof(struct outcome),
	.fields = outcome_fields,
	.n_fields = ARRAY_LEN(outcome_fields),
};

static struct fault *print_outcome(const struct invocation *inv, const struct outcome *o)
{
	AUTO_FREE char *bytes = text_size(o->bytes);
	const char *verb = o->dry_run ? "would free" : "freed";

	if (inv->json)
		return print_record(&outcome_type, o);
	if (inv->quiet)
		return NULL;
	if (o->images.n)
		printf("%s %s: %zu image%s, %llu blob%s\n", verb, bytes, o->images.n,
		       o->images.n == 1 ? "" : "s", (unsigned long long)o->blobs,
		       o->blobs == 1 ? "" : "s");
	else
		printf("%s %s: %llu blob%s\n", verb, bytes, (unsigned long long)o->blobs,
		       o->blobs == 1 ? "" : "s");
	return NULL;
}

/* ------------------------------------------------------------------------------------- images */

static void print_candidates(const struct records *images)
{
	const struct prune_image *all = images->v;

	for (size_t i = 0; i < images->n; i++) {
		AUTO_FREE char *size = text_size(all[i].disk_bytes);

		printf("%s (%s)\n", all[i].name, size);
	}
}

/* Nobody is asked for what is not there, nor when nothing will be done. */
static struct fault *confirm(const struct invocation *inv, const struct records *images)
{
	char answer[16] = "";

	if (!images->n || option_given(inv, "dry-run") || option_given(inv, "force"))
		return NULL;
	if (!isatty(STDIN_FILENO))
		return fault_hint(fault_new(F_STATE, "%zu image%s would be removed, and there is no "
					    "terminal to ask on", images->n,
					    images->n == 1 ? "" : "s"),
				  "Look with --dry-run, then use --force.");
	print_candidates(images);
	printf("Remove %s? [y/N] ", images->n == 1 ? "it" : "them");
	fflush(stdout);
	if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		return NULL;
	return fault_new(F_STATE, "nothing was removed");
}

/* One that came into use or is locked by now stays; that is said and does not stop the rest. */
static void remove_images(struct invocation *inv, struct outcome *o)
{
	struct prune_image *all = o->images.v;
	size_t gone = 0;

	for (size_t i = 0; i < o->images.n; i++) {
		AUTO_FAULT f = o->dry_run ? NULL : image_delete(&inv->store, all[i].name);

		if (f) {
			print_fault(inv, f);
			inv->status = 1;
			record_release(&prune_image_type, &all[i]);
			continue;
		}
		o->bytes += all[i].disk_bytes;
		all[gone++] = all[i];
	}
	o->images.n = gone;
}

static struct fault *prune_all(struct invocation *inv, struct outcome *o)
{
	struct prune_blobs blobs;

	TRY(confirm(inv, &o->images));
	if (o->dry_run && !inv->json && !inv->quiet)
		print_candidates(&o->images);
	remove_images(inv, o);
	TRY(prune_blobs(&inv->store, &o->images, o->dry_run, &blobs));
	o->blobs = blobs.blobs;
	o->bytes += blobs.bytes;
	return print_outcome(inv, o);
}

static struct fault *prune_run(struct invocation *inv)
{
	struct outcome o = { .dry_run = option_given(inv, "dry-run") };
	struct fault *f;

	TRY(prune_images_find(&inv->store, &o.images));
	f = prune_all(inv, &o);
	prune_images_release(&o.images);
	return f;
}

static const struct option prune_options[] = {
	{ .name = "dry-run", .help = "only tell what would be removed" },
	{ .letter = 'f', .name = "force", .help = "do not ask" },
	{ 0 },
};

const struct command command_image_prune = {
	.name = "image prune",
	.summary = "remove images that no VM uses",
	.description =
		"Removes the images that no VM was made from, and of what was fetched from registries "
		"the blobs that no remaining image is made of. Asks first on a terminal; elsewhere it "
		"needs --force. An image in use is never removed.",
	.examples = "banger image prune --dry-run\twhat would go, and how much that frees",
	.options = prune_options,
	.flags = CMD_JSON | CMD_QUIET | CMD_NEEDS_WRITE,
	.run = prune_run,
};

/* -------------------------------------------------------------------------------------- cache */

static struct fault *cache_prune_run(struct invocation *inv)
{
	struct outcome o = { .dry_run = option_given(inv, "dry-run") };
	struct prune_blobs blobs;

	TRY(prune_blobs(&inv->store, NULL, o.dry_run, &blobs));
	o.blobs = blobs.blobs;
	o.bytes = blobs.bytes;
	return print_outcome(inv, &o);
}

static const struct option cache_prune_options[] = {
	{ .name = "dry-run", .help = "only tell what would be removed" },
	{ 0 },
};

const struct command command_image_cache_prune = {
	.name = "image cache prune",
	.summary = "remove what was fetched from registries",
	.description =
		"Removes every blob of the cache. Images keep working, since they do not need it; pulling "
		"one again fetches its layers again. A pull under way is not disturbed.",
	.examples = "banger image cache prune\tprints how much that freed",
	.options = cache_prune_options,
	.flags = CMD_JSON | CMD_QUIET | CMD_NEEDS_WRITE,
	.run = cache_prune_run,
};
