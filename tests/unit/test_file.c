/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/file.h"

static char root[64];
static int dir = -1;

static int fresh(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/test_file.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	return dir_open(AT_FDCWD, root, &dir) ? -1 : 0;
}

static int done(void **state)
{
	struct fault *f;

	(void)state;
	close(dir);
	f = tree_remove(AT_FDCWD, root);
	return f ? -1 : 0;
}

static void expect(struct fault *f, enum fault_kind kind)
{
	if (!f)
		fail_msg("no fault");
	if (fault_kind(f) != kind)
		fail_msg("%s: %s", fault_kind_name(fault_kind(f)), fault_message(f));
	fault_free(f);
}

static size_t entries(void)
{
	struct strings names = { 0 };
	size_t n;

	assert_null(dir_names(dir, "d", &names));
	n = names.n;
	strings_release(&names);
	return n;
}

static void atomic_write_replaces(void **state)
{
	AUTO_BUF text = BUF_INIT;
	struct stat st;

	(void)state;
	assert_null(file_write_atomic(dir, "f", "first content", 13, 0600));
	assert_null(file_write_atomic(dir, "f", "2nd", 3, 0640));
	assert_null(file_read(dir, "f", 100, &text));
	assert_string_equal(text.data, "2nd");
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(entries(), 1);
}

static void atomic_write_leaves_nothing_behind(void **state)
{
	struct rlimit old, small = { 10, 10 };
	struct fault *f;
	AUTO_BUF text = BUF_INIT;

	(void)state;
	assert_null(file_write_atomic(dir, "f", "old", 3, 0600));
	/* A file size limit stands for the full disk. */
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	f = file_write_atomic(dir, "f", "a much longer content", 21, 0600);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_non_null(f);
	assert_int_equal(fault_errno(f), EFBIG);
	fault_free(f);
	assert_int_equal(entries(), 1);
	assert_null(file_read(dir, "f", 100, &text));
	assert_string_equal(text.data, "old");
	expect(file_write_atomic(dir, "no/such", "x", 1, 0600), F_SYS);
	/* The rename fails: a directory is in the way. */
	assert_int_equal(mkdirat(dir, "d", 0700), 0);
	expect(file_write_atomic(dir, "d", "x", 1, 0600), F_SYS);
	assert_int_equal(entries(), 2);
}

static void reading_is_bounded_and_careful(void **state)
{
	AUTO_BUF text = BUF_INIT;

	(void)state;
	expect(file_read(dir, "none", 100, &text), F_NOT_FOUND);
	assert_null(file_write_atomic(dir, "f", "0123456789", 10, 0600));
	expect(file_read(dir, "f", 9, &text), F_CORRUPT);
	buf_clear(&text);
	assert_null(file_read(dir, "f", 10, &text));
	assert_int_equal(text.len, 10);
	assert_int_equal(symlinkat("f", dir, "link"), 0);
	expect(file_read(dir, "link", 100, &text), F_CORRUPT);
	assert_int_equal(mkdirat(dir, "d", 0700), 0);
	expect(file_read(dir, "d", 100, &text), F_CORRUPT);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0); /* must not hang */
	expect(file_read(dir, "fifo", 100, &text), F_CORRUPT);
}

static void temporary_names(void **state)
{
	AUTO_FREE char *name = NULL;
	AUTO_FD fd = -1;

	(void)state;
	assert_null(file_temp(dir, "spec.json", 0600, &name, &fd));
	assert_true(file_is_temp(name));
	assert_false(file_is_temp("spec.json"));
	assert_false(file_is_temp("a.tmp-1"));
	assert_null(file_publish(dir, name, "spec.json", fd));
	assert_int_equal(entries(), 1);
}

static void names_are_sorted(void **state)
{
	struct strings names = { 0 };

	(void)state;
	for (int i = 0; i < 100; i++) {
		AUTO_FREE char *name = xasprintf("n%03d", (i * 37) % 100);

		assert_int_equal(mkdirat(dir, name, 0700), 0);
	}
	for (int twice = 0; twice < 2; twice++) {
		assert_null(dir_names(dir, "d", &names));
		assert_int_equal(names.n, 100);
		assert_string_equal(names.v[0], "n000");
		assert_string_equal(names.v[99], "n099");
		assert_null(names.v[100]);
		strings_release(&names);
	}
}

static void tree_removal_follows_no_link(void **state)
{
	AUTO_FREE char *path = xasprintf("%s/a/b/c/d", root);
	AUTO_FD deep = -1;

	(void)state;
	assert_null(file_write_atomic(dir, "keep", "x", 1, 0600));
	assert_null(dir_make_path(path, 0700, &deep));
	assert_int_equal(symlinkat("../../../../keep", deep, "l1"), 0);
	assert_int_equal(symlinkat(root, deep, "l2"), 0);
	assert_null(file_write_atomic(deep, "f\nname", "x", 1, 0));
	assert_int_equal(mkfifoat(deep, "fifo", 0600), 0);
	assert_null(tree_remove(dir, "a"));
	assert_null(tree_remove(dir, "a"));
	assert_int_equal(entries(), 1);
	assert_int_equal(symlinkat("/", dir, "root"), 0);
	assert_null(tree_remove(dir, "root"));
	assert_int_equal(faccessat(AT_FDCWD, "/etc", F_OK, 0), 0);
}

static void directories(void **state)
{
	AUTO_FD one = -1;
	AUTO_FD two = -1;
	AUTO_FREE char *path = xasprintf("%s/f/x", root);
	int fd = -1;

	(void)state;
	assert_null(dir_make(dir, "d", 0700, &one));
	assert_null(dir_make(dir, "d", 0700, &two));
	expect(dir_open(dir, "none", &fd), F_NOT_FOUND);
	assert_null(file_write_atomic(dir, "f", "x", 1, 0600));
	expect(dir_open(dir, "f", &fd), F_SYS);
	expect(dir_make(dir, "f", 0700, &fd), F_SYS);
	expect(dir_make_path(path, 0700, &fd), F_SYS);
	assert_int_equal(symlinkat("d", dir, "link"), 0);
	expect(dir_open(dir, "link", &fd), F_SYS);
	assert_int_equal(fd, -1);
	assert_true(fcntl(one, F_GETFD) & FD_CLOEXEC);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(atomic_write_replaces),
		TEST(atomic_write_leaves_nothing_behind),
		TEST(reading_is_bounded_and_careful),
		TEST(temporary_names),
		TEST(names_are_sorted),
		TEST(tree_removal_follows_no_link),
		TEST(directories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
