/* SPDX-License-Identifier: MIT */
/* layout.c - OCI image layouts (image-spec, image-layout.md): index.json to layers. */
#include "image/oci_image.h"

#include "base/sha256.h"
#include "base/text.h"
#include "host/machine.h"

#define LISTED_MAX 20 /* names in a message */

static const struct oci_descriptor *entry_at(const struct oci_index *index, size_t i)
{
	return (const struct oci_descriptor *)index->manifests.v + i;
}

static const char *entry_name(const struct oci_descriptor *d)
{
	return d->annotations.image_name ? d->annotations.image_name : d->annotations.ref_name;
}

/* Attestations and artifacts stand beside images in an index. */
static bool is_image_entry(const struct oci_descriptor *d)
{
	enum oci_media media = oci_media(d->media_type);

	return !d->annotations.reference_type &&
	       (!d->media_type || media == OCI_MEDIA_INDEX || media == OCI_MEDIA_MANIFEST);
}

/* "blobs/sha256/<hex>"; owned. */
static char *blob_path(const char *digest)
{
	return xasprintf("blobs/sha256/%s", oci_digest_hex(digest));
}

/* A document by descriptor: bounded, and of the promised size and digest. */
static struct fault *read_document(const struct vault *v, const struct oci_descriptor *d,
				   const char *what, struct buf *out)
{
	AUTO_FREE char *path = blob_path(d->digest);
	struct sha256 *sha;
	char hex[SHA256_HEX_LEN + 1];

	TRY(vault_read(v, path, OCI_DOCUMENT_MAX, out));
	if (out->len != d->size)
		return fault_new(F_CORRUPT, "%s has %zu bytes, not the %llu that its descriptor says",
				 what, out->len, (unsigned long long)d->size);
	sha = sha256_new();
	sha256_update(sha, out->data, out->len);
	sha256_finish(sha, hex);
	if (strcmp(hex, oci_digest_hex(d->digest)))
		return fault_new(F_CORRUPT, "%s does not match its digest: it is sha256:%s", what,
				 hex);
	return NULL;
}

/* "manifest 0123456789ab of 'app.tar'"; owned. */
static char *document_name(const struct vault *v, const char *kind, const char *digest)
{
	return xasprintf("%s %.12s of %s", kind, oci_digest_hex(digest), v->what);
}

/* ---------------------------------------------------------------------------- choosing by name */

/* The names in the index, each once: "a, b, c".  Owned. */
static char *list_names(const struct oci_index *index)
{
	AUTO_BUF out = BUF_INIT;
	size_t listed = 0;

	for (size_t i = 0; i < index->manifests.n; i++) {
		const char *name = entry_name(entry_at(index, i));
		bool seen = !name || !is_image_entry(entry_at(index, i));

		for (size_t k = 0; k < i && !seen; k++)
			seen = entry_name(entry_at(index, k)) &&
			       !strcmp(entry_name(entry_at(index, k)), name);
		if (seen)
			continue;
		if (listed++ == LISTED_MAX) {
			buf_adds(&out, ", ...");
			break;
		}
		if (listed > 1)
			buf_adds(&out, ", ");
		text_add_printable(&out, name, strlen(name));
	}
	if (!listed)
		buf_adds(&out, "(no names)");
	return buf_steal(&out);
}

static int entry_match(const struct oci_descriptor *d, const char *tag)
{
	int by_ref = d->annotations.ref_name ? reference_match(d->annotations.ref_name, tag) : 0;
	int by_name = d->annotations.image_name ? reference_match(d->annotations.image_name, tag) : 0;

	return by_ref > by_name ? by_ref : by_name;
}

static bool same_name(const struct oci_descriptor *a, const struct oci_descriptor *b)
{
	const char *x = entry_name(a), *y = entry_name(b);

	return x == y || (x && y && !strcmp(x, y)) || !strcmp(a->digest, b->digest);
}

/* Mark in @keep the entries that @tag means; NULL means all images. */
static size_t match_entries(const struct oci_index *index, const char *tag, bool *keep)
{
	size_t kept = 0;

	for (int level = 2; level >= 1 && !kept; level--)
		for (size_t i = 0; i < index->manifests.n; i++) {
			const struct oci_descriptor *d = entry_at(index, i);

			keep[i] = is_image_entry(d) && (!tag || entry_match(d, tag) == level);
			kept += keep[i];
		}
	return kept;
}

