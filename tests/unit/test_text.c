/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <string.h>

#include "base/buf.h"
#include "base/nearest.h"
#include "base/text.h"

static void size_of(const char *text, uint64_t wanted)
{
	uint64_t bytes = 0;
	struct fault *f = text_parse_size(text, "--size", &bytes);

	if (f)
		fail_msg("%s: %s", text, fault_message(f));
	assert_int_equal(bytes, wanted);
}

static void no_size(const char *text)
{
	uint64_t bytes = 77;
	struct fault *f = text_parse_size(text, "--size", &bytes);

	if (!f)
		fail_msg("'%s' was taken for %llu bytes", text, (unsigned long long)bytes);
	assert_int_equal(fault_kind(f), F_INVALID);
	assert_non_null(strstr(fault_message(f), "--size"));
	assert_int_equal(bytes, 77);
	fault_free(f);
}

static void sizes(void **state)
{
	static const char *const wrong[] = {
		"", "0", "0G", "-1", "-8G", "+1", " 1", "1 ", "8X", "8GG", "8GiBs", "G", "1.2.3G",
		"1e3", "0x10", "inf", "nan", "99999999999999999999", "2000000T", "1,5G", ".5G",
		"0.0000001K", "8G\n", "1iB",
	};

	(void)state;
	size_of("8G", 8 * GIB);
	size_of("512M", 512 * MIB);
	size_of("64k", 64 * KIB);
	size_of("1T", 1024 * GIB);
	size_of("1.5G", 3 * GIB / 2);
	size_of("8GiB", 8 * GIB);
	size_of("8GB", 8 * GIB);
	size_of("4096", 4096);
	size_of("1B", 1);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		no_size(wrong[i]);
}

static void sizes_are_written_shortly(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 0, "0B" },	      { 17, "17B" },	    { 1024, "1K" },
		{ 8 * GIB, "8G" },    { 3 * GIB / 2, "1.5G" }, { 312 * MIB + 5, "312M" },
		{ 2048 * GIB, "2T" }, { 1025, "1.0K" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *text = text_size(rows[i].bytes);

		assert_string_equal(text, rows[i].text);
	}
}

static void counts(void **state)
{
	static const char *const wrong[] = { "", "0", "9", "-1", "+2", "2 ", "2x", "0x2", "1.0",
					     "99999999999999999999999" };
	uint64_t n = 0;

	(void)state;
	assert_null(text_parse_count("1", "--vcpu", 1, 8, &n));
	assert_int_equal(n, 1);
	assert_null(text_parse_count("08", "--vcpu", 1, 8, &n));
	assert_int_equal(n, 8);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct fault *f = text_parse_count(wrong[i], "--vcpu", 1, 8, &n);

		if (!f)
			fail_msg("'%s' was accepted", wrong[i]);
		fault_free(f);
	}
	assert_int_equal(n, 8);
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} rows[] = {
		{ "0", 0 },	      { "90", 90000 },	 { "90s", 90000 }, { "1m30s", 90000 },
		{ "2h", 7200000 },    { "250ms", 250 },	 { "1d", 86400000 }, { "1h1ms", 3600001 },
		{ "10000d", UINT64_C(864000000000) },
	};
	static const char *const wrong[] = { "", "s", "-1", "1.5s", "1m30", "10 s", "1w", "10001d",
					     "1s ", "99999999999999999999", "1mm" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t ms = 1;

		assert_null(text_parse_duration(rows[i].text, "--wait", &ms));
		assert_int_equal(ms, rows[i].ms);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		uint64_t ms;
		struct fault *f = text_parse_duration(wrong[i], "--wait", &ms);

		if (!f)
			fail_msg("'%s' was accepted", wrong[i]);
		fault_free(f);
	}
}

