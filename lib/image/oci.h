/* SPDX-License-Identifier: MIT */
/*
 * oci.h - the documents of an OCI image (image-spec 1.1) and of Docker's predecessors: index,
 * manifest, image configuration, and docker save's manifest.json.
 *
 * Pure parsing of foreign text: every function takes the text and says in its fault which field of
 * which document is wrong.  @what names the document in messages ("index.json of 'app.tar'").
 */
#ifndef BANGER_IMAGE_OCI_H
#define BANGER_IMAGE_OCI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"
#include "store/image_record.h"

#define OCI_DOCUMENT_MAX (4u << 20) /* bytes of an index, manifest or configuration */
#define OCI_LAYERS_MAX	 1000
#define OCI_ENTRIES_MAX	 10000	    /* manifests in one index */
#define OCI_INDEX_DEPTH	 4	    /* an index may point at an index */

enum oci_media {
	OCI_MEDIA_INDEX,
	OCI_MEDIA_MANIFEST,
	OCI_MEDIA_CONFIG,
	OCI_MEDIA_LAYER,
	OCI_MEDIA_ENCRYPTED, /* a layer that nobody here can read */
	OCI_MEDIA_SCHEMA1,   /* Docker's first format */
	OCI_MEDIA_OTHER,
};

struct oci_platform {
	char *os, *architecture, *variant; /* NULL when absent */
};

/* The annotations of a descriptor that mean something here; NULL when absent. */
struct oci_annotations {
	char *ref_name;	      /* org.opencontainers.image.ref.name */
	char *image_name;     /* io.containerd.image.name */
	char *reference_type; /* vnd.docker.reference.type: an attestation, no image */
};

struct oci_descriptor {
	char *media_type; /* may be NULL: then it is guessed from where it stands */
	char *digest;	  /* "sha256:<64 hex>", checked */
	uint64_t size;
	struct oci_platform platform;
	struct oci_annotations annotations;
};

struct oci_index {
	struct records manifests; /* of struct oci_descriptor */
};

struct oci_manifest {
	struct oci_descriptor config;
	struct records layers; /* of struct oci_descriptor, base first */
};

struct oci_config {
	struct oci_platform platform;
	struct strings diff_ids; /* "sha256:<hex>" of each uncompressed layer, base first */
	struct image_config image;
};

/* One image of docker save's manifest.json. */
struct oci_saved {
	char *config;		  /* path inside the archive */
	struct strings repo_tags; /* "alpine:3.20" */
	struct strings layers;	  /* paths inside the archive, base first */
};

/* Return of all: NULL; F_CORRUPT for a malformed document; F_UNSUPPORTED for one that is fine but
 * not for us (a digest algorithm, an artifact, another operating system).  Results are released by
 * the matching function; nothing to release after a fault. */
struct fault *oci_index_parse(const char *text, size_t len, const char *what,
			      struct oci_index *out) MUST_CHECK;
void oci_index_release(struct oci_index *index);

struct fault *oci_manifest_parse(const char *text, size_t len, const char *what,
				 struct oci_manifest *out) MUST_CHECK;
void oci_manifest_release(struct oci_manifest *manifest);

/* @n_layers: how many layers the manifest has; the configuration must have as many diff_ids. */
struct fault *oci_config_parse(const char *text, size_t len, const char *what, size_t n_layers,
			       struct oci_config *out) MUST_CHECK;
void oci_config_release(struct oci_config *config);

/* @out: records of struct oci_saved. */
struct fault *oci_saved_parse(const char *text, size_t len, const char *what,
			      struct records *out) MUST_CHECK;
void oci_saved_release(struct records *saved);

/* oci_media() - what a media type means; NULL is OCI_MEDIA_OTHER. */
enum oci_media oci_media(const char *media_type);
/* oci_digest_hex() - the 64 hex digits of a checked digest, borrowed. */
const char *oci_digest_hex(const char *digest);
/* oci_digest_check() - F_UNSUPPORTED for another algorithm, F_CORRUPT for nonsense. */
struct fault *oci_digest_check(const char *digest, const char *what) MUST_CHECK;
/* "linux/amd64", "linux/arm64/v8", "unknown"; owned. */
char *oci_platform_text(const struct oci_platform *platform);

#endif
