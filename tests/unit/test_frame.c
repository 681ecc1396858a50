/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <string.h>

#include "guest/frame.h"

static struct frame parse_one(const struct buf *b)
{
	struct frame f = { 0 };
	size_t used = 0;

	assert_int_equal(frame_parse(b->data, b->len, &f, &used), FRAME_COMPLETE);
	assert_int_equal(used, b->len);
	return f;
}

static void every_prefix_is_incomplete(void **state)
{
	AUTO_BUF b = BUF_INIT;
	struct frame f;
	size_t used;

	(void)state;
	frame_add(&b, FRAME_STDOUT, 0, "hello", 5);
	for (size_t n = 0; n < b.len; n++) {
		assert_int_equal(frame_parse(b.data, n, &f, &used), FRAME_INCOMPLETE);
		assert_int_equal(used, 0);
	}
	f = parse_one(&b);
	assert_int_equal(f.type, FRAME_STDOUT);
	assert_int_equal(f.len, 5);
	assert_memory_equal(f.data, "hello", 5);
}

static void zeros_between_frames_are_padding(void **state)
{
	AUTO_BUF b = BUF_INIT;
	struct frame f;
	size_t used;

	(void)state;
	buf_add(&b, "\0\0\0\0\0\0\0\0\0\0\0", 11);
	assert_int_equal(frame_parse(b.data, b.len, &f, &used), FRAME_INCOMPLETE);
	assert_int_equal(used, 11);
	frame_add_u32(&b, FRAME_CREDIT, 0x01020304);
	f = parse_one(&b);
	uint32_t credit = 0;
	assert_true(frame_u32(&f, &credit));
	assert_int_equal(credit, 0x01020304);
}

static void impossible_headers_are_malformed(void **state)
{
	static const unsigned char bad[][FRAME_HEADER] = {
		{ 0x01, FRAME_STDOUT, 0, 0, 0, 0, 0, 0 },	  /* no tag */
		{ FRAME_TAG, 0, 0, 0, 0, 0, 0, 0 },		  /* type 0 */
		{ FRAME_TAG, FRAME_TYPES, 0, 0, 0, 0, 0, 0 },	  /* unknown type */
		{ FRAME_TAG, FRAME_STDOUT, 0, 1, 0, 0, 0, 0 },	  /* reserved byte */
		{ FRAME_TAG, FRAME_STDOUT, 0, 0, 1, 0, 1, 0 },	  /* 65537 bytes */
		{ FRAME_TAG, FRAME_STDOUT, 0, 0, 0, 0, 0, 0xff }, /* 4 GB */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct frame f;
		size_t used;

		assert_int_equal(frame_parse((const char *)bad[i], FRAME_HEADER, &f, &used),
				 FRAME_MALFORMED);
	}
}

static void hello_round_trip(void **state)
{
	struct frame_hello in = { .version = 7, .other = 3 }, out;
	AUTO_BUF b = BUF_INIT;
	struct frame f;

	(void)state;
	memset(in.nonce, 0xab, sizeof(in.nonce));
	frame_add_hello(&b, FRAME_HELLO, &in);
	f = parse_one(&b);
	assert_true(frame_hello(&f, &out));
	assert_memory_equal(&in, &out, sizeof(in));
	b.data[FRAME_HEADER] ^= 1;
	f = parse_one(&b);
	assert_false(frame_hello(&f, &out));
}

/* The hello is found wherever it is, however the bytes are cut, and never too early. */
static void hello_is_found_in_rubbish(void **state)
{
	struct frame_hello hello = { .version = 1, .other = 1 };
	unsigned char other[FRAME_NONCE] = { 9 };
	AUTO_BUF b = BUF_INIT;
	bool found;

	(void)state;
	memset(hello.nonce, FRAME_TAG, sizeof(hello.nonce));
	for (int i = 0; i < 1000; i++)
		buf_addc(&b, i % 3 ? (char)FRAME_TAG : (char)FRAME_HELLO_ACK);
	frame_add_hello(&b, FRAME_HELLO_ACK, &hello);
	assert_int_equal(frame_find_hello(b.data, b.len, FRAME_HELLO_ACK, hello.nonce, &found),
			 1000);
	assert_true(found);
	for (size_t n = 0; n < b.len; n++) {
		size_t drop = frame_find_hello(b.data, n, FRAME_HELLO_ACK, hello.nonce, &found);

		assert_true(drop <= 1000 && drop <= n);
		assert_true(n >= 1000 + 32 ? found : !found);
	}
	assert_int_equal(frame_find_hello(b.data, b.len, FRAME_HELLO_ACK, NULL, &found), 1000);
	assert_true(found);
	assert_int_equal(frame_find_hello(b.data, b.len, FRAME_HELLO, NULL, &found), b.len);
	assert_false(found);
	frame_find_hello(b.data, b.len, FRAME_HELLO_ACK, other, &found);
	assert_false(found);
}

