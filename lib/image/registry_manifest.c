/* SPDX-License-Identifier: MIT */
#include "image/registry_manifest.h"

#include <string.h>

#include "base/sha256.h"
#include "base/text.h"
#include "image/platform.h"

#define LISTED_MAX 20
#define ACCEPT                                                                                     \
	"Accept: application/vnd.oci.image.index.v1+json, "                                        \
	"application/vnd.docker.distribution.manifest.list.v2+json, "                              \
	"application/vnd.oci.image.manifest.v1+json, "                                             \
	"application/vnd.docker.distribution.manifest.v2+json"

/* A document and what it was called. */
struct document {
	struct buf text;
	char *type;   /* what the server or the descriptor says; NULL = nothing */
	char *digest; /* "sha256:<hex>" */
	char *what;
};

static void document_release(struct document *d)
{
	buf_release(&d->text);
	free(d->type);
	free(d->digest);
	free(d->what);
}
#define AUTO_DOCUMENT __attribute__((cleanup(document_release))) struct document
#define DOCUMENT_INIT ((struct document){.text = BUF_INIT})

static const char *image_text(const struct resolver *r)
{
	return r->reference->repository;
}

/* -- getting documents -- */

static struct fault *add_to_buf(void *context, const void *data, size_t len)
{
	buf_add(context, data, len);
	return NULL;
}

static char *digest_of(const struct buf *text)
{
	char hex[SHA256_HEX_LEN + 1];
	struct sha256 *sha = sha256_new();

	sha256_update(sha, text->data, text->len);
	sha256_finish(sha, hex);
	return xasprintf("sha256:%s", hex);
}

/* From the registry.  @wanted: the digest that it must have; NULL = it is new to us. */
static struct fault *download(const struct resolver *r, const char *path, const char *wanted,
			      struct document *d)
{
	struct registry_get get = {
		.path = path,
		.what = d->what,
		.accept = strncmp(path, "manifests/", 10) ? NULL : ACCEPT,
		.max = OCI_DOCUMENT_MAX,
		.sink = add_to_buf,
		.context = &d->text,
	};

	if (!r->registry)
		return fault_hint(fault_new(F_NOT_FOUND, "%s is not in the cache", d->what),
				  "Pull it once without --offline.");
	TRY(registry_get(r->registry, r->client, &get, &d->type));
	d->digest = digest_of(&d->text);
	if (wanted && strcmp(d->digest, wanted))
		return fault_new(F_CORRUPT, "%s does not match its digest: it should be %s but is %s",
				 d->what, wanted, d->digest);
	return blob_cache_put(r->cache, oci_digest_hex(d->digest), &d->text);
}

/* By digest: from the cache, else from the registry. */
static struct fault *get_by_digest(const struct resolver *r, const char *kind, const char *digest,
				   struct document *d)
{
	AUTO_FREE char *path = xasprintf("%s/%s", kind, digest);
	bool there = false;

	TRY(blob_cache_read(r->cache, oci_digest_hex(digest), OCI_DOCUMENT_MAX, &d->text, &there));
	if (!there)
		return download(r, path, digest, d);
	d->digest = xstrdup(digest);
	return NULL;
}

static struct fault *get_by_descriptor(const struct resolver *r, const char *kind,
				       const struct oci_descriptor *from, struct document *d)
{
	TRY(get_by_digest(r, kind, from->digest, d));
	if (d->text.len != from->size)
		return fault_new(F_CORRUPT, "%s has %zu bytes, not the %llu that its descriptor says",
				 d->what, d->text.len, (unsigned long long)from->size);
	return NULL;
}

/* What the reference means now; without a registry, what it meant last time. */
static struct fault *get_first(const struct resolver *r, struct document *d)
{
	AUTO_FREE char *text = reference_text(r->reference);
	AUTO_FREE char *path = xasprintf("manifests/%s", reference_object(r->reference));
	AUTO_FREE char *digest = NULL;

