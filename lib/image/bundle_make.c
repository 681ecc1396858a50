/* SPDX-License-Identifier: MIT */
/* bundle_make.c - from an image to a bundle. */
#include <string.h>
#include <sys/stat.h>

#include "base/archive_writer.h"
#include "base/sha256.h"
#include "disk/sparse.h"
#include "image/bundle.h"
#include "image/image.h"
#include "image/rootfs.h"

#define ZSTD_LEVEL 9 /* above, it takes far longer and becomes hardly smaller */

struct maker {
	struct archive_writer *writer;
	struct progress *progress;
	struct fault *(*sink)(void *context, const void *data, size_t len);
	void *context;
	struct sha256 *hash;
	uint64_t written; /* bytes of the bundle */
	struct records ranges; /* of struct archive_range: the data of the file system */
	uint64_t data_bytes, done_bytes;
	uint64_t at; /* in the file system */
};

static struct fault *write_out(void *context, const void *data, size_t len)
{
	struct maker *m = context;

	sha256_update(m->hash, data, len);
	m->written += len;
	return m->sink(m->context, data, len);
}

static struct fault *note_range(void *context, uint64_t offset, const void *data, size_t len)
{
	struct maker *m = context;
	struct archive_range *last = m->ranges.v;

	(void)data;
	m->data_bytes += len;
	last = m->ranges.n ? last + m->ranges.n - 1 : NULL;
	if (last && last->offset + last->len == offset)
		last->len += len;
	else
		*(struct archive_range *)records_add(&m->ranges, sizeof(*last)) =
			(struct archive_range){ offset, len };
	return NULL;
}

static struct fault *write_range(void *context, uint64_t offset, const void *data, size_t len)
{
	struct maker *m = context;

	TRY(archive_writer_hole(m->writer, offset - m->at));
	TRY(archive_writer_data(m->writer, data, len));
	m->at = offset + len;
	m->done_bytes += len;
	progress_amount(m->progress, m->done_bytes, m->data_bytes);
	return NULL;
}

static struct fault *write_manifest(struct maker *m, struct image_record *record)
{
	AUTO_BUF text = BUF_INIT;

	image_rootfs_manage(record);
	record_write(&image_record_type, record, &text);
	TRY(archive_writer_file(m->writer, "manifest.json", text.len, NULL));
	return archive_writer_data(m->writer, text.data, text.len);
}

static struct fault *write_rootfs(struct maker *m, int fd, const char *what)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fault_sys(F_SYS, "looking at %s", what);
	TRY(sparse_runs(fd, what, note_range, m));
	TRY(archive_writer_file(m->writer, IMAGE_ROOTFS_FILE, (uint64_t)st.st_size, &m->ranges));
	TRY(sparse_runs(fd, what, write_range, m));
	return archive_writer_hole(m->writer, (uint64_t)st.st_size - m->at);
}

static struct fault *write_bundle(struct maker *m, const struct store *s,
				  struct image_record *record)
{
	AUTO_FREE char *what = xasprintf("image '%s'", record->name);
	const struct archive_sink sink = { write_out, m };
	AUTO_FD fd = -1;
	AUTO_FD again = -1;

	TRY(image_rootfs_open(s, record, &fd));
	TRY(archive_writer_open(&sink, ZSTD_LEVEL, &m->writer));
	progress_stage(m->progress, "%s: packing", record->name);
	TRY(write_rootfs(m, fd, what));
	/* Changed while it was read twice, it would be a bundle of nothing. */
	TRY(image_rootfs_open(s, record, &again));
	TRY(write_manifest(m, record));
	return archive_writer_finish(m->writer);
}

struct fault *image_bundle(const struct store *s, const char *name,
			   struct fault *(*sink)(void *context, const void *data, size_t len),
			   void *context, struct progress *progress, struct bundle_facts *facts)
{
	struct maker m = { .progress = progress, .sink = sink, .context = context };
	struct image_record record = { 0 };
	struct fault *f;

	TRY(image_load(s, name, &record));
	m.hash = sha256_new();
	f = write_bundle(&m, s, &record);
	archive_writer_free(m.writer);
	free(m.ranges.v);
	record_release(&image_record_type, &record);
	if (f) {
		sha256_free(m.hash);
		return f;
	}
	sha256_finish(m.hash, facts->sha256);
	facts->size = m.written;
	return NULL;
}
