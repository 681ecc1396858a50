/* SPDX-License-Identifier: MIT */
#include "store/image_record.h"

#define CONFIG_TEXT_MAX	 (128 * 1024) /* one argument or variable, as execve(2) has it */
#define SOURCE_TEXT_MAX	 (16 * 1024)

static const struct field config_fields[] = {
	FIELD_MAX(struct image_config, env, FIELD_STRINGS, CONFIG_TEXT_MAX),
	FIELD_MAX(struct image_config, entrypoint, FIELD_STRINGS, CONFIG_TEXT_MAX),
	FIELD_MAX(struct image_config, cmd, FIELD_STRINGS, CONFIG_TEXT_MAX),
	FIELD(struct image_config, user, FIELD_STRING),
	FIELD(struct image_config, working_dir, FIELD_STRING),
	FIELD(struct image_config, stop_signal, FIELD_STRING),
};

static const struct record_type image_config_type = {
	.name = "config",
	.size = sizeof(struct image_config),
	.fields = config_fields,
	.n_fields = ARRAY_LEN(config_fields),
};

static const struct field image_fields[] = {
	FIELD_REQ(struct image_record, name, FIELD_STRING),
	FIELD_MAX(struct image_record, source, FIELD_STRING, SOURCE_TEXT_MAX),
	FIELD(struct image_record, source_kind, FIELD_STRING),
	FIELD(struct image_record, reference, FIELD_STRING),
	FIELD(struct image_record, platform, FIELD_STRING),
	FIELD(struct image_record, created, FIELD_STRING),
	FIELD(struct image_record, arch, FIELD_STRING),
	FIELD(struct image_record, os, FIELD_STRING),
	FIELD(struct image_record, manifest_digest, FIELD_STRING),
	FIELD(struct image_record, config_digest, FIELD_STRING),
	FIELD(struct image_record, layers, FIELD_STRINGS),
	FIELD_REQ(struct image_record, size_bytes, FIELD_U64),
	FIELD(struct image_record, content_bytes, FIELD_U64),
	FIELD(struct image_record, entries, FIELD_U64),
	FIELD(struct image_record, kernel, FIELD_STRING),
	FIELD_SUB(struct image_record, config, FIELD_RECORD, &image_config_type),
	FIELD(struct image_record, rootfs_path, FIELD_STRING),
	FIELD(struct image_record, rootfs_bytes, FIELD_U64),
	FIELD(struct image_record, rootfs_inode, FIELD_U64),
	FIELD(struct image_record, rootfs_mtime_ns, FIELD_I64),
};

const struct record_type image_record_type = {
	.name = IMAGE_RECORD_FILE,
	.size = sizeof(struct image_record),
	.fields = image_fields,
	.n_fields = ARRAY_LEN(image_fields),
	.version = 1,
};