	d->what = xasprintf("image '%s'", text);
	if (r->reference->digest)
		return get_by_digest(r, "manifests", r->reference->digest, d);
	if (!r->registry) {
		TRY(blob_cache_recall(r->cache, text, &digest));
		if (digest)
			return get_by_digest(r, "manifests", digest, d);
	}
	TRY(download(r, path, NULL, d));
	return blob_cache_remember(r->cache, text, d->digest);
}

/* -- what is it? -- */

static struct fault *is_index_by_content(const struct document *d, bool *index,
					 enum oci_media *said)
{
	struct json_doc *doc = NULL;
	struct json root, v;
	AUTO_FREE char *own = NULL;
	uint64_t schema = 0;

	TRY(json_parse(d->text.data, d->text.len, d->what, &doc));
	root = json_root(doc);
	*index = json_get(root, "manifests", &v) && !json_get(root, "layers", &v);
	*said = json_get_string(root, "mediaType", &own) ? oci_media(own) : OCI_MEDIA_OTHER;
	if (json_get_u64(root, "schemaVersion", &schema) && schema == 1)
		*said = OCI_MEDIA_SCHEMA1;
	json_free(doc);
	return NULL;
}

/* The document's own word counts, then the server's, then what it looks like. */
static struct fault *is_index(const struct document *d, bool *index)
{
	enum oci_media own, served = oci_media(d->type);

	TRY(is_index_by_content(d, index, &own));
	if (own == OCI_MEDIA_SCHEMA1 || (own == OCI_MEDIA_OTHER && served == OCI_MEDIA_SCHEMA1))
		return fault_hint(fault_new(F_UNSUPPORTED, "%s is in Docker's first format (schema 1), "
					    "which has no digests that could be checked", d->what),
				  "Push it again with a current tool.");
	if (own == OCI_MEDIA_INDEX || own == OCI_MEDIA_MANIFEST) {
		*index = own == OCI_MEDIA_INDEX;
		if ((served == OCI_MEDIA_INDEX || served == OCI_MEDIA_MANIFEST) && served != own)
			return fault_new(F_CORRUPT, "%s calls itself something else than the server "
					 "does", d->what);
	} else if (served == OCI_MEDIA_INDEX || served == OCI_MEDIA_MANIFEST) {
		*index = served == OCI_MEDIA_INDEX;
	}
	return NULL;
}

/* -- choosing -- */

/* Attestations and artifacts stand beside images in an index. */
static bool is_image_entry(const struct oci_descriptor *d)
{
	enum oci_media media = oci_media(d->media_type);

	return !d->annotations.reference_type &&
	       (!d->media_type || media == OCI_MEDIA_INDEX || media == OCI_MEDIA_MANIFEST);
}

static struct fault *no_platform(const char *what, const struct oci_index *index,
				 const struct oci_platform *wanted)
{
	const struct oci_descriptor *entries = index->manifests.v;
	AUTO_FREE char *text = oci_platform_text(wanted);
	AUTO_BUF list = BUF_INIT;
	size_t listed = 0;

	for (size_t i = 0; i < index->manifests.n && listed < LISTED_MAX; i++) {
		AUTO_FREE char *has = NULL;

		if (!is_image_entry(&entries[i]))
			continue;
		has = oci_platform_text(&entries[i].platform);
		buf_adds(&list, listed++ ? ", " : "");
		text_add_printable(&list, has, strlen(has));
	}
	if (!listed)
		return fault_new(F_CORRUPT, "the index of %s holds no image", what);
	return fault_hint(fault_new(F_NOT_FOUND, "%s is not there for %s; it is for: %s", what, text,
				    list.data),
			  "Choose one with --platform.");
}