static void times_round_trip(void **state)
{
	time_t when;
	AUTO_FREE char *text = text_time(1763687409);

	(void)state;
	assert_string_equal(text, "2025-11-21T01:10:09Z");
	assert_true(text_parse_time(text, &when));
	assert_int_equal(when, 1763687409);
	assert_false(text_parse_time("2025-11-21T01:10:09", &when));
	assert_false(text_parse_time("2025-11-21T01:10:09Zx", &when));
	assert_false(text_parse_time("yesterday", &when));
}

static void ages(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} rows[] = { { -5, "0 s" },    { 0, "0 s" },	    { 119, "119 s" }, { 120, "2 min" },
		     { 7199, "119 min" }, { 7200, "2 h" }, { 172800, "2 d" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *text = text_age(rows[i].seconds);

		assert_string_equal(text, rows[i].text);
	}
}

static void printable(const char *text, const char *wanted)
{
	AUTO_BUF out = BUF_INIT;

	text_add_printable(&out, text, strlen(text));
	assert_string_equal(out.data, wanted);
}

static void control_bytes_become_visible(void **state)
{
	AUTO_BUF out = BUF_INIT;

	(void)state;
	printable("plain text", "plain text");
	printable("\033[31mred\r\n\t\a", "\\x1b[31mred\\x0d\\x0a\\x09\\x07");
	printable("\x7f", "\\x7f");
	printable("Gr\xc3\xbc\xc3\x9f" "e \xe2\x80\x9cq\xe2\x80\x9d \xf0\x9f\x90\xa7",
		  "Gr\xc3\xbc\xc3\x9f" "e \xe2\x80\x9cq\xe2\x80\x9d \xf0\x9f\x90\xa7");
	printable("\xc2\x9b" "31m", "\\xc2\\x9b" "31m"); /* CSI as a C1 control character */
	printable("\x9b\xff", "\\x9b\\xff");
	printable("\xc0\xaf", "\\xc0\\xaf");		    /* over-long */
	printable("\xed\xa0\x80", "\\xed\\xa0\\x80");	    /* a surrogate */
	printable("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond Unicode */
	printable("\xe2\x80", "\\xe2\\x80");		    /* cut off */
	text_add_printable(&out, "a\0b", 3);
	assert_string_equal(out.data, "a\\x00b");
}

static void hexadecimal(void **state)
{
	AUTO_FREE char *text = text_hex("\x00\x7f\xff", 3);

	(void)state;
	assert_string_equal(text, "007fff");
}

static const char *best_of(const char *typed)
{
	static const char *const words[] = { "start", "stop", "restart", "delete", "list" };
	struct nearest n = nearest_to(typed);

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		nearest_offer(&n, words[i]);
	return nearest_best(&n);
}

static void nearest_word(void **state)
{
	static char longest[100];

	(void)state;
	assert_string_equal(best_of("strat"), "start");
	assert_string_equal(best_of("stopp"), "stop");
	assert_string_equal(best_of("delte"), "delete");
	assert_string_equal(best_of("lsit"), "list");
	assert_string_equal(best_of("restrat"), "restart");
	assert_null(best_of("frobnicate"));
	assert_null(best_of("xy"));
	memset(longest, 'a', sizeof(longest) - 1);
	assert_null(best_of(longest));
}

static void many_small_pieces_are_rarely_moved(void **state)
{
	AUTO_BUF b = BUF_INIT;
	size_t moves = 0;

	(void)state;
	for (size_t i = 0; i < 100000; i++) {
		size_t room = b.room;

		buf_addc(&b, 'x');
		moves += b.room != room;
	}
	assert_int_equal(strlen(b.data), 100000);
	assert_in_range(moves, 1, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(sizes_are_written_shortly),
		cmocka_unit_test(counts),
		cmocka_unit_test(durations),
		cmocka_unit_test(times_round_trip),
		cmocka_unit_test(ages),
		cmocka_unit_test(control_bytes_become_visible),
		cmocka_unit_test(hexadecimal),
		cmocka_unit_test(nearest_word),
		cmocka_unit_test(many_small_pieces_are_rarely_moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
