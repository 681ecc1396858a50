/* SPDX-License-Identifier: MIT */
#include "image/oci.h"

#include "base/sha256.h"

#define SHA256_PREFIX "sha256:"
#define NAMED(st, key, member, k, must, limit, t) { key, k, offsetof(st, member), must, limit, t }

/* ------------------------------------------------------------------------------------ tables */

static const struct field platform_fields[] = {
	FIELD_MAX(struct oci_platform, os, FIELD_STRING, 64),
	FIELD_MAX(struct oci_platform, architecture, FIELD_STRING, 64),
	FIELD_MAX(struct oci_platform, variant, FIELD_STRING, 64),
};

static const struct record_type platform_type = {
	.name = "platform",
	.size = sizeof(struct oci_platform),
	.fields = platform_fields,
	.n_fields = ARRAY_LEN(platform_fields),
};

static const struct field annotation_fields[] = {
	NAMED(struct oci_annotations, "org.opencontainers.image.ref.name", ref_name, FIELD_STRING,
	      false, 0, NULL),
	NAMED(struct oci_annotations, "io.containerd.image.name", image_name, FIELD_STRING, false,
	      0, NULL),
	NAMED(struct oci_annotations, "vnd.docker.reference.type", reference_type, FIELD_STRING,
	      false, 0, NULL),
};

static const struct record_type annotation_type = {
	.name = "annotations",
	.size = sizeof(struct oci_annotations),
	.fields = annotation_fields,
	.n_fields = ARRAY_LEN(annotation_fields),
};

static const struct field descriptor_fields[] = {
	NAMED(struct oci_descriptor, "mediaType", media_type, FIELD_STRING, false, 255, NULL),
	NAMED(struct oci_descriptor, "digest", digest, FIELD_STRING, true, 255, NULL),
	NAMED(struct oci_descriptor, "size", size, FIELD_U64, true, INT64_MAX, NULL),
	NAMED(struct oci_descriptor, "platform", platform, FIELD_RECORD, false, 0, &platform_type),
	NAMED(struct oci_descriptor, "annotations", annotations, FIELD_RECORD, false, 0,
	      &annotation_type),
};

static const struct record_type descriptor_type = {
	.name = "the descriptor",
	.size = sizeof(struct oci_descriptor),
	.fields = descriptor_fields,
	.n_fields = ARRAY_LEN(descriptor_fields),
};

#define ARGUMENT_MAX (128 * 1024)

static const struct field image_fields[] = {
	NAMED(struct image_config, "Env", env, FIELD_STRINGS, false, ARGUMENT_MAX, NULL),
	NAMED(struct image_config, "Entrypoint", entrypoint, FIELD_STRINGS, false, ARGUMENT_MAX,
	      NULL),
	NAMED(struct image_config, "Cmd", cmd, FIELD_STRINGS, false, ARGUMENT_MAX, NULL),
	NAMED(struct image_config, "User", user, FIELD_STRING, false, 0, NULL),
	NAMED(struct image_config, "WorkingDir", working_dir, FIELD_STRING, false, 0, NULL),
	NAMED(struct image_config, "StopSignal", stop_signal, FIELD_STRING, false, 64, NULL),
};

static const struct record_type image_type = {
	.name = "config",
	.size = sizeof(struct image_config),
	.fields = image_fields,
	.n_fields = ARRAY_LEN(image_fields),
};

struct rootfs {
	char *type;
	struct strings diff_ids;
};

static const struct field rootfs_fields[] = {
	FIELD(struct rootfs, type, FIELD_STRING),
	FIELD(struct rootfs, diff_ids, FIELD_STRINGS),
};

static const struct record_type rootfs_type = {
	.name = "rootfs",
	.size = sizeof(struct rootfs),
	.fields = rootfs_fields,
	.n_fields = ARRAY_LEN(rootfs_fields),
};

static const struct field saved_fields[] = {
	NAMED(struct oci_saved, "Config", config, FIELD_STRING, true, 0, NULL),
	NAMED(struct oci_saved, "RepoTags", repo_tags, FIELD_STRINGS, false, 0, NULL),
	NAMED(struct oci_saved, "Layers", layers, FIELD_STRINGS, true, 0, NULL),
};

static const struct record_type saved_type = {
	.name = "the entry",
	.size = sizeof(struct oci_saved),
	.fields = saved_fields,
	.n_fields = ARRAY_LEN(saved_fields),
};

