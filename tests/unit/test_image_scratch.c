/* SPDX-License-Identifier: MIT */
/* The temporary directory of a tool, and stopping the tool with all that it started. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "host/spawn.h"
#include "image/scratch.h"

static char parent[64];

static int make_parent(void **state)
{
	(void)state;
	snprintf(parent, sizeof(parent), "/tmp/banger-test-XXXXXX");
	assert_non_null(mkdtemp(parent));
	return setenv("TMPDIR", parent, 1);
}

static int drop_parent(void **state)
{
	(void)state;
	assert_null(tree_remove(AT_FDCWD, parent));
	return unsetenv("TMPDIR");
}

static bool is_there(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static void test_removed(void **state)
{
	struct scratch s;
	AUTO_FREE char *path = NULL;

	(void)state;
	assert_null(scratch_open(&s));
	path = xstrdup(s.path);
	assert_null(file_write_atomic(s.dir, "left", "x", 1, 0600));
	assert_true(is_there(path));
	assert_null(scratch_close(&s));
	assert_false(is_there(path));
	assert_null(scratch_close(&s));
}

/* What a crash left goes, what is in use stays, and so does what is not ours. */
static void test_stale(void **state)
{
	AUTO_FREE char *stale = xasprintf("%s/banger-scratch-0123456789abcdef", parent);
	AUTO_FREE char *other = xasprintf("%s/other", parent);
	AUTO_FREE char *link = xasprintf("%s/banger-scratch-link", parent);
	struct scratch used, s;

	(void)state;
	assert_int_equal(mkdir(stale, 0711), 0);
	assert_int_equal(mkdir(other, 0711), 0);
	assert_int_equal(symlink(other, link), 0);
	assert_null(scratch_open(&used));
	assert_null(scratch_open(&s));
	assert_false(is_there(stale));
	assert_true(is_there(other));
	assert_true(is_there(link));
	assert_true(is_there(used.path));
	assert_null(scratch_close(&s));
	assert_null(scratch_close(&used));
}

static void test_no_parent(void **state)
{
	struct scratch s;
	AUTO_FAULT f = NULL;

	(void)state;
	setenv("TMPDIR", "/nonexistent", 1);
	f = scratch_open(&s);
	assert_non_null(f);
	assert_non_null(strstr(fault_message(f), "/nonexistent"));
	assert_null(scratch_close(&s));
	setenv("TMPDIR", parent, 1);
}

/* A grandchild that does not care about its parent's end. */
static void test_signal_group(void **state)
{
	const char *const argv[] = { "sh", "-c", "sleep 100 & echo started; wait; wait", NULL };
	struct spawn spawn = { .argv = argv, SPAWN_INIT, .new_session = true };
	struct child child = CHILD_INIT;
	struct child_status status;
	char text[16];
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	spawn.out = fds[1];
	assert_null(spawn_start(&spawn, &child));
	close(fds[1]);
	assert_int_equal(read(fds[0], text, sizeof(text)), 8);
	assert_null(child_signal(&child, SIGTERM));
	assert_null(child_wait(&child, 10000, &status));
	assert_int_equal(status.end, CHILD_SIGNALLED);
	/* The end of the pipe: nobody holds it any more. */
	assert_int_equal(read(fds[0], text, sizeof(text)), 0);
	close(fds[0]);
	assert_null(child_signal(&child, SIGTERM));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_no_parent),
		cmocka_unit_test(test_signal_group),
	};

	return cmocka_run_group_tests(tests, make_parent, drop_parent);
}
