/* SPDX-License-Identifier: MIT */
/*
 * stage.h - one image in the making: from the lock of its name to its appearance, complete.
 *
 * The lock is held from image_stage_open() to image_stage_close().  Whatever happens in between
 * (fault, cancellation, kill -9), images/<name> is the old image or nothing until
 * image_stage_commit(); what a killed process left is removed by the next one for the same name.
 */
#ifndef BANGER_IMAGE_STAGE_H
#define BANGER_IMAGE_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/progress.h"
#include "image/builder.h"
#include "store/image_record.h"
#include "store/store.h"

/* May an image of the name exist? */
enum image_replace {
	IMAGE_NEW,     /* no */
	IMAGE_REPLACE, /* yes, as long as no VM uses it */
	IMAGE_REWRITE, /* it must; VMs may use it, because they will see the same content */
};

struct image_stage {
	const struct store *store; /* borrowed */
	struct lock lock;
	char *name;
	char *stage_name; /* NULL = nothing staged */
	int dir;	  /* the staging directory */
	int rootfs;	  /* rootfs.ext4 in it, O_RDWR, empty at first */
	enum image_replace replace;
};
#define IMAGE_STAGE_INIT ((struct image_stage){ .lock = { -1 }, .dir = -1, .rootfs = -1 })

/*
 * image_stage_open() - lock @name and make a staging directory with an empty rootfs.ext4.
 * @verb: what for, told to others who wait: "import".
 * Return: NULL; F_INVALID a bad name; F_EXISTS; F_NOT_FOUND; F_BUSY in use or locked; F_CANCELLED; F_SYS.
 * After a fault there is nothing to close.
 */
struct fault *image_stage_open(const struct store *s, const char *name,
			       enum image_replace replace, const char *verb, struct image_stage *stage) MUST_CHECK;
/*
 * image_stage_build() - write rootfs.ext4 of @size_bytes with what @fill gives to the builder, and
 * put sizes, entries and operating system into @record.
 * Return: @fill's fault; those of the builder.
 */
struct fault *image_stage_build(struct image_stage *stage, uint64_t size_bytes,
				struct fault *(*fill)(void *context, struct image_builder *builder),
				void *context, struct progress *progress,
				struct image_record *record) MUST_CHECK;
/* image_default_size() - of the root file system of an image that takes @stored bytes as stored. */
uint64_t image_default_size(uint64_t stored);
/* image_stage_commit() - make rootfs.ext4 read-only and durable, write @record, publish. */
struct fault *image_stage_commit(struct image_stage *stage,
				 const struct image_record *record) MUST_CHECK;
/* image_stage_close() - remove what was not committed, give the lock back.  Not interruptible.
 * @first: the fault that led here, or NULL; stolen.  Return: @first with what failed here. */
struct fault *image_stage_close(struct image_stage *stage, struct fault *first) MUST_CHECK;

/* image_check_absent() - F_EXISTS when there is an image @name, with what to type. */
struct fault *image_check_absent(const struct store *s, const char *name) MUST_CHECK;
/* image_check_unused() - F_BUSY naming the VMs that use image @name.  @deed: "deleted". */
struct fault *image_check_unused(const struct store *s, const char *name,
				 const char *deed) MUST_CHECK;

#endif
