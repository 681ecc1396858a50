/* SPDX-License-Identifier: MIT */
/*
 * archive_reader.h - reading tar, cpio and ar archives in any compression (libarchive).
 *
 * Names and link targets are raw bytes as they are in the archive, never converted between
 * character sets and never cleaned: they are hostile.  Data of sparse files comes as blocks with
 * offsets.
 */
#ifndef BANGER_BASE_ARCHIVE_READER_H
#define BANGER_BASE_ARCHIVE_READER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"

struct archive_reader;

/* One entry; strings are borrowed until the next call on the reader. */
struct archive_item {
	const char *path;
	const char *hardlink; /* target path when this is a hard link, else NULL */
	const char *symlink;  /* target when this is a symbolic link, else NULL */
	mode_t mode;	      /* type and permission bits */
	uint32_t uid, gid;
	uint64_t size; /* bytes of a regular file */
	int64_t mtime_sec;
	uint32_t mtime_nsec;
	uint32_t rdev_major, rdev_minor; /* device nodes */
	size_t n_xattrs;		 /* access control lists included */
};

enum archive_formats {
	ARCHIVE_TAR = 1,
	ARCHIVE_AR = 2,
	ARCHIVE_CPIO = 4,
	ARCHIVE_RAW = 8, /* no archive at all: one item "data" that is the decompressed stream */
};

/* A source of bytes: *@data is borrowed until the next call; *@len 0 at the end. */
struct archive_source {
	struct fault *(*read)(void *context, const void **data, size_t *len);
	void *context;
};

/* How a stream is compressed. */
enum archive_packing {
	PACKED_NOT,
	PACKED_GZIP,
	PACKED_BZIP2,
	PACKED_XZ,
	PACKED_LZMA,
	PACKED_ZSTD,
	PACKED_LZ4,
};
#define ARCHIVE_PACKING_HEAD 16 /* bytes that are enough to tell */
/* archive_packing() - by a stream's first bytes: ARCHIVE_PACKING_HEAD of them, or all. */
enum archive_packing archive_packing(const void *head, size_t len);
/* "gzip", "none"; static. */
const char *archive_packing_name(enum archive_packing packing);

/*
 * archive_reader_open() - start reading from @source; decompression (none, gzip, bzip2, xz, lzma,
 * zstd, lz4) is recognised by content.  @formats: archive_formats or'ed.  @what: for messages.
 */
struct fault *archive_reader_open(const struct archive_source *source, unsigned int formats,
				  const char *what, struct archive_reader **out) MUST_CHECK;
/* The same for a stream that is compressed in just this way; what it unpacks to is not looked at
 * for another compression. */
struct fault *archive_reader_open_packed(const struct archive_source *source,
					 enum archive_packing packing, unsigned int formats,
					 const char *what, struct archive_reader **out) MUST_CHECK;
/* As archive_reader_open(), from @fd (borrowed), from its current offset. */
struct fault *archive_reader_open_fd(int fd, unsigned int formats, const char *what,
				     struct archive_reader **out) MUST_CHECK;
/* archive_reader_next() - the next entry; *@end is true after the last one. F_CORRUPT. */
struct fault *archive_reader_next(struct archive_reader *r, struct archive_item *item,
				  bool *end) MUST_CHECK;
/* The @index-th xattr of the current entry; borrowed. */
void archive_reader_xattr(struct archive_reader *r, size_t index, const char **name,
			  const void **value, size_t *len);
/*
 * archive_reader_data() - the next block of the current entry's data, without a copy.
 * *@len is 0 at the end.  *@offset: where the block belongs (holes are skipped).
 */
struct fault *archive_reader_data(struct archive_reader *r, const void **data, size_t *len,
				  uint64_t *offset) MUST_CHECK;
void archive_reader_free(struct archive_reader *r);

/* The version of libarchive: "3.6.2"; NULL when it is missing.  Static. */
const char *archive_reader_library(void);

#endif
