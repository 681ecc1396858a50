/* SPDX-License-Identifier: MIT */
/* tar_stream.c - any bytes as an archive from a guest, and as its list of changed files. */
#include <stdint.h>
#include <string.h>

#include "guest/tar_stream.h"
#include "guest/tree_compare.h"

struct bytes {
	const uint8_t *data;
	size_t len;
};

static struct fault *give(void *context, void *data, size_t max, size_t *len)
{
	struct bytes *b = context;

	*len = b->len < max ? b->len : max;
	memcpy(data, b->data, *len);
	b->data += *len;
	b->len -= *len;
	return NULL;
}

static struct fault *read_all(struct tar_reader *r)
{
	struct tar_item item;
	const void *data;
	uint64_t offset;
	size_t len;
	bool end;

	for (;;) {
		TRY(tar_reader_next(r, &item, &end));
		if (end)
			return tar_reader_drain(r);
		do {
			TRY(tar_reader_data(r, &data, &len, &offset));
			if (len && (offset > item.size || len > item.size - offset))
				__builtin_trap();
		} while (len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };
	struct tar_reader *r = tar_reader_new(&(struct tar_source){ give, &b }, "fuzz");
	struct tree_list list = { 0 };

	fault_free(read_all(r));
	tar_reader_free(r);
	fault_free(tree_list_read((const char *)data, size, &list));
	tree_list_release(&list);
	return 0;
}
