/* SPDX-License-Identifier: MIT */
/*
 * config.h - settings: built-in or host-derived defaults, then /etc/banger/banger.conf, then
 * $XDG_CONFIG_HOME/banger/banger.conf, then BANGER_<KEY>, later ones winning.  Flags of a command win over
 * all of them and are not known here.  ini syntax (inih); an unknown section or key is an error
 * with file and line.
 */
#ifndef BANGER_STORE_CONFIG_H
#define BANGER_STORE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"

/* Every setting by name, so that commands read fields and `banger config` can walk a table. */
struct config {
	char *default_image;	       /* "debian-bookworm" */
	char *default_kernel;	       /* "debian-12" */
	char *vmm;		       /* "auto", "qemu" */
	char *qemu_bin;		       /* program name or absolute path */
	uint64_t vcpu;		       /* [vm_defaults] */
	uint64_t memory_bytes;
	uint64_t disk_size_bytes;      /* work disk */
	uint64_t system_overlay_bytes; /* root disk of a VM */
	struct records origins;	       /* of struct config_value, in table order */
};

/* One row of `banger config`. */
struct config_value {
	char *key;    /* "vm_defaults.vcpu" */
	char *value;  /* as text, sizes with units */
	char *origin; /* "built in", "this host (8 CPUs)", "/etc/banger/banger.conf:3", "BANGER_VMM" */
};

/* config_load() - read all sources.  F_INVALID names file, line and key. */
struct fault *config_load(struct config *config) MUST_CHECK;
void config_release(struct config *config);

#endif
