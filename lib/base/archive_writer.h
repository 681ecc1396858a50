/* SPDX-License-Identifier: MIT */
/*
 * archive_writer.h - writing tar archives compressed with zstd (libarchive), the same bytes for the
 * same content.
 *
 * Members are regular files of root, mode 0644, with the time 0, in the order given.  Holes of sparse
 * files are left out (GNU's sparse format 1.0, which GNU tar, bsdtar and Python read).
 */
#ifndef BANGER_BASE_ARCHIVE_WRITER_H
#define BANGER_BASE_ARCHIVE_WRITER_H

#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"

struct archive_writer;

/* Where the archive goes. */
struct archive_sink {
	struct fault *(*write)(void *context, const void *data, size_t len);
	void *context;
};

/* A part of a file that holds data; between parts are holes. */
struct archive_range {
	uint64_t offset, len;
};

/*
 * archive_writer_open() - start an archive.  @level: of zstd, 1 to 19.
 * Return: F_MISSING without libarchive; F_UNSUPPORTED when it has no zstd; the sink's.
 */
struct fault *archive_writer_open(const struct archive_sink *sink, int level,
				  struct archive_writer **out) MUST_CHECK;
/*
 * archive_writer_file() - begin file @path of @size bytes.  @ranges: of struct archive_range,
 * ascending, NULL = all of it is data.
 */
struct fault *archive_writer_file(struct archive_writer *w, const char *path, uint64_t size,
				  const struct records *ranges) MUST_CHECK;
/* archive_writer_data() - the next bytes of it. */
struct fault *archive_writer_data(struct archive_writer *w, const void *data,
				  size_t len) MUST_CHECK;
/* archive_writer_hole() - the next @len bytes of it are not in any of its ranges. */
struct fault *archive_writer_hole(struct archive_writer *w, uint64_t len) MUST_CHECK;
/* archive_writer_finish() - write the end of the archive. */
struct fault *archive_writer_finish(struct archive_writer *w) MUST_CHECK;
void archive_writer_free(struct archive_writer *w);

#endif
