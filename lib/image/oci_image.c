/* SPDX-License-Identifier: MIT */
#include "image/oci_image.h"

bool vault_is_layout(const struct vault *v)
{
	return vault_has(v, "oci-layout") && vault_has(v, "index.json");
}

bool vault_is_docker_archive(const struct vault *v)
{
	return vault_has(v, "manifest.json");
}

void oci_image_release(struct oci_image *image)
{
	struct oci_layer *layers = image->layers.v;

	for (size_t i = 0; i < image->layers.n; i++) {
		free(layers[i].path);
		free(layers[i].digest);
		free(layers[i].diff_id);
	}
	free(layers);
	free(image->reference);
	free(image->manifest_digest);
	free(image->config_digest);
	oci_config_release(&image->config);
	*image = (struct oci_image){ 0 };
}

static bool has_prefix(const char *text, const char *prefix, const char **rest)
{
	size_t n = strlen(prefix);

	*rest = text + n;
	return !strncmp(text, prefix, n);
}

int reference_match(const char *reference, const char *tag)
{
	static const char *const hubs[] = { "docker.io/library/", "docker.io/" };
	const char *slash = strrchr(reference, '/');
	const char *colon = strrchr(reference, ':');
	const char *rest;

	if (!strcmp(reference, tag))
		return 2;
	for (size_t i = 0; i < ARRAY_LEN(hubs); i++)
		if (has_prefix(reference, hubs[i], &rest) && !strcmp(rest, tag))
			return 2;
	return colon && (!slash || colon > slash) && !strcmp(colon + 1, tag);
}
