/* SPDX-License-Identifier: MIT */
/* Layers being unpacked: told apart, limited, compared with their diff_id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "image/unpack.h"
#include "image/zstd_guard.h"

#define HELLO_DIFF_ID "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
#define OTHER_DIFF_ID "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be04"

/* "hello\n" */
static const uint8_t hello_gzip[] = {
	0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, /* header */
	0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xe7, 2, 0, 0x20, 0x30, 0x3a, 0x36, 6, 0, 0, 0,
};
/* One block that is stored as it is, 13 bits of its size in front; a window of 1 MiB. */
static const uint8_t hello_zstd[] = {0x28, 0xb5, 0x2f, 0xfd, 0, 80, 6 << 3 | 1, 0, 0,
				     'h',  'e',	 'l',  'l',  'o', '\n'};

/* Bytes handed out @step at a time. */
struct bytes {
	const uint8_t *data;
	size_t len, step, at;
};

static struct fault *read_bytes(void *context, const void **data, size_t *len)
{
	struct bytes *b = context;

	*data = b->data + b->at;
	*len = b->len - b->at < b->step ? b->len - b->at : b->step;
	b->at += *len;
	return NULL;
}

static struct fault *read_all(struct unpack *u, struct buf *out)
{
	struct archive_source from = unpack_source(u);
	const void *data;
	size_t len;

	do {
		TRY(from.read(from.context, &data, &len));
		buf_add(out, data, len);
	} while (len);
	return NULL;
}

static struct fault *unpack_bytes(struct bytes bytes, const struct image_layer *layer,
				  struct buf *out)
{
	struct archive_source from = {read_bytes, &bytes};
	uint64_t budget = 1 << 20;
	struct unpack *u = NULL;
	struct fault *f;

	TRY(unpack_open(&from, layer, &budget, &u));
	f = read_all(u, out);
	if (!f)
		f = unpack_check(u);
	unpack_close(u);
	return f;
}

static void check_unpacked(struct bytes bytes, const struct image_layer *layer)
{
	AUTO_BUF out = BUF_INIT;
	AUTO_FAULT f = unpack_bytes(bytes, layer, &out);

	if (f)
		fail_msg("%s", fault_message(f));
	assert_int_equal(out.len, 6);
	assert_memory_equal(out.data, "hello\n", 6);
}

static void check_refused(struct bytes bytes, const struct image_layer *layer, enum fault_kind kind,
			  const char *text)
{
	AUTO_BUF out = BUF_INIT;
	AUTO_FAULT f = unpack_bytes(bytes, layer, &out);

	if (!f)
		fail_msg("%zu bytes are accepted", bytes.len);
	if (fault_kind(f) != kind || !strstr(fault_message(f), text))
		fail_msg("%s", fault_message(f));
}

#define BYTES(array, step) ((struct bytes){array, sizeof(array), step, 0})

static void unpacked_in_pieces_of_any_size(void **state)
{
	static const uint8_t plain[] = {'h', 'e', 'l', 'l', 'o', '\n'};
	struct image_layer layer = {.what = "a layer", .diff_id = HELLO_DIFF_ID, .foreign = true};

	(void)state;
	for (size_t step = 1; step < 40; step++) {
		check_unpacked(BYTES(hello_gzip, step), &layer);
		check_unpacked(BYTES(hello_zstd, step), &layer);
		check_unpacked(BYTES(plain, step), &layer);
	}
}

static void another_diff_id_is_refused(void **state)
{
	static const uint8_t plain[] = {'h', 'i'};
	struct image_layer layer = {.what = "a layer", .diff_id = OTHER_DIFF_ID};
	struct image_layer unknown = {.what = "a layer"};

	(void)state;
	check_refused(BYTES(hello_gzip, 100), &layer, F_CORRUPT, "the diff_id");
	check_refused(BYTES(hello_zstd, 100), &layer, F_CORRUPT, "the diff_id");
	check_unpacked(BYTES(hello_gzip, 100), &unknown);
	layer.digest = HELLO_DIFF_ID;
	check_refused(BYTES(plain, 100), &layer, F_CORRUPT, "is not compressed, but");
}

static void what_is_cut_is_not_taken_for_empty(void **state)
{
	struct image_layer known = {.what = "a layer", .diff_id = HELLO_DIFF_ID};
	struct image_layer unknown = {.what = "a layer"};

	(void)state;
	/* The last 8 bytes are a checksum, which says less than the digest of the whole. */
	for (size_t len = 4; len < sizeof(hello_gzip) - 9; len++) {
		struct bytes cut = {hello_gzip, len, 7, 0};

		check_refused(cut, &known, F_CORRUPT, "");
		if (len > 10) /* a header that is not whole unpacks to nothing */
			check_refused(cut, &unknown, F_CORRUPT, "truncated");
	}
	for (size_t len = 4; len < sizeof(hello_zstd); len++)
		check_refused((struct bytes){hello_zstd, len, 7, 0}, &unknown, F_CORRUPT, "");
}

