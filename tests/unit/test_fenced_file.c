/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fenced_file.h"
#include "base/file.h"

static const struct fence fence = { "# >>> ours", "# <<< ours" };
static char root[64], path[128];

static int fresh(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/test_fenced.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(path, sizeof(path), "%s/config", root);
	return 0;
}

static int done(void **state)
{
	struct fault *f = tree_remove(AT_FDCWD, root);

	(void)state;
	return f ? -1 : 0;
}

static void put_text(const char *old, const char *block, const char *want)
{
	AUTO_BUF out = BUF_INIT;
	AUTO_BUF again = BUF_INIT;
	AUTO_BUF back = BUF_INIT;

	assert_null(fenced_text_put(old, strlen(old), &fence, block, &out));
	assert_string_equal(out.data, want);
	assert_null(fenced_text_put(out.data, out.len, &fence, block, &again));
	assert_string_equal(again.data, want);
	if (strstr(old, fence.begin))
		return;
	assert_null(fenced_text_take(out.data, out.len, &fence, &back));
	assert_string_equal(back.data, old);
}

static void the_block_comes_first_and_all_else_keeps_its_bytes(void **state)
{
	(void)state;
	put_text("", "a\n", "# >>> ours\na\n# <<< ours\n");
	put_text("Host x\n  Port 2", "a\n", "# >>> ours\na\n# <<< ours\nHost x\n  Port 2");
	put_text("\n\n# c\nHost *\n", "a\nb\n", "# >>> ours\na\nb\n# <<< ours\n\n\n# c\nHost *\n");
	put_text("no newline", "a\n", "# >>> ours\na\n# <<< ours\nno newline");
	put_text("Host x\r\n Port 2\r\n", "a\n",
		 "# >>> ours\r\na\r\n# <<< ours\r\nHost x\r\n Port 2\r\n");
}

static void a_block_is_replaced_where_it_stands(void **state)
{
	(void)state;
	put_text("one\n# >>> ours\nold\nolder\n# <<< ours\ntwo\n", "new\n",
		 "one\n# >>> ours\nnew\n# <<< ours\ntwo\n");
	put_text("one\r\n# >>> ours \r\nold\r\n# <<< ours\r\ntwo", "new\n",
		 "one\r\n# >>> ours\r\nnew\r\n# <<< ours\r\ntwo");
	put_text("one\n# >>> ours\n# <<< ours", "new\n", "one\n# >>> ours\nnew\n# <<< ours\n");
	put_text("# >>> ours is not the marker\nx # <<< ours\n", "a\n",
		 "# >>> ours\na\n# <<< ours\n# >>> ours is not the marker\nx # <<< ours\n");
}

static void refused(const char *text, const char *line)
{
	AUTO_BUF out = BUF_INIT;
	struct fault *f = fenced_text_put(text, strlen(text), &fence, "a\n", &out);

	assert_non_null(f);
	assert_int_equal(fault_kind(f), F_CORRUPT);
	assert_non_null(strstr(fault_message(f), line));
	fault_free(f);
	f = fenced_text_take(text, strlen(text), &fence, &out);
	assert_non_null(f);
	fault_free(f);
	assert_int_equal(out.len, 0);
}

static void markers_that_are_no_pair_are_refused_by_line(void **state)
{
	(void)state;
	refused("x\n# >>> ours\ny\n", "line 2");
	refused("x\ny\n# <<< ours\n", "line 3");
	refused("# >>> ours\n# >>> ours\n# <<< ours\n", "line 2");
	refused("# >>> ours\n# <<< ours\n# >>> ours\n# <<< ours\n", "line 3");
	refused("# >>> ours\n# <<< ours\n# <<< ours\n", "line 3");
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void expect_file(const char *name, const char *text, mode_t mode)
{
	AUTO_BUF got = BUF_INIT;
	struct stat st;

	assert_null(file_read(AT_FDCWD, name, 4096, &got));
	assert_string_equal(got.data, text);
	assert_int_equal(lstat(name, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void a_file_is_made_changed_once_and_restored(void **state)
{
	bool changed, has;

	(void)state;
	assert_null(fenced_file_has(path, &fence, &has));
	assert_false(has);
	assert_null(fenced_file_take(path, &fence, &changed));
	assert_false(changed);
	assert_int_equal(access(path, F_OK), -1);
	assert_null(fenced_file_put(path, &fence, "a\n", 0600, &changed));
	assert_true(changed);
	expect_file(path, "# >>> ours\na\n# <<< ours\n", 0600);
	write_file(path, "Host x", 0640);
	assert_null(fenced_file_put(path, &fence, "a\n", 0600, &changed));
	assert_true(changed);
	expect_file(path, "# >>> ours\na\n# <<< ours\nHost x", 0640);
	assert_null(fenced_file_put(path, &fence, "a\n", 0600, &changed));
	assert_false(changed);
	assert_null(fenced_file_has(path, &fence, &has));
	assert_true(has);
	assert_null(fenced_file_take(path, &fence, &changed));
	assert_true(changed);
	expect_file(path, "Host x", 0640);
}

static void a_link_stays_a_link(void **state)
{
	char real[160], link[160];
	struct stat st;
	bool changed;

	(void)state;
	snprintf(real, sizeof(real), "%s/dotfiles", root);
	assert_int_equal(mkdir(real, 0700), 0);
	snprintf(real, sizeof(real), "%s/dotfiles/ssh", root);
	write_file(real, "Host x\n", 0644);
	assert_int_equal(symlink("dotfiles/ssh", path), 0);
	assert_null(fenced_file_put(path, &fence, "a\n", 0600, &changed));
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	expect_file(real, "# >>> ours\na\n# <<< ours\nHost x\n", 0644);
	snprintf(link, sizeof(link), "%s/nowhere", root);
	assert_int_equal(symlink("not/there", link), 0);
	{
		struct fault *f = fenced_file_put(link, &fence, "a\n", 0600, &changed);

		assert_non_null(f);
		assert_int_equal(fault_kind(f), F_INVALID);
		fault_free(f);
	}
}

static void what_is_no_file_is_refused_and_a_missing_directory_has_none(void **state)
{
	char name[160];
	struct fault *f;
	bool changed, has;

	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	f = fenced_file_put(path, &fence, "a\n", 0600, &changed);
	assert_non_null(f);
	assert_int_equal(fault_kind(f), F_CORRUPT);
	fault_free(f);
	snprintf(name, sizeof(name), "%s/no/such", root);
	assert_null(fenced_file_has(name, &fence, &has));
	assert_false(has);
	assert_null(fenced_file_take(name, &fence, &changed));
	f = fenced_file_put(name, &fence, "a\n", 0600, &changed);
	assert_non_null(f);
	fault_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_block_comes_first_and_all_else_keeps_its_bytes),
		cmocka_unit_test(a_block_is_replaced_where_it_stands),
		cmocka_unit_test(markers_that_are_no_pair_are_refused_by_line),
		cmocka_unit_test_setup_teardown(a_file_is_made_changed_once_and_restored, fresh,
						done),
		cmocka_unit_test_setup_teardown(a_link_stays_a_link, fresh, done),
		cmocka_unit_test_setup_teardown(
			what_is_no_file_is_refused_and_a_missing_directory_has_none, fresh, done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
