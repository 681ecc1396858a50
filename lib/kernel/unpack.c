/* SPDX-License-Identifier: MIT */
#include "kernel/unpack.h"

#include "base/archive_reader.h"
#include "base/cancel.h"

static struct fault *unpack_all(struct archive_reader *r, size_t max, const char *what,
				struct buf *out)
{
	size_t start = out->len, len;
	struct archive_item item;
	const void *data;
	uint64_t offset;
	bool end;

	TRY(archive_reader_next(r, &item, &end));
	while (!end) {
		TRY(cancel_check());
		TRY(archive_reader_data(r, &data, &len, &offset));
		if (!len)
			break;
		if (len > max - (out->len - start))
			return fault_new(F_CORRUPT, "%s is longer than %zu bytes", what, max);
		buf_add(out, data, len);
	}
	return NULL;
}

struct fault *unpack_fd(int fd, size_t max, const char *what, struct buf *out)
{
	struct archive_reader *r;
	struct fault *f;

	TRY(archive_reader_open_fd(fd, ARCHIVE_RAW, what, &r));
	f = unpack_all(r, max, what, out);
	archive_reader_free(r);
	return f;
}
