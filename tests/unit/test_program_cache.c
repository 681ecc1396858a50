/* SPDX-License-Identifier: MIT */
/* test_program_cache.c - a program is asked for its version once, and the cache is never believed blindly. */
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
#include "vmm/firecracker.h"

static char top[64];
static char *program, *asked, *entry;

static void write_file(const char *path, const char *text, mode_t mode)
{
	AUTO_FREE char *temp = xasprintf("%s.new", path);
	AUTO_FD fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_null(file_write_all(fd, text, strlen(text), path));
	assert_int_equal(rename(temp, path), 0);
}

/* A program that says @version and writes down that it was asked. */
static void install(const char *version)
{
	AUTO_FREE char *text = xasprintf("#!/bin/sh\necho x >> %s\necho '%s'\n", asked, version);

	write_file(program, text, 0755);
}

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/bgpc.XXXXXX");
	assert_non_null(mkdtemp(top));
	program = xasprintf("%s/firecracker", top);
	asked = xasprintf("%s/asked", top);
	entry = xasprintf("%s/state/cache/programs/firecracker", top);
	install("Firecracker v1.16.1");
	return 0;
}

static int teardown(void **state)
{
	AUTO_FD parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	fault_free(tree_remove(parent, top + 5));
	free(program);
	free(asked);
	free(entry);
	return 0;
}

static void ask_here(enum store_mode mode, const char *expected)
{
	AUTO_FREE char *path = xasprintf("%s/state", top);
	AUTO_BUF said = BUF_INIT;
	struct store s;

	if (store_open(path, mode, &s))
		_exit(2);
	if (fc_ask_version(&s, "firecracker", program, &said))
		_exit(3);
	store_release(&s);
	_exit(strcmp(said.data, expected) != 0);
}

/* In a process of its own, as each process remembers, too.  Was the program run for it? */
static bool ask(enum store_mode mode, const char *expected)
{
	struct stat before = { 0 }, after = { 0 };
	int status;
	pid_t child;

	stat(asked, &before);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		ask_here(mode, expected);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	stat(asked, &after);
	return after.st_size != before.st_size;
}

static void is_asked_once(void **state)
{
	(void)state;
	assert_true(ask(STORE_WRITE, "Firecracker v1.16.1"));
	assert_false(ask(STORE_WRITE, "Firecracker v1.16.1"));
	assert_false(ask(STORE_READ, "Firecracker v1.16.1"));
}

static void observers_keep_nothing(void **state)
{
	struct stat st;

	(void)state;
	assert_true(ask(STORE_READ, "Firecracker v1.16.1"));
	assert_true(ask(STORE_READ, "Firecracker v1.16.1"));
	assert_int_equal(stat(entry, &st), -1);
}

static void another_file_is_asked_again(void **state)
{
	AUTO_FREE char *moved = xasprintf("%s/elsewhere", top);

	(void)state;
	assert_true(ask(STORE_WRITE, "Firecracker v1.16.1"));
	install("Firecracker v1.16.2");
	assert_true(ask(STORE_WRITE, "Firecracker v1.16.2"));
	assert_false(ask(STORE_WRITE, "Firecracker v1.16.2"));
	/* The same file by another name. */
	assert_int_equal(rename(program, moved), 0);
	assert_int_equal(symlink(moved, program), 0);
	assert_true(ask(STORE_WRITE, "Firecracker v1.16.2"));
	/* Touched in place. */
	assert_int_equal(chmod(moved, 0700), 0);
	assert_true(ask(STORE_WRITE, "Firecracker v1.16.2"));
	assert_false(ask(STORE_WRITE, "Firecracker v1.16.2"));
}

static char *read_entry(void)
{
	AUTO_BUF text = BUF_INIT;
	AUTO_FD dir = -1;
	AUTO_FREE char *path = xstrndup(entry, (size_t)(strrchr(entry, '/') - entry));

	assert_null(dir_open(AT_FDCWD, path, &dir));
	assert_null(file_read(dir, "firecracker", 8192, &text));
	return xstrdup(text.data);
}

/* What is in the cache says another version each time, so believing it would be seen. */
static void nothing_odd_is_believed(void **state)
{
	AUTO_FREE char *lie = NULL, *other = xasprintf("%s/other", top);
	AUTO_FREE char *big = xmalloc(10001);

	(void)state;
	memset(big, ' ', 10000);
	big[10000] = '\0';
	assert_true(ask(STORE_WRITE, "Firecracker v1.16.1"));
	lie = read_entry();
	memcpy(strstr(lie, "v1.16.1"), "v9.99.9", 7);
	write_file(entry, lie, 0600);
	assert_false(ask(STORE_READ, "Firecracker v9.99.9")); /* so it would be believed */
	write_file(entry, lie, 0620);
	assert_true(ask(STORE_READ, "Firecracker v1.16.1"));
	write_file(other, lie, 0600);
	assert_int_equal(unlink(entry), 0);
	assert_int_equal(symlink(other, entry), 0);
	assert_true(ask(STORE_READ, "Firecracker v1.16.1"));
	assert_int_equal(unlink(entry), 0);
	assert_int_equal(link(other, entry), 0);
	assert_true(ask(STORE_READ, "Firecracker v1.16.1"));
	if (geteuid() == 0) {
		write_file(entry, lie, 0600);
		assert_int_equal(chown(entry, 1234, 1234), 0);
		assert_true(ask(STORE_READ, "Firecracker v1.16.1"));
	}
	assert_int_equal(unlink(entry), 0);
	assert_int_equal(mkfifo(entry, 0600), 0);
	assert_true(ask(STORE_READ, "Firecracker v1.16.1"));
	assert_int_equal(unlink(entry), 0);
	for (const char *const *text = (const char *const[]){ "", "{", "{}", "[]", "null", big,
							      "{\"version\": 1}", NULL };
	     *text; text++) {
		write_file(entry, *text, 0600);
		assert_true(ask(STORE_READ, "Firecracker v1.16.1"));
	}
	memcpy(strstr(lie, "v9.99.9"), "v9\\n9.9", 7);
	write_file(entry, lie, 0600);
	assert_true(ask(STORE_READ, "Firecracker v1.16.1"));
	/* A start replaces it. */
	assert_true(ask(STORE_WRITE, "Firecracker v1.16.1"));
	assert_false(ask(STORE_WRITE, "Firecracker v1.16.1"));
}

static void it_may_be_gone_or_in_the_way(void **state)
{
	AUTO_FREE char *cache = xasprintf("%s/state/cache", top);
	AUTO_FREE char *state_path = xasprintf("%s/state", top);
	AUTO_FD dir = -1;

	(void)state;
	assert_true(ask(STORE_WRITE, "Firecracker v1.16.1"));
	assert_null(dir_open(AT_FDCWD, state_path, &dir));
	assert_null(tree_remove(dir, "cache"));
	assert_true(ask(STORE_WRITE, "Firecracker v1.16.1"));
	assert_false(ask(STORE_WRITE, "Firecracker v1.16.1"));
	assert_null(tree_remove(dir, "cache"));
	write_file(cache, "in the way", 0600);
	assert_true(ask(STORE_WRITE, "Firecracker v1.16.1"));
	assert_true(ask(STORE_WRITE, "Firecracker v1.16.1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(is_asked_once, setup, teardown),
		cmocka_unit_test_setup_teardown(observers_keep_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(another_file_is_asked_again, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_odd_is_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(it_may_be_gone_or_in_the_way, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