static struct fault *choose_by_name(const struct vault *v, const struct oci_index *index,
				    const char *tag, bool *keep)
{
	AUTO_FREE char *names = NULL;
	const struct oci_descriptor *first = NULL;

	if (!match_entries(index, tag, keep)) {
		names = list_names(index);
		if (!tag)
			return fault_new(F_CORRUPT, "%s holds no image", v->what);
		return fault_hint(fault_new(F_NOT_FOUND, "%s has no image with the tag '%s'", v->what,
					    tag),
				  "It has: %s", names);
	}
	for (size_t i = 0; i < index->manifests.n; i++) {
		if (!keep[i])
			continue;
		if (!first)
			first = entry_at(index, i);
		if (same_name(first, entry_at(index, i)))
			continue;
		names = list_names(index);
		return fault_hint(fault_new(F_AMBIGUOUS, "%s holds several images: %s", v->what,
					    names),
				  "Choose one by adding ':' and its tag to the source.");
	}
	return NULL;
}

/* ------------------------------------------------------------------------ choosing by platform */

static bool is_host_platform(const struct oci_platform *p)
{
	return p->architecture && !strcmp(p->architecture, machine_arch()) &&
	       (!p->os || !strcmp(p->os, "linux"));
}

static char *list_platforms(const struct oci_index *index, const bool *keep)
{
	AUTO_BUF out = BUF_INIT;
	size_t listed = 0;

	for (size_t i = 0; i < index->manifests.n && listed < LISTED_MAX; i++) {
		AUTO_FREE char *text = NULL;

		if (!keep[i])
			continue;
		text = oci_platform_text(&entry_at(index, i)->platform);
		if (listed++)
			buf_adds(&out, ", ");
		text_add_printable(&out, text, strlen(text));
	}
	return buf_steal(&out);
}

/* The host's platform; else the only one there is. */
static struct fault *choose_by_platform(const struct vault *v, const struct oci_index *index,
					const bool *keep, size_t *chosen)
{
	AUTO_FREE char *platforms = NULL;
	const struct oci_descriptor *best = NULL, *any = NULL;
	bool alone = true;

	for (size_t i = 0; i < index->manifests.n; i++) {
		const struct oci_descriptor *d = entry_at(index, i);

		if (!keep[i])
			continue;
		alone = !any || (alone && !strcmp(any->digest, d->digest));
		any = any ? any : d;
		/* The plain platform is the one that runs everywhere; variants want newer CPUs. */
		if (is_host_platform(&d->platform) &&
		    (!best || (best->platform.variant && !d->platform.variant)))
			best = d;
	}
	if (!best && alone)
		best = any;
	if (best) {
		*chosen = (size_t)(best - entry_at(index, 0));
		return NULL;
	}
	platforms = list_platforms(index, keep);
	return fault_new(F_NOT_FOUND, "%s has no image for linux/%s; it has: %s", v->what,
			 machine_arch(), platforms);
}

/* ------------------------------------------------------------------------------------ documents */

static struct fault *add_layer(const struct vault *v, const struct oci_descriptor *d,
			       const char *diff_id, struct oci_image *out)
{
	AUTO_VAULT_PART part = VAULT_PART_INIT;
	struct oci_layer *layer = records_add(&out->layers, sizeof(*layer));

	layer->path = blob_path(d->digest);
	layer->digest = xstrdup(d->digest);
	layer->diff_id = xstrdup(diff_id);
	layer->size = d->size;
	TRY(vault_open(v, layer->path, &part));
	if (part.size != d->size)
		return fault_new(F_CORRUPT, "layer %zu of %s has %llu bytes, not the %llu that the "
				 "manifest says", out->layers.n, v->what,
				 (unsigned long long)part.size, (unsigned long long)d->size);
	return NULL;
}

static struct fault *read_config(const struct vault *v, const struct oci_manifest *manifest,
				 struct oci_image *out)
{
	AUTO_FREE char *what = document_name(v, "image configuration", manifest->config.digest);
	const struct oci_descriptor *layers = manifest->layers.v;
	AUTO_BUF text = BUF_INIT;

