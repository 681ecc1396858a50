/* SPDX-License-Identifier: MIT */
/*
 * docker_archive.c - what docker save writes: manifest.json names a configuration and layers by
 * their paths in the archive.  It has no digests; a layer is checked against the diff_id that the
 * configuration has for it, and the configuration against its own file name.
 */
#include "image/oci_image.h"

#include "base/sha256.h"
#include "base/text.h"

#define LISTED_MAX 20

static const struct oci_saved *saved_at(const struct records *saved, size_t i)
{
	return (const struct oci_saved *)saved->v + i;
}

/* All tags of all images: "a:1, b:2".  Owned. */
static char *list_tags(const struct records *saved)
{
	AUTO_BUF out = BUF_INIT;
	size_t listed = 0;

	for (size_t i = 0; i < saved->n; i++)
		for (size_t k = 0; k < saved_at(saved, i)->repo_tags.n && listed < LISTED_MAX; k++) {
			const char *tag = saved_at(saved, i)->repo_tags.v[k];

			if (listed++)
				buf_adds(&out, ", ");
			text_add_printable(&out, tag, strlen(tag));
		}
	if (!listed)
		buf_adds(&out, "(no tags)");
	return buf_steal(&out);
}

static int best_match(const struct oci_saved *s, const char *tag, const char **reference)
{
	int best = 0;

	for (size_t i = 0; i < s->repo_tags.n; i++) {
		int match = reference_match(s->repo_tags.v[i], tag);

		if (match > best) {
			best = match;
			*reference = s->repo_tags.v[i];
		}
	}
	return best;
}

static struct fault *choose_by_tag(const struct vault *v, const struct records *saved,
				   const char *tag, size_t *chosen, const char **reference)
{
	AUTO_FREE char *tags = list_tags(saved);
	size_t found = 0;
	int best = 0;

	for (size_t i = 0; i < saved->n; i++) {
		const char *name = NULL;
		int match = best_match(saved_at(saved, i), tag, &name);

		if (!match || match < best)
			continue;
		found = match > best ? 1 : found + 1;
		best = match;
		*chosen = i;
		*reference = name;
	}
	if (found > 1)
		return fault_hint(fault_new(F_AMBIGUOUS, "%s has %zu images with the tag '%s'",
					    v->what, found, tag),
				  "Choose one by its whole name: %s", tags);
	if (!found)
		return fault_hint(fault_new(F_NOT_FOUND, "%s has no image with the tag '%s'", v->what,
					    tag),
				  "It has: %s", tags);
	return NULL;
}

static struct fault *choose(const struct vault *v, const struct records *saved, const char *tag,
			    size_t *chosen, const char **reference)
{
	AUTO_FREE char *tags = NULL;

	*reference = NULL;
	if (!saved->n)
		return fault_new(F_CORRUPT, "%s holds no image", v->what);
	if (tag)
		return choose_by_tag(v, saved, tag, chosen, reference);
	if (saved->n == 1) {
		*chosen = 0;
		if (saved_at(saved, 0)->repo_tags.n)
			*reference = saved_at(saved, 0)->repo_tags.v[0];
		return NULL;
	}
	tags = list_tags(saved);
	return fault_hint(fault_new(F_AMBIGUOUS, "%s holds several images: %s", v->what, tags),
			  "Choose one by adding ':' and its tag to the source.");
}

/* "<hex>.json", "blobs/sha256/<hex>" or "sha256:<hex>": the digest that the configuration must have,
 * or NULL when its name is no digest.  Borrowed from @path, 64 digits. */
static const char *named_digest(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char hex[SHA256_HEX_LEN + 1];

	if (!strncmp(name, "sha256:", 7))
		name += 7;
	if (strlen(name) < SHA256_HEX_LEN)
		return NULL;
	memcpy(hex, name, SHA256_HEX_LEN);
	hex[SHA256_HEX_LEN] = '\0';
	if (!sha256_is_hex(hex))
		return NULL;
	return !name[SHA256_HEX_LEN] || !strcmp(name + SHA256_HEX_LEN, ".json") ? name : NULL;
}

static struct fault *read_config(const struct vault *v, const struct oci_saved *s,
				 struct oci_image *out)
{
	AUTO_FREE char *what = xasprintf("'%s' of %s", s->config, v->what);
	const char *wanted = named_digest(s->config);
	struct sha256 *sha = sha256_new();
	char hex[SHA256_HEX_LEN + 1];
	AUTO_BUF text = BUF_INIT;
	struct fault *f = vault_read(v, s->config, OCI_DOCUMENT_MAX, &text);

	sha256_update(sha, text.data, text.len);
	sha256_finish(sha, hex);
	TRY(f);
	if (wanted && strncmp(wanted, hex, SHA256_HEX_LEN))
		return fault_new(F_CORRUPT, "%s does not match its digest: it is sha256:%s", what,
				 hex);
	out->config_digest = xasprintf("sha256:%s", hex);
	return oci_config_parse(text.data, text.len, what, s->layers.n, &out->config);
}

static struct fault *add_layer(const struct vault *v, const char *path, const char *diff_id,
			       struct oci_image *out)
{
	AUTO_VAULT_PART part = VAULT_PART_INIT;
	struct oci_layer *layer = records_add(&out->layers, sizeof(*layer));

	layer->path = xstrdup(path);
	layer->diff_id = xstrdup(diff_id);
	TRY(vault_open(v, path, &part));
	layer->size = part.size;
	return NULL;
}

static struct fault *take(const struct vault *v, const struct records *saved, const char *tag,
			  struct oci_image *out)
{
	const struct oci_saved *s;
	const char *reference;
	size_t chosen = 0;

	TRY(choose(v, saved, tag, &chosen, &reference));
	s = saved_at(saved, chosen);
	out->reference = reference ? xstrdup(reference) : NULL;
	TRY(read_config(v, s, out));
	for (size_t i = 0; i < s->layers.n; i++)
		TRY(add_layer(v, s->layers.v[i], out->config.diff_ids.v[i], out));
	return NULL;
}

struct fault *docker_archive_select(const struct vault *v, const char *tag, struct oci_image *out)
{
	AUTO_FREE char *what = xasprintf("manifest.json of %s", v->what);
	AUTO_BUF text = BUF_INIT;
	struct records saved;
	struct fault *f;

	*out = (struct oci_image){ .kind = "docker-archive" };
	TRY(vault_read(v, "manifest.json", OCI_DOCUMENT_MAX, &text));
	TRY(oci_saved_parse(text.data, text.len, what, &saved));
	f = take(v, &saved, tag, out);
	oci_saved_release(&saved);
	if (f)
		oci_image_release(out);
	return f;
}
