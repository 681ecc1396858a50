/* SPDX-License-Identifier: MIT */
/* json.c - any bytes as a JSON document and as our records; what is accepted can be written and read
 * again with the same result. */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "store/image_record.h"
#include "store/kernel_record.h"
#include "store/vm_record.h"

static void walk(struct json v, int depth)
{
	struct json_iter it = json_iter(v);
	struct json value, again;
	char *key = NULL, *text = NULL;
	uint64_t number;

	if (depth > JSON_DEPTH_MAX)
		abort();
	if (json_string(v, &text))
		free(text);
	json_u64(v, &number);
	while (json_next(&it, &key, &value)) {
		if (key && (!json_get(v, key, &again) || again.token != value.token))
			abort();
		free(key);
		walk(value, depth + 1);
	}
}

static void round_trip(const struct record_type *type, const char *data, size_t size)
{
	AUTO_FREE void *record = xcalloc(1, type->size), *copy = xcalloc(1, type->size);
	AUTO_BUF first = BUF_INIT;
	AUTO_BUF second = BUF_INIT;
	AUTO_FAULT f = record_read(type, data, size, "fuzz", record);
	AUTO_FAULT again = NULL;

	if (f)
		return;
	record_write(type, record, &first);
	again = record_read(type, first.data, first.len, "fuzz", copy);
	if (again)
		abort();
	record_write(type, copy, &second);
	if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
		abort();
	record_release(type, record);
	record_release(type, copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct json_doc *doc = NULL;
	AUTO_FAULT f = json_parse(text, size, "fuzz", &doc);

	if (!f)
		walk(json_root(doc), 0);
	json_free(doc);
	round_trip(&image_record_type, text, size);
	round_trip(&kernel_record_type, text, size);
	round_trip(&vm_spec_type, text, size);
	round_trip(&vm_handles_type, text, size);
	return 0;
}
