/* SPDX-License-Identifier: MIT */
#include "base/archive_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/library.h"

/* What is used of the library, which is loaded when it is first needed. */
/* clang-format off */
#define FUNCTIONS(X) \
	X(archive_entry_free) X(archive_entry_new) X(archive_entry_set_filetype) \
	X(archive_entry_set_mtime) X(archive_entry_set_pathname) X(archive_entry_set_perm) \
	X(archive_entry_set_size) X(archive_entry_sparse_add_entry) X(archive_error_string) \
	X(archive_set_error) X(archive_write_add_filter_zstd) X(archive_write_close) \
	X(archive_write_data) X(archive_write_free) X(archive_write_header) X(archive_write_new) \
	X(archive_write_open) X(archive_write_set_bytes_in_last_block) \
	X(archive_write_set_bytes_per_block) X(archive_write_set_filter_option) \
	X(archive_write_set_format_pax_restricted)
/* clang-format on */

static struct {
	FUNCTIONS(LIBRARY_MEMBER)
} lib;
static const struct library_symbol symbols[] = {FUNCTIONS(LIBRARY_SYMBOL)};
static struct library library = {"libarchive.so.13", symbols, ARRAY_LEN(symbols), false};

#define WRITE_BLOCK (256 * 1024)
#define HOLE_CHUNK  (1024 * 1024)

struct archive_writer {
	struct archive *archive; /* owned */
	struct archive_sink sink;
	struct fault *sink_fault; /* owned: why the sink failed */
	char *zeros;		  /* HOLE_CHUNK bytes, owned, NULL until needed */
};

static struct fault *writer_fault(struct archive_writer *w)
{
	const char *said = lib.archive_error_string(w->archive);

	if (w->sink_fault)
		return steal_ptr(&w->sink_fault);
	return fault_new(F_SYS, "writing the archive: %s", said ? said : "libarchive failed");
}

static la_ssize_t write_sink(struct archive *a, void *context, const void *data, size_t len)
{
	struct archive_writer *w = context;

	if (!w->sink_fault)
		w->sink_fault = w->sink.write(w->sink.context, data, len);
	if (!w->sink_fault)
		return (la_ssize_t)len;
	lib.archive_set_error(a, EIO, "the sink failed");
	return ARCHIVE_FATAL;
}

static struct fault *set_up(struct archive_writer *w, int level)
{
	struct archive *a = w->archive;
	char text[8];

	snprintf(text, sizeof(text), "%d", level);
	/* A warning would mean that a program is used in its place. */
	if (lib.archive_write_add_filter_zstd(a) != ARCHIVE_OK ||
	    lib.archive_write_set_filter_option(a, "zstd", "compression-level", text) != ARCHIVE_OK)
		return fault_new(F_UNSUPPORTED, "this libarchive cannot write zstd");
	lib.archive_write_set_format_pax_restricted(a);
	lib.archive_write_set_bytes_per_block(a, WRITE_BLOCK);
	lib.archive_write_set_bytes_in_last_block(a, 1);
	return lib.archive_write_open(a, w, NULL, write_sink, NULL) == ARCHIVE_OK ? NULL
										   : writer_fault(w);
}

struct fault *archive_writer_open(const struct archive_sink *sink, int level,
				  struct archive_writer **out)
{
	struct archive_writer *w;
	struct fault *f;

	TRY(library_load(&library));
	w = xcalloc(1, sizeof(*w));
	w->sink = *sink;
	w->archive = lib.archive_write_new();
	if (!w->archive)
		abort();
	f = set_up(w, level);
	if (f)
		archive_writer_free(w);
	else
		*out = w;
	return f;
}

struct fault *archive_writer_file(struct archive_writer *w, const char *path, uint64_t size,
				  const struct records *ranges)
{
	struct archive_entry *e = lib.archive_entry_new();
	int result;

	if (!e)
		abort();
	lib.archive_entry_set_pathname(e, path);
	lib.archive_entry_set_filetype(e, S_IFREG);
	lib.archive_entry_set_perm(e, 0644);
	lib.archive_entry_set_mtime(e, 0, 0);
	lib.archive_entry_set_size(e, (la_int64_t)size);
	for (size_t i = 0; ranges && i < ranges->n; i++) {
		const struct archive_range *r = (const struct archive_range *)ranges->v + i;

		lib.archive_entry_sparse_add_entry(e, (la_int64_t)r->offset, (la_int64_t)r->len);
	}
	result = lib.archive_write_header(w->archive, e);
	lib.archive_entry_free(e);
	return result == ARCHIVE_OK ? NULL : writer_fault(w);
}

struct fault *archive_writer_data(struct archive_writer *w, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		la_ssize_t n = lib.archive_write_data(w->archive, p, len);

		if (n <= 0)
			return writer_fault(w);
		p += n;
		len -= (size_t)n;
	}
	return NULL;
}

/* libarchive wants to be given the zeros and drops them unread. */
struct fault *archive_writer_hole(struct archive_writer *w, uint64_t len)
{
	if (!w->zeros)
		w->zeros = xcalloc(1, HOLE_CHUNK);
	while (len) {
		size_t n = len < HOLE_CHUNK ? (size_t)len : HOLE_CHUNK;

		TRY(archive_writer_data(w, w->zeros, n));
		len -= n;
	}
	return NULL;
}

struct fault *archive_writer_finish(struct archive_writer *w)
{
	return lib.archive_write_close(w->archive) == ARCHIVE_OK ? NULL : writer_fault(w);
}

void archive_writer_free(struct archive_writer *w)
{
	if (!w)
		return;
	lib.archive_write_free(w->archive);
	fault_free(w->sink_fault);
	free(w->zeros);
	free(w);
}
