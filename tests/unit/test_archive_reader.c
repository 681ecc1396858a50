/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>

#include "tar_build.h"

static struct archive_reader *open_memory(struct memory *m, unsigned int formats)
{
	struct archive_source source = {read_memory, m};
	struct archive_reader *r = NULL;

	assert_null(archive_reader_open(&source, formats, "the test", &r));
	return r;
}

static const char latin1[] = "caf\xe9/na\nme\"'\\";
static const char utf8[] = "caf\xc3\xa9-\xe6\x97\xa5\xed\xa0\xbd\xed\xb8\x80";

static void check_names(void)
{
	AUTO_BUF tar = BUF_INIT, pax = BUF_INIT, pax2 = BUF_INIT;
	char long_name[256];
	struct archive_item item;
	bool end;

	memset(long_name, 0xe9, 255);
	long_name[255] = 0;
	tar_add(&tar, latin1, '0', "");
	tar_add(&tar, utf8, '2', latin1);
	pax_record(&pax, "path", utf8, strlen(utf8));
	pax_record(&pax, "linkpath", latin1, strlen(latin1));
	tar_pax(&tar, &pax);
	tar_add(&tar, "short", '2', "x");
	pax_record(&pax2, "path", long_name, 255);
	pax_record(&pax2, "linkpath", utf8, strlen(utf8));
	tar_pax(&tar, &pax2);
	tar_add(&tar, "short", '1', "x");
	tar_end(&tar);

	struct memory m = {&tar, 0, 700};
	struct archive_reader *r = open_memory(&m, ARCHIVE_TAR);

	assert_null(archive_reader_next(r, &item, &end));
	assert_string_equal(item.path, latin1);
	assert_null(archive_reader_next(r, &item, &end));
	assert_string_equal(item.path, utf8);
	assert_string_equal(item.symlink, latin1);
	assert_null(archive_reader_next(r, &item, &end));
	assert_string_equal(item.path, utf8);
	assert_string_equal(item.symlink, latin1);
	assert_null(archive_reader_next(r, &item, &end));
	assert_string_equal(item.path, long_name);
	assert_string_equal(item.hardlink, utf8);
	assert_null(archive_reader_next(r, &item, &end));
	assert_true(end);
	archive_reader_free(r);
}

static void names_are_raw_bytes_in_every_locale(void **state)
{
	static const char *const locales[] = {"C", "C.UTF-8", "en_US.ISO-8859-1", "de_DE"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(locales); i++) {
		setlocale(LC_ALL, locales[i]);
		check_names();
	}
	setlocale(LC_ALL, "C");
}

static void xattrs_times_and_owners(void **state)
{
	static const char capability[] = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\n=";
	AUTO_BUF tar = BUF_INIT, pax = BUF_INIT;
	struct archive_item item;
	const char *name;
	const void *value;
	size_t len;
	unsigned int seen = 0;
	bool end;

	(void)state;
	pax_record(&pax, "uid", "4294967294", 10);
	pax_record(&pax, "gid", "3000000000", 10);
	pax_record(&pax, "mtime", "-2.250000001", 12);
	pax_record(&pax, "size", "137438953472", 12);
	pax_record(&pax, "SCHILY.xattr.security.capability", capability, 15);
	pax_record(&pax, "LIBARCHIVE.xattr.user.b%3Dc", "AAEC", 4);
	tar_pax(&tar, &pax);
	tar_add(&tar, "f", '0', "");

	struct memory m = {&tar, 0, 4096};
	struct archive_reader *r = open_memory(&m, ARCHIVE_TAR);

	assert_null(archive_reader_next(r, &item, &end));
	assert_int_equal(item.uid, 4294967294u);
	assert_int_equal(item.gid, 3000000000u);
	assert_int_equal(item.size, INT64_C(128) << 30);
	assert_true(item.mtime_sec == -3 && item.mtime_nsec == 749999999);
	assert_int_equal(item.n_xattrs, 2);
	for (size_t i = 2; i-- > 0;) {
		archive_reader_xattr(r, i, &name, &value, &len);
		if (!strcmp(name, "security.capability")) {
			assert_int_equal(len, 15);
			assert_memory_equal(value, capability, 15);
			seen |= 1;
		} else {
			assert_string_equal(name, "user.b=c");
			assert_int_equal(len, 3);
			assert_memory_equal(value, "\0\1\2", 3);
			seen |= 2;
		}
	}
	assert_int_equal(seen, 3);
	archive_reader_free(r);
}

