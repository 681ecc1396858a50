/* SPDX-License-Identifier: MIT */
/*
 * snapshot.h - a root disk that is an image plus what was changed, as a device of the kernel.
 *
 *	<name>		snapshot, persistent, chunks of 8 sectors
 *	  origin	the image by a read-only loop device or, when the disk is larger than the image,
 *	<name>-base	that loop device with zeros behind it
 *	  COW		the file of changes by another loop device
 *
 * Loop devices clear themselves when the device mapper lets go of them, so the two names are all that
 * has to be known to take everything down.  The owner is part of the devices' uuids: nobody removes
 * devices of another owner that happen to have the same name.  Behind it is, after a dot, the tag of the state directory
 * (store.h): `banger gc` asks it when the owner is not there any more.
 */
#ifndef BANGER_DISK_SNAPSHOT_H
#define BANGER_DISK_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"

struct snapshot {
	const char *name;  /* DM_PREFIX... */
	const char *owner; /* letters, digits and dashes, at most 64 */
	const char *tag;   /* of the state directory; NULL = not known */
};

/* snapshot_check() - can this host and this user have snapshots?  F_DENIED, F_MISSING, F_UNSUPPORTED. */
struct fault *snapshot_check(void) MUST_CHECK;

/*
 * snapshot_make_cow() - make the empty file @fd a file of changes for a disk of @size_bytes.  It is sparse,
 * and large enough for every block of the disk.
 */
struct fault *snapshot_make_cow(int fd, uint64_t size_bytes) MUST_CHECK;

/*
 * snapshot_check_cow() - F_STATE when the kernel gave @fd up, because it could not be written; F_CORRUPT
 * when it is no file of changes.
 */
struct fault *snapshot_check_cow(int fd) MUST_CHECK;

/*
 * snapshot_open() - make the devices.  @image, @cow: regular files, borrowed; @image is only read.
 * Return: F_EXISTS when there is a device of that name; F_STATE when the file of changes was given up.
 * Nothing is left behind by a failure.
 */
struct fault *snapshot_open(const struct snapshot *s, int image, int cow,
			    uint64_t size_bytes) MUST_CHECK;

/*
 * snapshot_close() - remove the devices; absent ones and those of other owners are success.
 * @deferred: out; somebody still had it open after @wait_ms, and the kernel removes it at the last close.
 */
struct fault *snapshot_close(const struct snapshot *s, int wait_ms, bool *deferred) MUST_CHECK;

/* snapshot_find() - the name of a snapshot by its owner alone; NULL = there is none.  Owned. */
struct fault *snapshot_find(const char *owner, char **name) MUST_CHECK;

/*
 * snapshot_list() - all devices of ours that the kernel has, as an observer sees them.  @out: records of struct
 * snapshot_seen, owned: snapshot_list_release().  F_SYS.
 */
struct snapshot_seen {
	char *device; /* "banger-0123abcd-base" */
	char *name;   /* "banger-0123abcd" */
	char *tag;    /* NULL = it has none */
	char *path;   /* directory of the file of changes, NULL = not known */
};
struct fault *snapshot_list(struct records *out) MUST_CHECK;
void snapshot_list_release(struct records *list);
/* snapshot_drop() - remove a device of that list that still has the same tag.  @deferred: as above. */
struct fault *snapshot_drop(const struct snapshot_seen *seen, bool *deferred) MUST_CHECK;

struct snapshot_use {
	uint64_t used_bytes, total_bytes;
	bool invalid; /* the file of changes could not be written, the disk is lost */
};
/* snapshot_use() - F_NOT_FOUND when there is no such device. */
struct fault *snapshot_use(const char *name, struct snapshot_use *use) MUST_CHECK;
/* snapshot_parse() - the kernel's status text; false when it is none. */
bool snapshot_parse(const char *text, struct snapshot_use *use);

#endif
