/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "kernel/debian.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define NOW   INT64_C(1800000000) /* 2027-01-15 */

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

static void test_versions(void **state)
{
	static const struct {
		const char *a, *b;
		int order;
	} cases[] = {
		{ "1", "1", 0 }, { "1", "2", -1 }, { "10", "9", 1 }, { "1.0", "1.0-0", 0 },
		{ "6.1.192-2", "6.1.176-1", 1 }, { "6.1.9-1", "6.1.10-1", -1 },
		{ "1:1.0", "2.0", 1 }, { "0:1", "1", 0 }, { "1.0~rc1-1", "1.0-1", -1 },
		{ "1.0~~", "1.0~", -1 }, { "1.0a", "1.0", 1 }, { "1.0a", "1.0+", -1 },
		{ "001", "1", 0 }, { "1-1+b1", "1-1", 1 }, { "6.12.117-1", "6.12.9-1~bpo12+1", 1 },
		{ "", "", 0 }, { "", "0", 0 }, { "a", "", 1 },
		{ "99999999999999999999999", "99999999999999999999998", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(sign(debian_version_compare(cases[i].a, cases[i].b)),
				 cases[i].order);
		assert_int_equal(sign(debian_version_compare(cases[i].b, cases[i].a)),
				 -cases[i].order);
	}
}

#define RELEASE_TEXT                                                                               \
	"Origin: Debian\nSuite: oldstable\nVersion: 12.15\nCodename: bookworm\n"                   \
	"Acquire-By-Hash: yes\nMD5Sum:\n " HEX_B " 5 main/binary-amd64/Packages.xz\n"              \
	"SHA256:\n " HEX_B "  77 main/binary-amd64/Packages\n"                                     \
	" " HEX_A "      123 main/binary-amd64/Packages.xz\n"                                      \
	" " HEX_B " 1 main/binary-arm64/Packages.gz\n"

static void test_release(void **state)
{
	struct debian_release r = { 0 };

	(void)state;
	assert_null(debian_release_read(RELEASE_TEXT, "bookworm", "amd64", NOW, &r));
	assert_string_equal(r.distro, "debian 12");
	assert_string_equal(r.index_path, "main/binary-amd64/Packages.xz");
	assert_string_equal(r.index_sha256, HEX_A);
	assert_int_equal(r.index_bytes, 123);
	assert_true(r.by_hash);
	debian_release_release(&r);
	assert_null(debian_release_read(RELEASE_TEXT, "oldstable", "arm64", NOW, &r));
	assert_string_equal(r.index_path, "main/binary-arm64/Packages.gz");
	debian_release_release(&r);
}

static void expect_release_fault(const char *text, const char *suite, enum fault_kind kind)
{
	struct debian_release r = { 0 };
	AUTO_FAULT f = debian_release_read(text, suite, "amd64", NOW, &r);

	assert_non_null(f);
	assert_int_equal(fault_kind(f), kind);
	assert_null(r.index_path);
}

static void test_release_refused(void **state)
{
	(void)state;
	expect_release_fault("", "bookworm", F_CORRUPT);
	/* A mirror that serves another suite, whose signature is as good. */
	expect_release_fault(RELEASE_TEXT, "trixie", F_CORRUPT);
	expect_release_fault("Codename: bookworm\n", "bookworm", F_NOT_FOUND);
	expect_release_fault("Valid-Until: Wed, 25 Nov 2026 22:17:41 UTC\n" RELEASE_TEXT,
			     "bookworm", F_CORRUPT);
	expect_release_fault("Valid-Until: soon\n" RELEASE_TEXT, "bookworm", F_CORRUPT);
	expect_release_fault("Codename: bookworm\nSHA256:\n abc 5 main/binary-amd64/Packages.xz\n",
			     "bookworm", F_CORRUPT);
	expect_release_fault("Codename: bookworm\nSHA256:\n " HEX_A
			     " 99999999999999999999 main/binary-amd64/Packages.xz\n",
			     "bookworm", F_CORRUPT);
	expect_release_fault("Codename: bookworm\nMD5Sum:\n " HEX_A
			     " 5 main/binary-amd64/Packages.xz\n", "bookworm", F_NOT_FOUND);
}

static void test_release_still_valid(void **state)
{
	struct debian_release r = { 0 };

	(void)state;
	assert_null(debian_release_read("Valid-Until: Fri, 15 Jan 2027 08:00:01 UTC\n" RELEASE_TEXT,
					"bookworm", "amd64", NOW, &r));
	debian_release_release(&r);
}

/* ----------------------------------------------------------------------------------- index */

#define ENTRY(name, version, depends, file)                                                        \
	"Package: " name "\nVersion: " version "\n" depends "Filename: " file "\nSize: 10\n"       \
	"SHA256: " HEX_A "\nDescription: x\n more\n\n"

static const char index_text[] =
	"Package: zlib\nVersion: 1\nSize: x\n\n"
	ENTRY("linux-image-6.1.0-10-cloud-amd64", "6.1.10-1", "", "pool/old.deb")
	ENTRY("linux-image-cloud-amd64", "6.1.9-1",
	      "Depends: linux-image-6.1.0-9-cloud-amd64 (= 6.1.9-1)\n", "pool/meta-old.deb")
	ENTRY("linux-image-cloud-amd64", "6.1.11-1",
	      "Depends: kmod | x, linux-image-6.1.0-11-cloud-amd64 (= 6.1.11-1), y\n",
	      "pool/meta.deb")
	ENTRY("linux-image-loop-amd64", "1", "Depends: linux-image-loop-amd64\n", "pool/loop.deb")
	ENTRY("linux-image-bare-amd64", "1", "", "pool/bare.deb")
	ENTRY("linux-image-gone-amd64", "1", "Depends: linux-image-6.1.0-10-cloud-amd64 (= 7)\n",
	      "pool/gone.deb")
	/* No empty line at the end. */
	"Package: linux-image-6.1.0-11-cloud-amd64\nVersion: 6.1.11-1\nFilename: pool/new.deb\n"
	"SHA256: " HEX_B "\nSize: 4711";

static struct fault *feed(struct debian_index *x, const char *text, size_t step)
{
	size_t len = strlen(text);

	*x = (struct debian_index){ .prefix = "linux-image-", .line = BUF_INIT };
	for (size_t at = 0; at < len; at += step)
		TRY(debian_index_add(x, text + at, len - at < step ? len - at : step));
	return debian_index_end(x);
}

static void expect_choice(const struct debian_index *x, const char *package, const char *path)
{
	struct debian_package p = { 0 };
	AUTO_FAULT f = debian_index_choose(x, package, &p);

	if (!path) {
		assert_int_equal(fault_kind(f), F_NOT_FOUND);
		return;
	}
	assert_null(f);
	assert_string_equal(p.path, path);
	debian_package_release(&p);
}

static void test_index(void **state)
{
	static const size_t steps[] = { 1, 7, 100000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct debian_index x;

		assert_null(feed(&x, index_text, steps[i]));
		assert_int_equal(x.packages.n, 7);
		expect_choice(&x, "linux-image-cloud-amd64", "pool/new.deb");
		expect_choice(&x, "linux-image-6.1.0-10-cloud-amd64", "pool/old.deb");
		expect_choice(&x, "linux-image-loop-amd64", NULL);
		expect_choice(&x, "linux-image-bare-amd64", NULL);
		expect_choice(&x, "linux-image-gone-amd64", NULL);
		expect_choice(&x, "linux-image-absent", NULL);
		debian_index_release(&x);
	}
}

static void test_index_refused(void **state)
{
	static const char *const texts[] = {
		"Package: linux-image-1\n",
		"Package: linux-image-1\nVersion: 1\nFilename: a\nSize: 1\nSHA256: 12\n",
		"Package: linux-image-1\nVersion: 1\nFilename: ../../a\nSize: 1\nSHA256: " HEX_A "\n",
		"Package: linux-image-1\nVersion: 1\nFilename: a\nSize: -1\nSHA256: " HEX_A "\n",
		"Package: linux-image-1\nVersion: 1\nFilename: a\nSize: 0\nSHA256: " HEX_A "\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct debian_index x;
		AUTO_FAULT f = feed(&x, texts[i], 1000);

		assert_non_null(f);
		debian_index_release(&x);
	}
}

static void test_endless_line(void **state)
{
	struct debian_index x = { .prefix = "linux-image-", .line = BUF_INIT };
	char block[65536];
	struct fault *f = NULL;

	(void)state;
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 1000 && !f; i++)
		f = debian_index_add(&x, block, sizeof(block));
	assert_int_equal(fault_kind(f), F_CORRUPT);
	fault_free(f);
	debian_index_release(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_release),
		cmocka_unit_test(test_release_refused),
		cmocka_unit_test(test_release_still_valid),
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_index_refused),
		cmocka_unit_test(test_endless_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
