/* SPDX-License-Identifier: MIT */
/* Snapshots: what the kernel says of them, the file of changes, and whose devices are never touched. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/text.h"
#include "disk/snapshot.h"
#include "host/dm.h"

static void the_kernels_status_is_understood(void **state)
{
	static const struct {
		const char *text;
		bool good, invalid;
		uint64_t used, total;
	} cases[] = {
		{ "24/16843272 16", true, false, 24, 16843272 },
		{ "0/8", true, false, 0, 8 },
		{ "Invalid", true, true, 0, 0 },
		{ "Overflow", true, true, 0, 0 },
		{ "", false, false, 0, 0 },
		{ "24", false, false, 24, 0 },
		{ "24/", false, false, 24, 0 },
		{ "24/0 0", false, false, 24, 0 },
		{ "24/8x", false, false, 24, 8 },
		{ "-1/8", false, false, 0, 0 },
		{ "Unknown", false, false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct snapshot_use use;

		assert_int_equal(snapshot_parse(cases[i].text, &use), cases[i].good);
		assert_int_equal(use.invalid, cases[i].invalid);
		assert_int_equal(use.used_bytes, cases[i].used * 512);
		assert_int_equal(use.total_bytes, cases[i].total * 512);
	}
}

static int new_cow(uint64_t size)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct fault *f;

	assert_true(fd >= 0);
	f = snapshot_make_cow(fd, size);
	assert_null(f);
	return fd;
}

static void a_file_of_changes_is_sparse_and_holds_every_block(void **state)
{
	static const uint64_t sizes[] = { 4096, MIB, GIB, 8 * GIB, 1024 * GIB };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint64_t chunks = sizes[i] / 4096;
		AUTO_FD fd = new_cow(sizes[i]);
		AUTO_FAULT f = snapshot_check_cow(fd);
		struct stat st;

		assert_null(f);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_blocks, 0);
		/* A header, and a chunk of addresses before every 256 chunks of data. */
		assert_true((uint64_t)st.st_size >= (1 + chunks + (chunks + 255) / 256) * 4096);
	}
}

static enum fault_kind kind_of_cow(const uint32_t header[4])
{
	AUTO_FD fd = new_cow(MIB);
	AUTO_FAULT f = NULL;

	assert_int_equal(pwrite(fd, header, 16, 0), 16);
	f = snapshot_check_cow(fd);
	return f ? fault_kind(f) : F_KINDS;
}

static void a_file_that_the_kernel_gave_up_is_told_from_a_broken_one(void **state)
{
	static const uint32_t good[] = { 0x70416e53, 1, 1, 8 }, given_up[] = { 0x70416e53, 0, 1, 8 },
			      chunks[] = { 0x70416e53, 1, 1, 16 }, magic[] = { 0x70416e54, 1, 1, 8 };
	AUTO_FD empty = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	AUTO_FAULT f = snapshot_check_cow(empty);

	(void)state;
	assert_int_equal(kind_of_cow(good), F_KINDS);
	assert_int_equal(kind_of_cow(given_up), F_STATE);
	assert_int_equal(kind_of_cow(chunks), F_CORRUPT);
	assert_int_equal(kind_of_cow(magic), F_CORRUPT);
	assert_int_equal(fault_kind(f), F_CORRUPT);
}

/* Lesson: helpers that took any name removed other people's devices. */
static void lesson_49_devices_of_others_are_never_touched(void **state)
{
	static const char *const names[] = { "vg0-root", "control", "", "banger-", "banger-../sda",
					     "Banger-12345678", "banger-12 34" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct dm_device device;
		bool flag;
		AUTO_FAULT find = dm_find(names[i], &flag, &device);
		AUTO_FAULT remove = dm_remove(names[i], 0, &flag);
		AUTO_FAULT make = dm_create(names[i], "BANGER-x", true, NULL, 0, NULL);

		assert_int_equal(fault_kind(find), F_INVALID);
		assert_int_equal(fault_kind(remove), F_INVALID);
		assert_int_equal(fault_kind(make), F_INVALID);
	}
}

/* Where there is no device mapper, that is said and nothing happens. */
static void a_host_without_device_mapper_says_so(void **state)
{
	AUTO_FAULT f = snapshot_check();
	AUTO_FREE char *name = NULL;
	AUTO_FAULT found = NULL;

	(void)state;
	if (!f)
		skip();
	assert_true(fault_kind(f) == F_MISSING || fault_kind(f) == F_DENIED ||
		    fault_kind(f) == F_UNSUPPORTED);
	found = snapshot_find("1-2", &name);
	assert_null(name);
	assert_non_null(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernels_status_is_understood),
		cmocka_unit_test(a_file_of_changes_is_sparse_and_holds_every_block),
		cmocka_unit_test(a_file_that_the_kernel_gave_up_is_told_from_a_broken_one),
		cmocka_unit_test(lesson_49_devices_of_others_are_never_touched),
		cmocka_unit_test(a_host_without_device_mapper_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
