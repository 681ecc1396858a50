/* SPDX-License-Identifier: MIT */
/* disk_use.h - what the state directory takes on the host's disk.  For observers. */
#ifndef BANGER_VM_DISK_USE_H
#define BANGER_VM_DISK_USE_H

#include "store/config.h"
#include "store/store.h"

struct disk_use {
	char *what; /* "vms", "images", "kernels", "cache", "total" */
	uint64_t count;
	uint64_t logical_bytes;	    /* as guests and programs see them */
	uint64_t allocated_bytes;   /* on the disk */
	uint64_t shared_bytes;	    /* of these, shared with other files of the file system */
	uint64_t reclaimable_bytes; /* of VMs that do not run, images and kernels without VMs, caches */
};
extern const struct record_type disk_use_type;

/* disk_use_list() - one row each, and the sum.  @out: records of struct disk_use.  F_SYS. */
struct fault *disk_use_list(const struct store *s, const struct config *config,
			    struct records *out) MUST_CHECK;

#endif
