/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
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

static void expect_source_fault(const char *source, const char *part)
{
	AUTO_FREE char *text = xasprintf("{\"version\":1,\"images\":[{\"name\":\"a\",\"sources\":[%s]}]}",
					 source);

	expect_fault(text, F_CORRUPT, part);
}

static void test_source_fields(void **state)
{
	(void)state;
	expect_source_fault("{\"type\":\"bundle\",\"url\":\"/x\"}", "'sha256'");
	expect_source_fault("{\"type\":\"bundle\",\"sha256\":\"00\",\"url\":\"/x\"}", "64");
	expect_source_fault("{\"type\":\"oci\"}", "'reference'");
	expect_source_fault("{\"type\":\"debian-suite\",\"suite\":\"\"}", "'suite'");
	expect_source_fault("{\"type\":\"bundle\",\"url\":1}", "'url'");
}

/* -- directories -- */

static void write_file(const char *dir, const char *name, mode_t mode, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void write_entry(const char *dir, const char *name, mode_t mode, const char *image)
{
	AUTO_FREE char *text = xasprintf("{\"version\":1,\"images\":[{\"name\":\"%s\","
					 "\"description\":\"from %s\",\"sources\":[{\"type\":\"x\"}]}]}",
					 image, name);

	write_file(dir, name, mode, text);
}

static void expect_directory_fault(const char *dir, enum fault_kind kind, const char *part)
{
	AUTO_CATALOG catalog = { 0 };
	AUTO_FAULT f = catalog_add_directory(&catalog, dir, geteuid());

	assert_non_null(f);
	assert_int_equal(fault_kind(f), kind);
	if (!strstr(fault_message(f), part))
		fail_msg("no '%s' in '%s'", part, fault_message(f));
}

static void test_directory(void **state)
{
	char dir[] = "/tmp/banger-catalog-XXXXXX";
	AUTO_CATALOG catalog = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	write_entry(dir, "b.json", 0644, "one");
	write_entry(dir, "a.json", 0644, "one");
	write_entry(dir, "c.json", 0644, "two");
	write_entry(dir, ".hidden.json", 0644, "three");
	write_file(dir, "README", 0644, "no JSON");
	assert_null(catalog_add_directory(&catalog, "/nonexistent/catalog.d", 0));
	assert_null(catalog_add_directory(&catalog, dir, geteuid()));
	assert_int_equal(catalog.images.n, 2);
	assert_string_equal(catalog_find(&catalog.images, "one")->description, "from b.json");
	assert_null(catalog_find(&catalog.images, "three"));
	/* Over what is there. */
	write_entry(dir, "b.json", 0644, "two");
	assert_null(catalog_add_directory(&catalog, dir, geteuid()));
	assert_int_equal(catalog.images.n, 2);
	assert_string_equal(catalog_find(&catalog.images, "one")->description, "from a.json");
	assert_string_equal(catalog_find(&catalog.images, "two")->description, "from c.json");

	write_file(dir, "d.json", 0644, "{\"version\":1,\"images\":3}");
	expect_directory_fault(dir, F_CORRUPT, "d.json': field 'images'");
	write_file(dir, "d.json", 0644, "{\"version\":9}");
	expect_directory_fault(dir, F_NEWER, "d.json");
	if (!geteuid()) {
		write_entry(dir, "d.json", 0666, "x");
		expect_directory_fault(dir, F_DENIED, "d.json");
		write_entry(dir, "d.json", 0644, "x");
		assert_int_equal(chmod(dir, 0777), 0);
		expect_directory_fault(dir, F_DENIED, "can be written by others");
	}
	assert_null(tree_remove(AT_FDCWD, dir));
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
		cmocka_unit_test(test_source_fields),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_image_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
