/* SPDX-License-Identifier: MIT */
/* image_record.h - images/<name>/image.json. */
#ifndef BANGER_STORE_IMAGE_RECORD_H
#define BANGER_STORE_IMAGE_RECORD_H

#include "base/json.h"

#define IMAGE_ROOTFS_FILE "rootfs.ext4"
#define IMAGE_RECORD_FILE "image.json"

/* The part of the OCI image configuration that a VM uses (OCI image-spec, config.md). */
struct image_config {
	struct strings env;	   /* "K=V" */
	struct strings entrypoint; /* argv prefix */
	struct strings cmd;	   /* default arguments */
	char *user;		   /* "uid", "uid:gid", "name", "name:group"; NULL = root */
	char *working_dir;	   /* absolute; NULL = / */
	char *stop_signal;	   /* "SIGTERM"; NULL = default */
};

struct image_record {
	char *name;
	char *source;		/* what it was made from, as the user wrote it */
	char *source_kind;	/* "tar", "directory", "oci-layout", "docker-archive", "ext4", "registry", "debian-suite", ... */
	char *reference;	/* in a registry, whole: "docker.io/library/alpine:latest"; NULL = none */
	char *platform;		/* "linux/arm64/v8"; NULL = unknown */
	char *created;		/* RFC 3339 */
	char *arch;		/* OCI name: "amd64"; NULL = unknown */
	char *os;		/* from /etc/os-release: "debian 12"; NULL = unknown */
	char *manifest_digest;	/* "sha256:<hex>"; NULL when the source has none */
	char *config_digest;
	struct strings layers;	/* digests of the layers as stored, base first */
	uint64_t size_bytes;	/* logical size of rootfs.ext4 */
	uint64_t content_bytes; /* sum of file sizes */
	uint64_t entries;	/* files, directories, links */
	char *kernel;		/* kernel that this image wants; NULL = the default one */
	struct image_config config;
	/*
	 * Of a registered image: its file system stays where it is, and must stay what it was.  NULL
	 * and 0 otherwise; then it is rootfs.ext4 beside the record.
	 */
	char *rootfs_path; /* absolute */
	uint64_t rootfs_bytes, rootfs_inode;
	int64_t rootfs_mtime_ns;
};

extern const struct record_type image_record_type;

#endif
