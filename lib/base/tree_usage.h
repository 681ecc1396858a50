/* SPDX-License-Identifier: MIT */
/* tree_usage.h - how much room files take. */
#ifndef BANGER_BASE_TREE_USAGE_H
#define BANGER_BASE_TREE_USAGE_H

#include <stdint.h>

#include "base/fault.h"

struct tree_usage {
	uint64_t logical_bytes;	  /* as programs see them */
	uint64_t allocated_bytes; /* blocks on the disk; what is shared is counted here, too */
	uint64_t shared_bytes;	  /* of these, in blocks that other files have as well (reflinks) */
	uint64_t files;
};

/*
 * tree_usage_add() - add @name in @dir and everything below it.  No link is followed; what vanishes
 * meanwhile counts nothing.  @shared: ask the file system for shared blocks as well, which opens
 * each file.
 */
struct fault *tree_usage_add(int dir, const char *name, _Bool shared,
			     struct tree_usage *sum) MUST_CHECK;

#endif
