/* SPDX-License-Identifier: MIT */
/*
 * oci_image.h - one image chosen from an image layout or a docker-save archive: its configuration
 * and where its layers are.
 */
#ifndef BANGER_IMAGE_OCI_IMAGE_H
#define BANGER_IMAGE_OCI_IMAGE_H

#include "base/fault.h"
#include "image/oci.h"
#include "image/vault.h"

struct oci_layer {
	char *path;    /* in the vault */
	char *digest;  /* "sha256:<hex>" of the blob as stored; NULL = not known */
	char *diff_id; /* of the uncompressed layer */
	uint64_t size; /* bytes as stored */
};

struct oci_image {
	const char *kind;	/* "oci-layout" or "docker-archive", static */
	char *reference;	/* the name that it has in there; NULL = none */
	char *manifest_digest;	/* NULL for docker-archive */
	char *config_digest;
	struct oci_config config;
	struct records layers;	/* of struct oci_layer, base first */
};

/* Which of the two a vault is, by the files that it has. */
bool vault_is_layout(const struct vault *v);
bool vault_is_docker_archive(const struct vault *v);

/*
 * layout_select() - choose an image of an OCI layout.  Every document on the way is checked against
 * its digest; layers are not read, but must be there with the right size.
 * @tag: as the user wrote it, or NULL: then there must be only one.  Of several platforms the
 * host's is taken; a lone image of another platform is taken as it is.
 * Return: NULL; F_NOT_FOUND and F_AMBIGUOUS list what there is; F_CORRUPT; F_UNSUPPORTED; F_SYS.
 */
struct fault *layout_select(const struct vault *v, const char *tag, struct oci_image *out) MUST_CHECK;
/* The same for what docker save, podman save and skopeo's docker-archive write. */
struct fault *docker_archive_select(const struct vault *v, const char *tag,
				    struct oci_image *out) MUST_CHECK;
void oci_image_release(struct oci_image *image);

/* Does @reference ("docker.io/library/alpine:3.20") go by @tag ("alpine:3.20", "3.20")?  2: by its
 * whole name; 1: by its tag alone; 0: no. */
int reference_match(const char *reference, const char *tag);

#define AUTO_OCI_IMAGE __attribute__((cleanup(oci_image_release))) struct oci_image

#endif
