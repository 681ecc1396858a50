/* SPDX-License-Identifier: MIT */
/*
 * tar_index.h - where the members of a plain (not compressed) tar file are.
 *
 * An image archive is read out of order: its manifest may be its last member.  The index lets
 * members be read in place, as ranges of the file, so that nothing is unpacked or copied.  ustar,
 * GNU and pax headers are understood as far as names and sizes go (tar(5) of libarchive describes
 * all three); everything else about a member is left to libarchive.
 */
#ifndef BANGER_IMAGE_TAR_INDEX_H
#define BANGER_IMAGE_TAR_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"

#define TAR_BLOCK	  512
#define TAR_MEMBERS_MAX	  100000 /* of an archive that is indexed whole */

struct tar_member {
	char *name;	 /* without leading "./" and "/", without trailing "/" */
	char *link;	 /* target of a link as it stands, else NULL */
	uint64_t offset; /* of the data in the file */
	uint64_t size;	 /* bytes of data; inside the file */
	char type;	 /* '0' file, '1' hard link, '2' symbolic link, '5' directory, 'S' a file
			    stored with its holes left out, whose data is not one range, ... */
};

struct tar_index {
	struct records members; /* of struct tar_member, in file order */
	bool complete;		/* read to the end; false when @stop said so */
};

/* tar_is_header() - do the 512 bytes at @block begin a tar member (checksum)? */
bool tar_is_header(const void *block);

/*
 * tar_index_read() - index the tar file @fd (seekable; its offset is not used).
 * @stop: asked after each member; true ends the reading early.  NULL = never.
 * Return: NULL; F_CORRUPT for a damaged or truncated archive; F_UNSUPPORTED for too many members;
 * F_CANCELLED; F_SYS.  *@out is filled as far as it went and must be released in every case.
 */
struct fault *tar_index_read(int fd, const char *what, bool (*stop)(const struct tar_index *),
			     struct tar_index *out) MUST_CHECK;
void tar_index_release(struct tar_index *index);

/*
 * tar_index_find() - the last file ('0' or 'S') called @name, symbolic and hard links inside the archive
 * followed (docker save shares equal layers that way); NULL when there is none.
 */
const struct tar_member *tar_index_find(const struct tar_index *index, const char *name);

#endif
