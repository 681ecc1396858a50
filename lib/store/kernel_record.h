/* SPDX-License-Identifier: MIT */
/* kernel_record.h - kernels/<name>/kernel.json. */
#ifndef BANGER_STORE_KERNEL_RECORD_H
#define BANGER_STORE_KERNEL_RECORD_H

#include "base/json.h"

#define KERNEL_RECORD_FILE  "kernel.json"
#define KERNEL_VMLINUX_FILE "vmlinux"
#define KERNEL_INITRD_FILE  "initrd.img"
#define KERNEL_MODULES_FILE "modules.ext4"

struct kernel_record {
	char *name;
	char *release;	       /* "6.1.0-40-cloud-amd64", the directory under /lib/modules */
	char *arch;	       /* OCI name: "amd64" */
	char *distro;	       /* "debian 12"; NULL = unknown */
	char *source;	       /* what it was imported from: file name or URL */
	char *created;	       /* RFC 3339 */
	char *vmlinux_sha256;  /* hex */
	struct strings initrd_modules; /* load order, module names */
	bool has_modules;      /* modules.ext4 is there */
	uint64_t vmlinux_bytes;
	uint64_t modules_bytes; /* logical size of modules.ext4 */
};

extern const struct record_type kernel_record_type;

#endif