static void strangers_may_use_gzip_and_zstd(void **state)
{
	static const uint8_t xz[] = {0xfd, '7', 'z', 'X', 'Z', 0}, bzip2[] = {'B', 'Z', 'h', '9'},
			     lzma[] = {0x5d, 0, 0, 0x80, 0}, lz4[] = {4, 0x22, 0x4d, 0x18};
	struct image_layer layer = {.what = "a layer", .foreign = true};

	(void)state;
	check_refused(BYTES(xz, 1), &layer, F_UNSUPPORTED, "compressed with xz");
	check_refused(BYTES(bzip2, 1), &layer, F_UNSUPPORTED, "compressed with bzip2");
	check_refused(BYTES(lzma, 1), &layer, F_UNSUPPORTED, "compressed with lzma");
	check_refused(BYTES(lz4, 1), &layer, F_UNSUPPORTED, "compressed with lz4");
	assert_int_equal(archive_packing("]\0\0\0\0\0\0\0", 8), PACKED_NOT);
	assert_int_equal(archive_packing("", 0), PACKED_NOT);
	assert_int_equal(archive_packing("ustar", 5), PACKED_NOT);
}

/* -- zstd's windows -- */

static struct fault *guard(const uint8_t *data, size_t len, size_t step)
{
	struct zstd_guard g;
	struct fault *f = NULL;

	zstd_guard_init(&g);
	for (size_t at = 0; at < len && !f; at += step)
		f = zstd_guard_look(&g, data + at, len - at < step ? len - at : step, "a layer");
	return f;
}

#define GUARDED 0 /* no fault */

/* The stream is: a small frame with a checksum, a skippable frame, then what @frame is. */
static void check_guard(const uint8_t *frame, size_t len, int kind, const char *text)
{
	static const uint8_t before[] = {
		0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x50, /* magic, checksum follows, 1 MiB */
		6 << 3, 0, 0, 'h', 'e', 'l', 'l', 'o', '\n', /* stored */
		0x03, 0x10, 0, 'x', /* the last: 512 times 'x' */
		1, 2, 3, 4, /* checksum */
		0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 7, 7, 7, /* skippable */
	};
	uint8_t all[100];

	memcpy(all, before, sizeof(before));
	memcpy(all + sizeof(before), frame, len);
	for (size_t step = 1; step < 50; step += 6) {
		AUTO_FAULT f = guard(all, sizeof(before) + len, step);

		if (kind == GUARDED && f)
			fail_msg("%s", fault_message(f));
		if (kind == GUARDED)
			continue;
		assert_non_null(f);
		assert_int_equal(fault_kind(f), kind);
		assert_non_null(strstr(fault_message(f), text));
	}
}

#define MAGIC 0x28, 0xb5, 0x2f, 0xfd
#define GUARD(kind, text, ...)                                                                     \
	check_guard((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), kind,  \
		    text)

static void large_windows_are_seen_in_every_frame(void **state)
{
	(void)state;
	GUARD(GUARDED, "", MAGIC, 0, 15 << 3, 1, 0, 0);
	GUARD(F_UNSUPPORTED, "a window of 36M", MAGIC, 0, 15 << 3 | 1, 1, 0, 0);
	GUARD(F_UNSUPPORTED, "a window of 128M", MAGIC, 0, 17 << 3, 1, 0, 0);
	/* A single segment needs as much as it unpacks to; a dictionary may come first. */
	GUARD(GUARDED, "", MAGIC, 0x20, 255, 1, 0, 0);
	GUARD(GUARDED, "", MAGIC, 0x60, 255, 255, 1, 0, 0);
	GUARD(GUARDED, "", MAGIC, 0xa3, 9, 9, 9, 9, 0, 0, 0, 2, 1, 0, 0);
	GUARD(F_UNSUPPORTED, "a window of", MAGIC, 0xa3, 9, 9, 9, 9, 1, 0, 0, 2, 1, 0, 0);
	GUARD(F_UNSUPPORTED, "a window of", MAGIC, 0xe0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0);
	/* The window counts, not the size, when both are there. */
	GUARD(GUARDED, "", MAGIC, 0xc0, 15 << 3, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0);
}

static void what_is_no_frame_is_refused(void **state)
{
	(void)state;
	/* As version 0.7 began. */
	GUARD(F_CORRUPT, "where a zstd frame should begin", 0x27, 0xb5, 0x2f, 0xfd);
	GUARD(F_CORRUPT, "where a zstd frame should begin", 0, 0, 0, 0);
	GUARD(F_CORRUPT, "of an unknown kind", MAGIC, 0, 80, 7, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unpacked_in_pieces_of_any_size),
		cmocka_unit_test(another_diff_id_is_refused),
		cmocka_unit_test(what_is_cut_is_not_taken_for_empty),
		cmocka_unit_test(strangers_may_use_gzip_and_zstd),
		cmocka_unit_test(large_windows_are_seen_in_every_frame),
		cmocka_unit_test(what_is_no_frame_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