/* The best entry.  One that says nothing about its platform is taken when it is all there is. */
static struct fault *choose(const char *what, const struct oci_index *index,
			    const struct oci_platform *wanted, const struct oci_descriptor **out)
{
	const struct oci_descriptor *entries = index->manifests.v, *best = NULL, *mute = NULL;
	int best_rank = 0;
	bool alone = true;

	for (size_t i = 0; i < index->manifests.n; i++) {
		int rank = platform_rank(&entries[i].platform, wanted);

		if (!is_image_entry(&entries[i]))
			continue;
		if (rank > best_rank) {
			best_rank = rank;
			best = &entries[i];
		}
		if (!entries[i].platform.architecture) {
			alone = !mute;
			mute = &entries[i];
		}
	}
	*out = best ? best : alone ? mute : NULL;
	return *out ? NULL : no_platform(what, index, wanted);
}

/* From an index, or an index in an index, to a manifest. */
static struct fault *descend(const struct resolver *r, const struct oci_platform *wanted,
			     struct document *d)
{
	for (int depth = 0;; depth++) {
		struct document below = DOCUMENT_INIT;
		const struct oci_descriptor *entry;
		struct oci_index index;
		struct fault *f;
		bool more;

		TRY(is_index(d, &more));
		if (!more)
			return NULL;
		if (depth == OCI_INDEX_DEPTH)
			return fault_new(F_UNSUPPORTED, "%s: its indexes are nested more than %d deep",
					 d->what, OCI_INDEX_DEPTH);
		TRY(oci_index_parse(d->text.data, d->text.len, d->what, &index));
		f = choose(d->what, &index, wanted, &entry);
		if (!f) {
			below.what = xasprintf("the manifest %.12s of '%s'",
					       oci_digest_hex(entry->digest), image_text(r));
			f = get_by_descriptor(r, "manifests", entry, &below);
			free(below.type);
			below.type = entry->media_type ? xstrdup(entry->media_type) : NULL;
		}
		oci_index_release(&index);
		document_release(d);
		*d = below;
		TRY(f);
	}
}

/* Without an index the image's own configuration says what it is for. */
static struct fault *check_platform(const struct resolver *r, const char *what,
				    const struct oci_platform *has,
				    const struct oci_platform *wanted)
{
	AUTO_FREE char *is = oci_platform_text(has);
	AUTO_FREE char *should = oci_platform_text(wanted);

	if (!has->architecture || platform_rank(has, wanted))
		return NULL;
	if (r->platform)
		return fault_new(F_NOT_FOUND, "%s is for %s only, not for %s", what, is, should);
	progress_note(r->progress, "banger: %s is for %s and will not run here", what, is);
	return NULL;
}

static struct fault *get_config(const struct resolver *r, const struct oci_platform *wanted,
				const char *what, struct resolved *out)
{
	AUTO_DOCUMENT d = DOCUMENT_INIT;

	d.what = xasprintf("the configuration of '%s'", image_text(r));
	if (out->manifest.config.size > OCI_DOCUMENT_MAX)
		return fault_new(F_UNSUPPORTED, "%s is longer than %u bytes", d.what,
				 OCI_DOCUMENT_MAX);
	TRY(get_by_descriptor(r, "blobs", &out->manifest.config, &d));
	TRY(oci_config_parse(d.text.data, d.text.len, d.what, out->manifest.layers.n,
			     &out->config));
	return check_platform(r, what, &out->config.platform, wanted);
}

struct fault *resolve(const struct resolver *r, struct resolved *out)
{
	AUTO_DOCUMENT d = DOCUMENT_INIT;
	AUTO_PLATFORM wanted = {0};
	AUTO_FREE char *what = NULL;
	struct fault *f;

	*out = (struct resolved){0};
	TRY(platform_parse(r->platform, &wanted));
	TRY(get_first(r, &d));
	what = xstrdup(d.what);
	TRY(descend(r, &wanted, &d));
	TRY(oci_manifest_parse(d.text.data, d.text.len, d.what, &out->manifest));
	out->digest = xstrdup(d.digest);
	f = get_config(r, &wanted, what, out);
	if (f)
		resolved_release(out);
	return f;
}

void resolved_release(struct resolved *r)
{
	free(r->digest);
	oci_manifest_release(&r->manifest);
	oci_config_release(&r->config);
	*r = (struct resolved){0};
}
