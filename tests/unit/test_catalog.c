/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "store/catalog.h"
#include "store/image_record.h"

static void test_built_in(void **state)
{
	AUTO_CATALOG catalog = { 0 };
	const struct catalog_entry *entry;
	const struct catalog_source *from;

	(void)state;
	assert_null(catalog_load(&catalog));
	entry = catalog_find(&catalog.images, "debian-bookworm");
	assert_non_null(entry);
	from = catalog_source_at(entry, 0);
	assert_string_equal(from->type, "debian-suite");
	assert_string_equal(from->suite, "bookworm");
	assert_true(from->include.n > 5);
	entry = catalog_find(&catalog.kernels, "debian-12");
	assert_non_null(entry);
	assert_string_equal(catalog_source_at(entry, 0)->package, "linux-image-cloud-amd64");
	assert_null(catalog_find(&catalog.images, "debian-12"));
	assert_null(catalog_find(&catalog.images, "debian"));
}

static void expect_fault(const char *text, enum fault_kind kind, const char *part)
{
	AUTO_CATALOG catalog = { 0 };
	AUTO_FAULT f = catalog_read(text, strlen(text), "my.json", &catalog);

	assert_non_null(f);
	assert_int_equal(fault_kind(f), kind);
	assert_non_null(strstr(fault_message(f), "my.json"));
	if (!strstr(fault_message(f), part))
		fail_msg("no '%s' in '%s'", part, fault_message(f));
	assert_int_equal(catalog.images.n + catalog.kernels.n, 0);
}

static void test_refused(void **state)
{
	(void)state;
	expect_fault("{\"images\":[]}", F_CORRUPT, "version");
	expect_fault("{\"version\":2}", F_NEWER, "newer");
	expect_fault("{\"version\":1,\"images\":{}}", F_CORRUPT, "images");
	expect_fault("{\"version\":1,\"images\":[{\"name\":\"a\",\"sources\":[]}]}", F_CORRUPT,
		     "no sources");
	expect_fault("{\"version\":1,\"images\":[{\"name\":\"../a\",\"sources\":[]}]}", F_INVALID,
		     "not a name");
	expect_fault("{\"version\":1,\"kernels\":[{\"name\":\"a\",\"sources\":[{}]}]}", F_CORRUPT,
		     "type");
	expect_fault("{\"version\":1,\"images\":[{\"name\":\"a\",\"sources\":[{\"type\":\"x\"}]},"
		     "{\"name\":\"a\",\"sources\":[{\"type\":\"x\"}]}]}", F_CORRUPT, "twice");
}

static void test_names(void **state)
{
	static const char text[] =
		"{\"version\":1,\"images\":["
		"{\"name\":\"a\",\"sources\":[{\"type\":\"x\"}]},"
		"{\"name\":\"b\",\"sources\":[{\"type\":\"x\"}]}]}";
	AUTO_CATALOG catalog = { 0 };
	AUTO_FREE char *images = NULL, *kernels = NULL;

	(void)state;
	assert_null(catalog_read(text, strlen(text), "t", &catalog));
	images = catalog_names(&catalog.images);
	kernels = catalog_names(&catalog.kernels);
	assert_string_equal(images, "a, b");
	assert_string_equal(kernels, "");
}

/* What is written can be read, whatever an image's configuration holds. */
static void test_image_record(void **state)
{
	struct image_record out = { .name = (char *)"a", .size_bytes = UINT64_C(1) << 40 };
	struct image_record in;
	AUTO_BUF text = BUF_INIT;

	(void)state;
	strings_add(&out.config.env, "A=\"quoted\"\n");
	strings_add(&out.config.cmd, "");
	record_write(&image_record_type, &out, &text);
	assert_null(record_read(&image_record_type, text.data, text.len, "t", &in));
	assert_string_equal(in.config.env.v[0], "A=\"quoted\"\n");
	assert_string_equal(in.config.cmd.v[0], "");
	assert_null(in.config.user);
	assert_true(in.size_bytes == out.size_bytes);
	record_release(&image_record_type, &in);
	strings_release(&out.config.env);
	strings_release(&out.config.cmd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_built_in),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_image_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
