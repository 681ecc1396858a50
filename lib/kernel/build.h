/* SPDX-License-Identifier: MIT */
/* build.h - making the files of a kernel; what kernel_import() and kernel_pull() share. */
#ifndef BANGER_KERNEL_BUILD_H
#define BANGER_KERNEL_BUILD_H

#include "base/fault.h"
#include "base/progress.h"
#include "kernel/parts.h"
#include "store/store.h"

struct build {
	const struct store *store;
	const char *name;   /* of the kernel; valid */
	const char *source; /* for the record: a path or a URL */
	const char *distro; /* "debian 12"; NULL = as the source says */
	const char *what;   /* the source, for messages */
	bool replace;
	struct progress *progress;
	/* Fill @parts; see parts.h. */
	struct fault *(*gather)(struct parts *parts, void *context);
	void *context;
};

/*
 * kernel_build() - gather, convert, check and publish.  Caller holds the kernel's exclusive lock.
 * Return: see kernel_import().  On failure nothing is left.
 */
struct fault *kernel_build(const struct build *b) MUST_CHECK;

#endif
