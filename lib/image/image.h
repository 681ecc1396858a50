/* SPDX-License-Identifier: MIT */
/*
 * image.h - images of the state directory: making, looking at and deleting them.
 *
 * Making an image holds its lock exclusively; observers take none.
 */
#ifndef BANGER_IMAGE_IMAGE_H
#define BANGER_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/progress.h"
#include "store/image_record.h"
#include "store/store.h"

struct image_import {
	const char *source; /* path, path:tag, or "-" for @input */
	const char *name;   /* NULL = made from the source */
	uint64_t size_bytes; /* of the root file system; 0 = chosen by the size of the source */
	bool force;	    /* replace an image of the same name */
	int input;	    /* borrowed, what "-" means */
	struct progress *progress; /* may be NULL */
};

/*
 * image_import() - make an image from a tar, directory, OCI layout, docker-save archive or ext4
 * file, told apart by content.  @name: the new image's name, owned.
 * Return: F_NOT_FOUND no such source or tag; F_AMBIGUOUS several images; F_EXISTS, F_BUSY as
 * image_stage_open(); F_INVALID, F_CORRUPT, F_UNSUPPORTED about the source; F_NO_SPACE; F_CANCELLED;
 * F_SYS.  After a fault nothing is left.
 */
struct fault *image_import(const struct store *s, const struct image_import *options,
			   char **name) MUST_CHECK;

struct image_pull {
	const char *reference; /* a name of the catalogue, else of an image in a registry */
	const char *name;      /* NULL = the catalogue's name, or made from the reference */
	const char *platform;  /* "linux/arm64"; NULL = this host's */
	const char *kernel;    /* that VMs of it start with; NULL = the default one */
	uint64_t size_bytes;   /* 0 = default */
	const char *digest;    /* that it must have (image_lock.h); NULL = any */
	bool force;
	bool offline;	 /* no socket is opened: only what is in the cache */
	bool plain_http; /* the registry may be spoken to without TLS */
	struct progress *progress; /* may be NULL */
};

/*
 * image_pull() - make an image that the catalogue or a registry has.  @name: the image's name, owned.
 * When somebody else made the same image while we waited for its name, theirs is used.
 * Return: F_NOT_FOUND; F_EXISTS; F_STATE it has another digest; F_DENIED by the registry; F_CORRUPT what came is not what was
 * promised; F_MISSING a tool, with what to install; F_TOOL; F_NETWORK; and those of image_import().
 */
struct fault *image_pull(const struct store *s, const struct image_pull *options,
			 char **name) MUST_CHECK;

/* image_check_wanted() - F_INVALID when @wanted can be neither an image's name nor a reference. */
struct fault *image_check_wanted(const char *wanted) MUST_CHECK;

/*
 * image_ensure() - find the image that @wanted means: its name, else the reference that it was pulled
 * for; pull it when there is none.  When somebody else is pulling it already, their result is waited
 * for and used.  @digest: that it must have; NULL = any.  @name: the image's name, owned.
 * Return: as image_pull(); F_EXISTS only when the name that it would get belongs to another image.
 */
struct fault *image_ensure(const struct store *s, const char *wanted, const char *digest,
			   struct progress *progress, char **name) MUST_CHECK;

/* image_load() - read image.json; release with record_release(&image_record_type, ...).
 * Return: F_NOT_FOUND with what there is; F_CORRUPT; F_NEWER. */
struct fault *image_load(const struct store *s, const char *name,
			 struct image_record *record) MUST_CHECK;

/* image_resolve() - the one image that @wanted names: exact, else a unique prefix.  Owned. */
struct fault *image_resolve(const struct store *s, const char *wanted, char **name) MUST_CHECK;

/* What `image list` shows of one image. */
struct image_info {
	char *name;
	struct fault *fault;	    /* owned: why the record cannot be read; NULL = it can */
	struct image_record record; /* zero when there is a fault */
	uint64_t size_bytes;	    /* logical size of rootfs.ext4 */
	uint64_t disk_bytes;	    /* what it takes on the host's disk */
	int64_t age_seconds;	    /* -1 = unknown */
	struct strings users;	    /* names of VMs */
};

/* image_list() - all images by name; one that is broken has its fault and does not stop the rest.
 * @out: records of struct image_info, release with image_list_release(). */
struct fault *image_list(const struct store *s, struct records *out) MUST_CHECK;
void image_list_release(struct records *list);

/* image_delete() - F_NOT_FOUND; F_BUSY when VMs use it, naming them, or when it is locked. */
struct fault *image_delete(const struct store *s, const char *name) MUST_CHECK;

#endif
