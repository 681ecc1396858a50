/* SPDX-License-Identifier: MIT */
#include "store/kernel_record.h"

static const struct field fields[] = {
	FIELD_REQ(struct kernel_record, name, FIELD_STRING),
	FIELD_REQ(struct kernel_record, release, FIELD_STRING),
	FIELD_REQ(struct kernel_record, arch, FIELD_STRING),
	FIELD(struct kernel_record, distro, FIELD_STRING),
	FIELD(struct kernel_record, source, FIELD_STRING),
	FIELD(struct kernel_record, created, FIELD_STRING),
	FIELD_REQ(struct kernel_record, vmlinux_sha256, FIELD_STRING),
	FIELD_REQ(struct kernel_record, vmlinux_bytes, FIELD_U64),
	FIELD(struct kernel_record, initrd_modules, FIELD_STRINGS),
	FIELD_REQ(struct kernel_record, has_modules, FIELD_BOOL),
	FIELD(struct kernel_record, modules_bytes, FIELD_U64),
};

const struct record_type kernel_record_type = {
	.name = "kernel.json",
	.size = sizeof(struct kernel_record),
	.fields = fields,
	.n_fields = ARRAY_LEN(fields),
	.version = 1,
};
