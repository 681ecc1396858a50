/* SPDX-License-Identifier: MIT */
/* test_console.c - the keeper of a guest's console. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "vm/console.h"

#define HALTED "[   12.345678] reboot: System halted\r\n"

static bool seen(const char *text)
{
	struct halt_scan whole = { .len = 0 }, parts = { .len = 0 };
	bool by_whole = halt_seen(&whole, text, strlen(text)), by_parts = false;

	for (const char *c = text; *c; c++)
		by_parts = halt_seen(&parts, c, 1);
	assert_int_equal(by_whole, by_parts);
	return by_whole;
}

static void a_halted_kernel_is_recognized(void **state)
{
	(void)state;
	assert_true(seen(HALTED));
	assert_true(seen("login: \r\n" HALTED "\r\n  \r\n"));
	assert_true(seen("[12345.000001] reboot: Power off not available: System halted instead\n"));
	assert_true(seen("[    1.0] reboot: Power down\n"));
	assert_false(seen(""));
	assert_false(seen("[   12.345678] reboot: System halted")); /* the line may go on */
	assert_false(seen("[   12.345678] reboot: Restarting system\n"));
	assert_false(seen("reboot: System halted\n"));
	assert_false(seen("echo [   12.345678] reboot: System halted\n"));
	assert_false(seen(HALTED "and yet it goes on"));
	assert_false(seen(HALTED "more\n"));
}

static void long_lines_and_zeros_do_no_harm(void **state)
{
	struct halt_scan scan = { .len = 0 };
	char block[4096];

	(void)state;
	memset(block, '[', sizeof(block));
	for (int i = 0; i < 16; i++)
		assert_false(halt_seen(&scan, block, sizeof(block)));
	memset(block, 0, sizeof(block));
	assert_false(halt_seen(&scan, block, sizeof(block)));
	assert_false(halt_seen(&scan, "\n", 1));
	assert_true(halt_seen(&scan, HALTED, strlen(HALTED)));
}

static off_t size_of(const char *dir, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	struct stat st;

	return stat(path, &st) < 0 ? -1 : st.st_size;
}

/* The guest decides how much it writes, not how much is kept. */
static void a_flood_stays_within_bounds(void **state)
{
	char dir[] = "/tmp/bgcon.XXXXXX", block[65536];
	AUTO_FD parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_BUF text = BUF_INIT;
	AUTO_FD at = -1;
	int ends[2], status = -1;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		close(ends[1]);
		_exit(console_keep(dir, ends[0]) != NULL);
	}
	close(ends[0]);
	memset(block, 'x', sizeof(block));
	for (size_t i = 0; i < 3 * CONSOLE_FILE_MAX / sizeof(block) + 1; i++)
		assert_null(file_write_all(ends[1], block, sizeof(block), "pipe"));
	assert_null(file_write_all(ends[1], "the end\n", 8, "pipe"));
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_in_range(size_of(dir, VM_CONSOLE_FILE), 8, CONSOLE_FILE_MAX);
	assert_in_range(size_of(dir, VM_CONSOLE_OLD_FILE), CONSOLE_FILE_MAX / 2, CONSOLE_FILE_MAX);
	at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_null(file_read(at, VM_CONSOLE_FILE, CONSOLE_FILE_MAX, &text));
	assert_memory_equal(text.data + text.len - 8, "the end\n", 8);
	fault_free(tree_remove(parent, dir + 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_halted_kernel_is_recognized),
		cmocka_unit_test(long_lines_and_zeros_do_no_harm),
		cmocka_unit_test(a_flood_stays_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