	TRY(read_document(v, &manifest->config, what, &text));
	TRY(oci_config_parse(text.data, text.len, what, manifest->layers.n, &out->config));
	out->config_digest = xstrdup(manifest->config.digest);
	for (size_t i = 0; i < manifest->layers.n; i++)
		TRY(add_layer(v, &layers[i], out->config.diff_ids.v[i], out));
	return NULL;
}

static struct fault *read_manifest(const struct vault *v, const struct oci_descriptor *d,
				   struct oci_image *out)
{
	AUTO_FREE char *what = document_name(v, "manifest", d->digest);
	struct oci_manifest manifest;
	AUTO_BUF text = BUF_INIT;
	struct fault *f;

	TRY(read_document(v, d, what, &text));
	TRY(oci_manifest_parse(text.data, text.len, what, &manifest));
	out->manifest_digest = xstrdup(d->digest);
	f = read_config(v, &manifest, out);
	oci_manifest_release(&manifest);
	return f;
}

static struct fault *follow_index(const struct vault *v, const struct oci_index *index,
				  const char *tag, int depth, struct oci_image *out);

static struct fault *follow(const struct vault *v, const struct oci_descriptor *d, int depth,
			    struct oci_image *out)
{
	AUTO_FREE char *what = NULL;
	AUTO_BUF text = BUF_INIT;
	struct oci_index index;
	struct fault *f;

	if (oci_media(d->media_type) != OCI_MEDIA_INDEX)
		return read_manifest(v, d, out);
	if (depth == OCI_INDEX_DEPTH)
		return fault_new(F_UNSUPPORTED, "%s: its indexes are nested more than %d deep",
				 v->what, OCI_INDEX_DEPTH);
	what = document_name(v, "index", d->digest);
	TRY(read_document(v, d, what, &text));
	TRY(oci_index_parse(text.data, text.len, what, &index));
	f = follow_index(v, &index, NULL, depth + 1, out);
	oci_index_release(&index);
	return f;
}

/* Only the outermost index is chosen from by name; those below differ by platform. */
static struct fault *follow_index(const struct vault *v, const struct oci_index *index,
				  const char *tag, int depth, struct oci_image *out)
{
	AUTO_FREE bool *keep = xcalloc(index->manifests.n + 1, sizeof(*keep));
	size_t chosen = 0;

	if (depth == 0)
		TRY(choose_by_name(v, index, tag, keep));
	else if (!match_entries(index, NULL, keep))
		return fault_new(F_CORRUPT, "%s: an index in it holds no image", v->what);
	TRY(choose_by_platform(v, index, keep, &chosen));
	if (depth == 0 && entry_name(entry_at(index, chosen)))
		out->reference = xstrdup(entry_name(entry_at(index, chosen)));
	return follow(v, entry_at(index, chosen), depth, out);
}

static struct fault *check_layout_version(const struct vault *v)
{
	AUTO_FREE char *what = xasprintf("oci-layout of %s", v->what);
	AUTO_FREE char *version = NULL;
	AUTO_BUF text = BUF_INIT;
	struct json_doc *doc;
	bool ok;

	TRY(vault_read(v, "oci-layout", OCI_DOCUMENT_MAX, &text));
	TRY(json_parse(text.data, text.len, what, &doc));
	ok = json_get_string(json_root(doc), "imageLayoutVersion", &version);
	json_free(doc);
	if (!ok)
		return fault_new(F_CORRUPT, "%s: field 'imageLayoutVersion' is missing", what);
	if (strncmp(version, "1.", 2))
		return fault_new(F_UNSUPPORTED, "%s: its imageLayoutVersion is '%s'; banger knows 1 "
				 "only", what, version);
	return NULL;
}

struct fault *layout_select(const struct vault *v, const char *tag, struct oci_image *out)
{
	AUTO_FREE char *what = xasprintf("index.json of %s", v->what);
	AUTO_BUF text = BUF_INIT;
	struct oci_index index;
	struct fault *f;

	*out = (struct oci_image){ .kind = "oci-layout" };
	TRY(check_layout_version(v));
	TRY(vault_read(v, "index.json", OCI_DOCUMENT_MAX, &text));
	TRY(oci_index_parse(text.data, text.len, what, &index));
	f = follow_index(v, &index, tag, 0, out);
	oci_index_release(&index);
	if (f)
		oci_image_release(out);
	return f;
}
