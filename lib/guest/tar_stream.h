/* SPDX-License-Identifier: MIT */
/*
 * tar_stream.h - tar archives as a stream, small enough for the agent.  Host and guest compile it.
 *
 * Written is ustar with pax extended headers where ustar does not suffice, so that any tar reads it.
 * Read are ustar, pax, GNU long names, base-256 numbers and GNU sparse files of format 1.0, without
 * compression.  An archive must have its end marker: one that stops before it was cut off.
 *
 * What is read is hostile: names and sizes are bounded, checksums are compared, numbers are checked;
 * names are raw bytes, not cleaned, and where they lead is tree.h's business.
 *
 * One pax record is our own: BANGER.remove=1 on an empty file asks for the removal of
 * that path.
 */
#ifndef BANGER_GUEST_TAR_STREAM_H
#define BANGER_GUEST_TAR_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/fault.h"

#define TAR_PATH_MAX 4095 /* bytes of a name or link target */

enum tar_kind { TAR_FILE, TAR_DIRECTORY, TAR_SYMLINK, TAR_HARDLINK, TAR_REMOVE, TAR_SPECIAL };

/* A part of a sparse file that holds data. */
struct tar_range {
	uint64_t offset, len;
};

struct tar_item {
	enum tar_kind kind;
	const char *path; /* not empty, no NUL inside; borrowed until the next item */
	const char *link; /* target of a symbolic or hard link, else "" */
	mode_t mode;	  /* permission bits, set-id and sticky included */
	uint32_t uid, gid;
	uint64_t size; /* of a regular file, holes included */
	int64_t mtime_sec;
	uint32_t mtime_nsec;
};

/* ------------------------------------------------------------------------------------- reading */

struct tar_reader;

/* Where the bytes come from: fills at most @max bytes, *@len 0 at the end. */
struct tar_source {
	struct fault *(*read)(void *context, void *data, size_t max, size_t *len);
	void *context;
};

/* @what: names the archive in messages; borrowed. */
struct tar_reader *tar_reader_new(const struct tar_source *source, const char *what);
/* The same from a descriptor (borrowed). */
struct tar_reader *tar_reader_new_fd(int fd, const char *what);
void tar_reader_free(struct tar_reader *r);
/* tar_reader_next() - the next entry; what is left of the last one's data is skipped.  F_CORRUPT. */
struct fault *tar_reader_next(struct tar_reader *r, struct tar_item *item, bool *end) MUST_CHECK;
/* tar_reader_data() - the next bytes of the entry, borrowed; *@len 0 at its end.  *@offset: where they
 * belong in the file. */
struct fault *tar_reader_data(struct tar_reader *r, const void **data, size_t *len,
			      uint64_t *offset) MUST_CHECK;
/* tar_reader_drain() - read on until the source ends: a sender is not cut off in its last padding. */
struct fault *tar_reader_drain(struct tar_reader *r) MUST_CHECK;

/* ------------------------------------------------------------------------------------- writing */

struct tar_writer;

struct tar_sink {
	struct fault *(*write)(void *context, const void *data, size_t len);
	void *context;
};

struct tar_writer *tar_writer_new(const struct tar_sink *sink);
struct tar_writer *tar_writer_new_fd(int fd);
void tar_writer_free(struct tar_writer *w);
/*
 * tar_writer_add() - begin an entry.  @ranges: parts of a sparse file that hold data, ascending; NULL =
 * all of it is data.  Then exactly so many bytes of data must follow.  F_INVALID for a name that is
 * empty or too long.
 */
struct fault *tar_writer_add(struct tar_writer *w, const struct tar_item *item,
			     const struct tar_range *ranges, size_t n_ranges) MUST_CHECK;
struct fault *tar_writer_data(struct tar_writer *w, const void *data, size_t len) MUST_CHECK;
/* tar_writer_remove() - ask for the removal of @path, a tree or a file; absent is success. */
struct fault *tar_writer_remove(struct tar_writer *w, const char *path) MUST_CHECK;
/* tar_writer_finish() - the end marker; flushes. */
struct fault *tar_writer_finish(struct tar_writer *w) MUST_CHECK;

#endif