/* --------------------------------------------------------------------------- digests and types */

struct fault *oci_digest_check(const char *digest, const char *what)
{
	size_t prefix = strlen(SHA256_PREFIX);

	if (!strncmp(digest, SHA256_PREFIX, prefix) && sha256_is_hex(digest + prefix))
		return NULL;
	if (!strncmp(digest, "sha512:", 7))
		return fault_new(F_UNSUPPORTED, "%s: its digest is of the kind sha512; banger knows "
				 "sha256 only", what);
	return fault_new(F_CORRUPT, "%s: field 'digest' is not \"sha256:\" and 64 hexadecimal digits",
			 what);
}

const char *oci_digest_hex(const char *digest)
{
	return digest + strlen(SHA256_PREFIX);
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

enum oci_media oci_media(const char *t)
{
	static const struct {
		const char *text;
		enum oci_media media;
	} exact[] = {
		{ "application/vnd.oci.image.index.v1+json", OCI_MEDIA_INDEX },
		{ "application/vnd.docker.distribution.manifest.list.v2+json", OCI_MEDIA_INDEX },
		{ "application/vnd.oci.image.manifest.v1+json", OCI_MEDIA_MANIFEST },
		{ "application/vnd.docker.distribution.manifest.v2+json", OCI_MEDIA_MANIFEST },
		{ "application/vnd.oci.image.config.v1+json", OCI_MEDIA_CONFIG },
		{ "application/vnd.docker.container.image.v1+json", OCI_MEDIA_CONFIG },
		{ "application/vnd.docker.distribution.manifest.v1+json", OCI_MEDIA_SCHEMA1 },
		{ "application/vnd.docker.distribution.manifest.v1+prettyjws", OCI_MEDIA_SCHEMA1 },
	};
	static const char *const layers[] = {
		"application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.foreign.diff.tar",
	};

	if (!t)
		return OCI_MEDIA_OTHER;
	for (size_t i = 0; i < ARRAY_LEN(exact); i++)
		if (!strcmp(t, exact[i].text))
			return exact[i].media;
	for (size_t i = 0; i < ARRAY_LEN(layers); i++) {
		size_t n = strlen(layers[i]);

		if (strncmp(t, layers[i], n))
			continue;
		if (ends_with(t, "+encrypted"))
			return OCI_MEDIA_ENCRYPTED;
		if (!t[n] || t[n] == '.' || t[n] == '+')
			return OCI_MEDIA_LAYER;
	}
	return OCI_MEDIA_OTHER;
}

char *oci_platform_text(const struct oci_platform *p)
{
	if (!p->os && !p->architecture)
		return xstrdup("unknown");
	return xasprintf("%s/%s%s%s", p->os ? p->os : "unknown",
			 p->architecture ? p->architecture : "unknown", p->variant ? "/" : "",
			 p->variant ? p->variant : "");
}

/* ------------------------------------------------------------------------------------ parsing */

static struct fault *parse_descriptor(struct json v, const char *what, struct oci_descriptor *out)
{
	struct fault *f;

	TRY(record_from_json(&descriptor_type, v, what, out));
	f = oci_digest_check(out->digest, what);
	if (f)
		record_release(&descriptor_type, out);
	return f;
}

/* Append the descriptors of list @key of object @root. */
static struct fault *parse_descriptors(struct json root, const char *key, size_t max,
				       const char *what, struct records *out)
{
	struct json list;
	struct json value;
	struct json_iter it;

	if (!json_get(root, key, &list) || json_kind(list) != JSON_ARRAY)
		return fault_new(F_CORRUPT, "%s: field '%s' is not a list", what, key);
	if (json_len(list) > max)
		return fault_new(F_UNSUPPORTED, "%s: %zu %s are more than the %zu that banger takes",
				 what, json_len(list), key, max);
	it = json_iter(list);
	while (json_next(&it, NULL, &value)) {
		AUTO_FREE char *entry = xasprintf("%s: %s[%zu]", what, key, out->n);
		struct oci_descriptor *d = records_add(out, sizeof(struct oci_descriptor));

		TRY(parse_descriptor(value, entry, d));
	}
	return NULL;
}

static struct fault *check_schema(struct json root, const char *what)
{
	uint64_t version;

	if (json_kind(root) != JSON_OBJECT)
		return fault_new(F_CORRUPT, "%s is not a JSON object", what);
	if (!json_get_u64(root, "schemaVersion", &version))
		return fault_new(F_CORRUPT, "%s: field 'schemaVersion' is missing or no number", what);
	if (version != 2)
		return fault_new(F_UNSUPPORTED, "%s: its schemaVersion is %llu; banger knows 2 only",
				 what, (unsigned long long)version);
	return NULL;
}

/* A document may name its own type; when it does it must be the expected one, so that a blob cannot
 * be read as two different things. */
static struct fault *check_own_type(struct json root, enum oci_media wanted, const char *what)
{
	AUTO_FREE char *type = NULL;

	if (!json_get_string(root, "mediaType", &type) || oci_media(type) == wanted)
		return NULL;
	return fault_new(F_CORRUPT, "%s: field 'mediaType' is '%s', which is no %s", what, type,
			 wanted == OCI_MEDIA_INDEX ? "image index" : "image manifest");
}

static struct fault *index_from_json(struct json root, const char *what, struct oci_index *out)
{
	TRY(check_schema(root, what));
	TRY(check_own_type(root, OCI_MEDIA_INDEX, what));
	return parse_descriptors(root, "manifests", OCI_ENTRIES_MAX, what, &out->manifests);
}

struct fault *oci_index_parse(const char *text, size_t len, const char *what,
			      struct oci_index *out)
{
	struct json_doc *doc = NULL;
	struct fault *f;

	*out = (struct oci_index){ 0 };
	TRY(json_parse(text, len, what, &doc));
	f = index_from_json(json_root(doc), what, out);
	json_free(doc);
	if (f)
		oci_index_release(out);
	return f;
}

static void release_descriptors(struct records *r)
{
	for (size_t i = 0; i < r->n; i++)
		record_release(&descriptor_type, (struct oci_descriptor *)r->v + i);
	free(r->v);
	*r = (struct records){ 0 };
}

void oci_index_release(struct oci_index *index)
{
	release_descriptors(&index->manifests);
}

static struct fault *check_layers(const struct records *layers, const char *what)
{
	for (size_t i = 0; i < layers->n; i++) {
		const struct oci_descriptor *d = (const struct oci_descriptor *)layers->v + i;
		enum oci_media media = oci_media(d->media_type);

		if (media == OCI_MEDIA_ENCRYPTED)
			return fault_new(F_UNSUPPORTED, "%s: layers[%zu] is encrypted", what, i);
		if (media != OCI_MEDIA_LAYER)
			return fault_new(F_UNSUPPORTED, "%s: layers[%zu] is of the type '%s', which "
					 "is no layer of a file system", what, i,
					 d->media_type ? d->media_type : "none");
	}
	return NULL;
}

static struct fault *manifest_from_json(struct json root, const char *what,
					struct oci_manifest *out)
{
	AUTO_FREE char *config_what = xasprintf("%s: config", what);
	struct json config;

	TRY(check_schema(root, what));
	TRY(check_own_type(root, OCI_MEDIA_MANIFEST, what));
	if (!json_get(root, "config", &config))
		return fault_new(F_CORRUPT, "%s: field 'config' is missing", what);
	TRY(parse_descriptor(config, config_what, &out->config));
	if (oci_media(out->config.media_type) != OCI_MEDIA_CONFIG)
		return fault_new(F_UNSUPPORTED, "%s is no container image: its config is of the type "
				 "'%s'", what,
				 out->config.media_type ? out->config.media_type : "none");
	TRY(parse_descriptors(root, "layers", OCI_LAYERS_MAX, what, &out->layers));
	return check_layers(&out->layers, what);
}

struct fault *oci_manifest_parse(const char *text, size_t len, const char *what,
				 struct oci_manifest *out)
{
	struct json_doc *doc = NULL;
	struct fault *f;

	*out = (struct oci_manifest){ 0 };
	TRY(json_parse(text, len, what, &doc));
	f = manifest_from_json(json_root(doc), what, out);
	json_free(doc);
	if (f)
		oci_manifest_release(out);
	return f;
}

void oci_manifest_release(struct oci_manifest *manifest)
{
	record_release(&descriptor_type, &manifest->config);
	release_descriptors(&manifest->layers);
}

/* Empty texts mean the same as none. */
static void drop_empty(char **text)
{
	if (*text && !**text)
		free(steal_ptr(text));
}

static struct fault *read_rootfs(struct json root, const char *what, size_t n_layers,
				 struct strings *diff_ids)
{
	AUTO_FREE char *part = xasprintf("%s: rootfs", what);
	struct rootfs rootfs = { 0 };
	struct json value;

	if (!json_get(root, "rootfs", &value))
		return fault_new(F_CORRUPT, "%s: field 'rootfs' is missing", what);
	TRY(record_from_json(&rootfs_type, value, part, &rootfs));
	free(steal_ptr(&rootfs.type));
	*diff_ids = rootfs.diff_ids;
	if (diff_ids->n != n_layers)
		return fault_new(F_CORRUPT, "%s: field 'diff_ids' has %zu entries, but the image has "
				 "%zu layers", part, diff_ids->n, n_layers);
	for (size_t i = 0; i < diff_ids->n; i++) {
		AUTO_FREE char *entry = xasprintf("%s: diff_ids[%zu]", part, i);

		TRY(oci_digest_check(diff_ids->v[i], entry));
	}
	return NULL;
}

static struct fault *config_from_json(struct json root, const char *what, size_t n_layers,
				      struct oci_config *out)
{
	AUTO_FREE char *part = xasprintf("%s: config", what);
	struct json value;

	TRY(record_from_json(&platform_type, root, what, &out->platform));
	drop_empty(&out->platform.os);
	drop_empty(&out->platform.architecture);
	drop_empty(&out->platform.variant);
	if (out->platform.os && strcmp(out->platform.os, "linux"))
		return fault_new(F_UNSUPPORTED, "%s: the image is for the operating system '%s', and "
				 "banger runs linux only", what, out->platform.os);
	TRY(read_rootfs(root, what, n_layers, &out->diff_ids));
	if (!json_get(root, "config", &value) || json_kind(value) == JSON_NULL)
		return NULL;
	TRY(record_from_json(&image_type, value, part, &out->image));
	drop_empty(&out->image.user);
	drop_empty(&out->image.working_dir);
	drop_empty(&out->image.stop_signal);
	return NULL;
}

struct fault *oci_config_parse(const char *text, size_t len, const char *what, size_t n_layers,
			       struct oci_config *out)
{
	struct json_doc *doc = NULL;
	struct fault *f;

	*out = (struct oci_config){ 0 };
	TRY(json_parse(text, len, what, &doc));
	f = config_from_json(json_root(doc), what, n_layers, out);
	json_free(doc);
	if (f)
		oci_config_release(out);
	return f;
}

void oci_config_release(struct oci_config *config)
{
	record_release(&platform_type, &config->platform);
	strings_release(&config->diff_ids);
	record_release(&image_type, &config->image);
}

static struct fault *saved_from_json(struct json root, const char *what, struct records *out)
{
	struct json_iter it = json_iter(root);
	struct json value;

	if (json_kind(root) != JSON_ARRAY)
		return fault_new(F_CORRUPT, "%s is not a list of images", what);
	if (json_len(root) > OCI_ENTRIES_MAX)
		return fault_new(F_UNSUPPORTED, "%s: %zu images are more than the %d that banger "
				 "takes", what, json_len(root), OCI_ENTRIES_MAX);
	while (json_next(&it, NULL, &value)) {
		AUTO_FREE char *entry = xasprintf("%s: [%zu]", what, out->n);
		struct oci_saved *saved = records_add(out, sizeof(struct oci_saved));

		TRY(record_from_json(&saved_type, value, entry, saved));
		if (saved->layers.n > OCI_LAYERS_MAX)
			return fault_new(F_UNSUPPORTED, "%s: %zu layers are more than the %d that "
					 "banger takes", entry, saved->layers.n, OCI_LAYERS_MAX);
	}
	return NULL;
}

struct fault *oci_saved_parse(const char *text, size_t len, const char *what, struct records *out)
{
	struct json_doc *doc = NULL;
	struct fault *f;

	*out = (struct records){ 0 };
	TRY(json_parse(text, len, what, &doc));
	f = saved_from_json(json_root(doc), what, out);
	json_free(doc);
	if (f)
		oci_saved_release(out);
	return f;
}

void oci_saved_release(struct records *saved)
{
	for (size_t i = 0; i < saved->n; i++)
		record_release(&saved_type, (struct oci_saved *)saved->v + i);
	free(saved->v);
	*saved = (struct records){ 0 };
}