static void join_exec(const struct buf *b, struct buf *joined)
{
	size_t at = 0;
	bool more = true;

	while (at < b->len) {
		struct frame f;
		size_t used;

		assert_true(more);
		assert_int_equal(frame_parse(b->data + at, b->len - at, &f, &used), FRAME_COMPLETE);
		assert_int_equal(f.type, FRAME_EXEC);
		buf_add(joined, f.data, f.len);
		more = f.flags & FRAME_MORE;
		at += used;
	}
	assert_false(more);
}

static void exec_round_trip(void **state)
{
	struct frame_exec in = { .tty = true, .builtin = true, .rows = 24, .columns = 80 }, out;
	AUTO_FREE char *long_text = xmalloc(200001);
	AUTO_BUF b = BUF_INIT, joined = BUF_INIT;

	(void)state;
	memset(long_text, 'x', 200000);
	long_text[200000] = '\0';
	in.user = xstrdup("daemon:adm");
	strings_add(&in.argv, "sh");
	strings_add(&in.argv, "");
	strings_add(&in.argv, long_text);
	strings_add(&in.env, "A=b\n\xff");
	assert_true(frame_add_exec(&b, &in));
	join_exec(&b, &joined);
	for (size_t n = 0; n < joined.len; n += n < 64 ? 1 : 997)
		assert_false(frame_exec(joined.data, n, &out));
	assert_true(frame_exec(joined.data, joined.len, &out));
	assert_true(out.tty && !out.want_stdin && out.builtin);
	assert_int_equal(out.rows, 24);
	assert_int_equal(out.columns, 80);
	assert_string_equal(out.user, "daemon:adm");
	assert_null(out.cwd);
	assert_int_equal(out.argv.n, 3);
	assert_string_equal(out.argv.v[1], "");
	assert_string_equal(out.argv.v[2], long_text);
	assert_int_equal(out.env.n, 1);
	assert_string_equal(out.env.v[0], "A=b\n\xff");
	frame_exec_release(&out);
	frame_exec_release(&in);
}

static void exec_that_is_too_long_is_refused(void **state)
{
	struct frame_exec in = { 0 };
	AUTO_FREE char *text = xmalloc(FRAME_EXEC_MAX + 1);
	AUTO_BUF b = BUF_INIT;

	(void)state;
	memset(text, 'x', FRAME_EXEC_MAX);
	text[FRAME_EXEC_MAX] = '\0';
	strings_add(&in.argv, text);
	assert_false(frame_add_exec(&b, &in));
	frame_exec_release(&in);
}

static void exit_is_bounded(void **state)
{
	AUTO_BUF b = BUF_INIT;
	struct frame_exit out;
	struct frame f;

	(void)state;
	frame_add_exit(&b, FRAME_NOT_FOUND, 0, "no such thing");
	f = parse_one(&b);
	assert_true(frame_exit(&f, &out));
	assert_int_equal(out.kind, FRAME_NOT_FOUND);
	assert_string_equal(out.message, "no such thing");
	free(out.message);
	buf_clear(&b);
	frame_add_exit(&b, FRAME_EXITED, 256, "");
	f = parse_one(&b);
	assert_false(frame_exit(&f, &out));
	buf_clear(&b);
	frame_add_exit(&b, FRAME_SIGNALLED, 0, "");
	f = parse_one(&b);
	assert_false(frame_exit(&f, &out));
	buf_clear(&b);
	frame_add_exit(&b, FRAME_FAILED + 1, 0, "");
	f = parse_one(&b);
	assert_false(frame_exit(&f, &out));
}

static void small_payloads_are_exact(void **state)
{
	AUTO_BUF b = BUF_INIT;
	uint16_t rows, columns;
	uint32_t u32;
	uint64_t u64;
	char *text = NULL;
	struct frame f;

	(void)state;
	frame_add_resize(&b, 50, 132);
	f = parse_one(&b);
	assert_true(frame_resize(&f, &rows, &columns));
	assert_int_equal(rows * 1000 + columns, 50132);
	f.len--;
	assert_false(frame_resize(&f, &rows, &columns));
	buf_clear(&b);
	frame_add_u64(&b, FRAME_SET_TIME, UINT64_C(0x1122334455667788));
	f = parse_one(&b);
	assert_true(frame_u64(&f, &u64));
	assert_true(u64 == UINT64_C(0x1122334455667788));
	assert_false(frame_u32(&f, &u32));
	buf_clear(&b);
	frame_add(&b, FRAME_ERROR, 0, "\2\0\0\0a\0", 6);
	f = parse_one(&b);
	assert_false(frame_text(&f, &text));
	buf_clear(&b);
	frame_add_text(&b, FRAME_ERROR, "ab");
	f = parse_one(&b);
	assert_true(frame_text(&f, &text));
	assert_string_equal(text, "ab");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_prefix_is_incomplete),
		cmocka_unit_test(zeros_between_frames_are_padding),
		cmocka_unit_test(impossible_headers_are_malformed),
		cmocka_unit_test(hello_round_trip),
		cmocka_unit_test(hello_is_found_in_rubbish),
		cmocka_unit_test(exec_round_trip),
		cmocka_unit_test(exec_that_is_too_long_is_refused),
		cmocka_unit_test(exit_is_bounded),
		cmocka_unit_test(small_payloads_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