static void access_control_lists_become_xattrs(void **state)
{
	static const char text[] = "user::rw-,group:2000:r-x,user:lisa:rwx,user:lisa:rw-:1000,"
				   "group::r--,mask::rwx,other::r--";
	static const char expected[] = "\2\0\0\0"
				       "\x01\0\6\0\xff\xff\xff\xff\x02\0\6\0\xe8\3\0\0"
				       "\x04\0\4\0\xff\xff\xff\xff\x08\0\5\0\xd0\7\0\0"
				       "\x10\0\7\0\xff\xff\xff\xff\x20\0\4\0\xff\xff\xff\xff";
	AUTO_BUF tar = BUF_INIT, pax = BUF_INIT;
	struct archive_item item;
	const char *name;
	const void *value;
	size_t len;
	bool end;

	(void)state;
	pax_record(&pax, "SCHILY.acl.access", text, strlen(text));
	tar_pax(&tar, &pax);
	tar_add(&tar, "f", '0', "");

	struct memory m = {&tar, 0, 4096};
	struct archive_reader *r = open_memory(&m, ARCHIVE_TAR);

	assert_null(archive_reader_next(r, &item, &end));
	assert_int_equal(item.n_xattrs, 1);
	assert_int_equal(item.mode & 07777, 0674); /* the group's bits show the mask */
	archive_reader_xattr(r, 0, &name, &value, &len);
	assert_string_equal(name, "system.posix_acl_access");
	assert_int_equal(len, sizeof(expected) - 1);
	assert_memory_equal(value, expected, len);
	archive_reader_free(r);
}

static void a_cut_archive_is_corrupt(void **state)
{
	AUTO_BUF tar = BUF_INIT;
	struct archive_item item;
	const void *data;
	uint64_t offset;
	size_t len;
	bool end;

	(void)state;
	const struct tar_entry f5000 = {.name = "f", .type = '0', .size = 5000};

	tar_header(&tar, &f5000);
	for (int i = 0; i < 4000; i++)
		buf_addc(&tar, 'x');

	struct memory m = {&tar, 0, 1000};
	struct archive_reader *r = open_memory(&m, ARCHIVE_TAR);
	AUTO_FAULT f = archive_reader_next(r, &item, &end);

	assert_null(f);
	do
		f = archive_reader_data(r, &data, &len, &offset);
	while (!f && len);
	assert_non_null(f);
	assert_int_equal(fault_kind(f), F_CORRUPT);
	archive_reader_free(r);
}

static void an_empty_stream_has_no_entries(void **state)
{
	AUTO_BUF tar = BUF_INIT;
	struct memory m = {&tar, 0, 1000};
	struct archive_reader *r = open_memory(&m, ARCHIVE_TAR | ARCHIVE_CPIO);
	struct archive_item item;
	bool end = false;

	(void)state;
	assert_null(archive_reader_next(r, &item, &end));
	assert_true(end);
	archive_reader_free(r);
}

static struct fault *read_failing(void *context, const void **data, size_t *len)
{
	(void)context;
	*data = NULL;
	*len = 0;
	return fault_new(F_NETWORK, "the peer went away");
}

static void a_failing_source_keeps_its_fault(void **state)
{
	struct archive_source source = {read_failing, NULL};
	struct archive_reader *r = NULL;
	AUTO_FAULT f = archive_reader_open(&source, ARCHIVE_TAR, "layer 1", &r);

	(void)state;
	assert_non_null(f);
	assert_int_equal(fault_kind(f), F_NETWORK);
	assert_string_equal(fault_message(f), "reading layer 1: the peer went away");
}

static void raw_is_the_decompressed_stream(void **state)
{
	/* "hello\n" by gzip -n */
	static const unsigned char gz[] = {0x1f, 0x8b, 8,    0,	   0,	 0,    0,    0, 0,
					   3,	 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xe7, 2, 0,
					   0x20, 0x30, 0x3a, 0x36, 6,	 0,    0,    0};
	AUTO_BUF in = BUF_INIT;
	struct archive_item item;
	const void *data;
	uint64_t offset;
	size_t len;
	bool end;

	(void)state;
	buf_add(&in, gz, sizeof(gz));

	struct memory m = {&in, 0, 1000};
	struct archive_reader *r = open_memory(&m, ARCHIVE_RAW);

	assert_null(archive_reader_next(r, &item, &end));
	assert_false(end);
	assert_null(archive_reader_data(r, &data, &len, &offset));
	assert_int_equal(len, 6);
	assert_memory_equal(data, "hello\n", 6);
	assert_null(archive_reader_data(r, &data, &len, &offset));
	assert_int_equal(len, 0);
	archive_reader_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_raw_bytes_in_every_locale),
		cmocka_unit_test(xattrs_times_and_owners),
		cmocka_unit_test(access_control_lists_become_xattrs),
		cmocka_unit_test(a_cut_archive_is_corrupt),
		cmocka_unit_test(an_empty_stream_has_no_entries),
		cmocka_unit_test(a_failing_source_keeps_its_fault),
		cmocka_unit_test(raw_is_the_decompressed_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
