/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <string.h>

#include "base/json.h"

/* ------------------------------------------------------------------------------------ documents */

static void good_document(const char *text)
{
	struct json_doc *doc = NULL;
	struct fault *f = json_parse(text, strlen(text), "t", &doc);

	if (f)
		fail_msg("%s: %s", text, fault_message(f));
	json_free(doc);
}

static void bad_document_len(const char *text, size_t len)
{
	struct json_doc *doc = NULL;
	struct fault *f = json_parse(text, len, "t", &doc);

	if (!f)
		fail_msg("'%s' was accepted", text);
	assert_int_equal(fault_kind(f), F_CORRUPT);
	assert_non_null(strstr(fault_message(f), "t "));
	fault_free(f);
}

static void strict_grammar(void **state)
{
	static const char *const good[] = {
		"{}", "[]", " [ 1 , -2.5e+3, true, false, null, \"x\" ] ", "{\"a\":{\"b\":[{}]}}",
		"\"\\u00fc\\ud83d\\udc27\\n\\\\\\\"\\/\"", "[0,-0,1E9]", "\"\"",
		"\"\xc3\xbc\"",
	};
	static const char *const bad[] = {
		"", " ", "{", "}", "[", "]", "[1,]", "{\"a\":1,}", "{\"a\"}", "{\"a\":}", "{a:1}",
		"{1:2}", "{'a':1}", "[1 2]", "[,1]", "{\"a\":1 \"b\":2}", "tru", "nul", "True", "01",
		"+1", "1.", ".5", "1e", "0x10", "NaN", "\"", "\"a", "\"\\x\"", "\"\\u12\"",
		"\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\t\"", "\"\n\"", "1 2", "{}{}",
		"[]]", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "\"\xff\"", "\"\xc0\xaf\"",
		"\"\xed\xa0\x80\"", "\"\\u0000\"", "[1}", "{\"a\":1]", "//", "[1]//", "{:1}", "[:]",
		"{\"a\":1:2}", "[\"a\":1]",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		good_document(good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad_document_len(bad[i], strlen(bad[i]));
	bad_document_len("[1]\0", 4);
	bad_document_len("[\"a\0b\"]", 7);
}

static void depth_is_bounded(void **state)
{
	char text[2 * JSON_DEPTH_MAX + 8];

	(void)state;
	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	text[2 * JSON_DEPTH_MAX] = '\0';
	good_document(text);
	memset(text, '[', JSON_DEPTH_MAX + 1);
	memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	bad_document_len(text, 2 * JSON_DEPTH_MAX + 2);
}

static void values_are_read(void **state)
{
	static const char text[] = "{\"s\":\"\\u00fc\\n\",\"n\":18446744073709551615,\"neg\":-5,"
				   "\"big\":18446744073709551616,\"f\":1.5,\"t\":true,\"l\":[1,2,3],"
				   "\"\\u006f\":{\"x\":null}}";
	struct json_doc *doc = NULL;
	AUTO_FREE char *s = NULL;
	struct json root, v;
	int64_t i64 = 0;
	uint64_t u64 = 0;
	bool flag = false;

	(void)state;
	assert_null(json_parse(text, strlen(text), "t", &doc));
	root = json_root(doc);
	assert_int_equal(json_kind(root), JSON_OBJECT);
	assert_int_equal(json_len(root), 8);
	assert_true(json_get_string(root, "s", &s));
	assert_string_equal(s, "\xc3\xbc\n");
	assert_true(json_get_u64(root, "n", &u64));
	assert_true(u64 == UINT64_MAX);
	assert_false(json_get_u64(root, "neg", &u64));
	assert_false(json_get_u64(root, "big", &u64));
	assert_false(json_get_u64(root, "f", &u64));
	assert_false(json_get_u64(root, "s", &u64));
	assert_false(json_get_u64(root, "none", &u64));
	assert_true(json_get(root, "neg", &v) && json_i64(v, &i64));
	assert_int_equal(i64, -5);
	assert_true(json_get(root, "t", &v) && json_bool(v, &flag) && flag);
	assert_true(json_get(root, "o", &v));
	assert_true(json_get(v, "x", &v));
	assert_int_equal(json_kind(v), JSON_NULL);
	assert_false(json_get(v, "x", &v));
	json_free(doc);
}

static void iteration(void **state)
{
	static const char text[] = "{\"a\":[1,[2],3],\"b\":{\"c\":{}},\"d\":4}";
	struct json_doc *doc = NULL;
	AUTO_BUF seen = BUF_INIT;
	struct json_iter it;
	struct json v;
	char *key = NULL;
	uint64_t n;

	(void)state;
	assert_null(json_parse(text, strlen(text), "t", &doc));
	it = json_iter(json_root(doc));
	while (json_next(&it, &key, &v)) {
		buf_addf(&seen, "%s%zu ", key, json_len(v));
		free(key);
	}
	assert_string_equal(seen.data, "a3 b1 d0 ");
	assert_true(json_get(json_root(doc), "a", &v));
	it = json_iter(v);
	assert_true(json_next(&it, NULL, &v) && json_u64(v, &n) && n == 1);
	assert_true(json_next(&it, NULL, &v) && json_kind(v) == JSON_ARRAY);
	assert_true(json_next(&it, NULL, &v) && json_u64(v, &n) && n == 3);
	assert_false(json_next(&it, NULL, &v));
	json_free(doc);
}

static void strings_are_escaped(void **state)
{
	AUTO_BUF out = BUF_INIT;

	(void)state;
	json_add_string(&out, "a\"\\\n\t\x01\x7f/\xc3\xbc\xff");
	good_document(out.data);
	assert_non_null(strstr(out.data, "\\\""));
	assert_non_null(strstr(out.data, "\\\\"));
	assert_null(strchr(out.data, '\n'));
	assert_null(strchr(out.data, '\x01'));
	assert_null(strchr(out.data, '\xff'));
}

/* -------------------------------------------------------------------------------------- records */

struct part {
	char *name;
	uint64_t size;
};
struct thing {
	char *id, *note;
	uint64_t count;
	int64_t delta;
	bool on;
	struct strings tags;
	struct part part;
	struct records parts;
};
static const struct field part_fields[] = {
	FIELD_REQ(struct part, name, FIELD_STRING),
	FIELD(struct part, size, FIELD_U64),
};
static const struct record_type part_type = { "part", sizeof(struct part), part_fields, 2, 0 };
static const struct field thing_fields[] = {
	FIELD_REQ(struct thing, id, FIELD_STRING),
	FIELD_MAX(struct thing, note, FIELD_STRING, 5),
	FIELD_MAX(struct thing, count, FIELD_U64, 100),
	FIELD(struct thing, delta, FIELD_I64),
	FIELD(struct thing, on, FIELD_BOOL),
	FIELD(struct thing, tags, FIELD_STRINGS),
	FIELD_SUB(struct thing, part, FIELD_RECORD, &part_type),
	FIELD_SUB(struct thing, parts, FIELD_RECORDS, &part_type),
};
static const struct record_type thing_type = { "thing", sizeof(struct thing), thing_fields,
					       ARRAY_LEN(thing_fields), 2 };

static struct thing sample(void)
{
	struct thing t = { .count = 100, .delta = INT64_MIN, .on = true };
	struct part *p;

	t.id = xstrdup("x\n\"\xc3\xbc");
	strings_add(&t.tags, "one");
	strings_add(&t.tags, "");
	t.part.name = xstrdup("inner");
	p = records_add(&t.parts, sizeof(*p));
	p->name = xstrdup("p0");
	p->size = UINT64_MAX;
	p = records_add(&t.parts, sizeof(*p));
	p->name = xstrdup("p1");
	return t;
}

static void check_sample(const struct thing *t)
{
	const struct part *parts = t->parts.v;

	assert_string_equal(t->id, "x\n\"\xc3\xbc");
	assert_null(t->note);
	assert_int_equal(t->count, 100);
	assert_true(t->delta == INT64_MIN);
	assert_true(t->on);
	assert_int_equal(t->tags.n, 2);
	assert_string_equal(t->tags.v[1], "");
	assert_null(t->tags.v[2]);
	assert_string_equal(t->part.name, "inner");
	assert_int_equal(t->parts.n, 2);
	assert_true(parts[0].size == UINT64_MAX);
	assert_string_equal(parts[1].name, "p1");
}

static void record_round_trip(void **state)
{
	struct thing in = sample(), out, copy;
	AUTO_BUF text = BUF_INIT;
	AUTO_BUF line = BUF_INIT;

	(void)state;
	record_write(&thing_type, &in, &text);
	assert_int_equal(text.data[text.len - 1], '\n');
	assert_null(record_read(&thing_type, text.data, text.len, "t", &out));
	check_sample(&out);
	record_copy(&thing_type, &out, &copy);
	record_release(&thing_type, &out);
	check_sample(&copy);
	record_release(&thing_type, &copy);
	assert_null(copy.id);
	record_write_line(&thing_type, &in, &line);
	assert_null(strchr(line.data, '\n'));
	assert_null(record_read(&thing_type, line.data, line.len, "t", &out));
	check_sample(&out);
	record_release(&thing_type, &out);
	record_release(&thing_type, &in);
}

static void refuse(const char *text, enum fault_kind kind, const char *part)
{
	struct thing t;
	struct fault *f = record_read(&thing_type, text, strlen(text), "file x", &t);

	if (!f)
		fail_msg("%s was accepted", text);
	assert_int_equal(fault_kind(f), kind);
	if (!strstr(fault_message(f), part) || !strstr(fault_message(f), "file x"))
		fail_msg("%s: %s", text, fault_message(f));
	assert_null(t.id);
	assert_null(t.tags.v);
	assert_null(t.parts.v);
	fault_free(f);
}

static void wrong_records_name_the_field(void **state)
{
	(void)state;
	refuse("[]", F_CORRUPT, "");
	refuse("{\"id\":\"x\"}", F_CORRUPT, "version");
	refuse("{\"version\":0,\"id\":\"x\"}", F_CORRUPT, "version");
	refuse("{\"version\":\"2\",\"id\":\"x\"}", F_CORRUPT, "version");
	refuse("{\"version\":3,\"id\":\"x\"}", F_NEWER, "newer");
	refuse("{\"version\":2}", F_CORRUPT, "id");
	refuse("{\"version\":2,\"id\":null}", F_CORRUPT, "id");
	refuse("{\"version\":2,\"id\":7}", F_CORRUPT, "id");
	refuse("{\"version\":2,\"id\":\"x\",\"note\":\"123456\"}", F_CORRUPT, "note");
	refuse("{\"version\":2,\"id\":\"x\",\"count\":101}", F_CORRUPT, "count");
	refuse("{\"version\":2,\"id\":\"x\",\"count\":-1}", F_CORRUPT, "count");
	refuse("{\"version\":2,\"id\":\"x\",\"on\":1}", F_CORRUPT, "on");
	refuse("{\"version\":2,\"id\":\"x\",\"tags\":{}}", F_CORRUPT, "tags");
	refuse("{\"version\":2,\"id\":\"x\",\"tags\":[\"a\",1]}", F_CORRUPT, "tags");
	refuse("{\"version\":2,\"id\":\"x\",\"part\":{}}", F_CORRUPT, "name");
	refuse("{\"version\":2,\"id\":\"x\",\"parts\":[{\"name\":\"a\"},{\"size\":1}]}", F_CORRUPT,
	       "name");
	refuse("{\"version\":2,\"id\":\"x\"", F_CORRUPT, "");
}

static void older_and_extended_records(void **state)
{
	static const char text[] = "{\"version\":1,\"id\":\"x\",\"new\":[1,{}],\"note\":null}";
	struct thing t;

	(void)state;
	assert_null(record_read(&thing_type, text, strlen(text), "t", &t));
	assert_string_equal(t.id, "x");
	assert_null(t.note);
	record_release(&thing_type, &t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strict_grammar),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(values_are_read),
		cmocka_unit_test(iteration),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(record_round_trip),
		cmocka_unit_test(wrong_records_name_the_field),
		cmocka_unit_test(older_and_extended_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
