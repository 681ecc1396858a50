/* SPDX-License-Identifier: MIT */
/* ext4_check.h - what the tests of the ext4 writer and of the image builder share. */
#ifndef BANGER_TESTS_EXT4_CHECK_H
#define BANGER_TESTS_EXT4_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/file.h"

extern char **environ;

/* Runs @argv with its output in the file @log of directory @dir; its exit status. */
static inline int run_tool(int dir, const char *log, const char *const *argv)
{
	AUTO_FD out = openat(dir, log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	posix_spawn_file_actions_t actions;
	int status = -1;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_adddup2(&actions, out, 2);
	assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ),
			 0);
	posix_spawn_file_actions_destroy(&actions);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void print_log(int dir, const char *log)
{
	AUTO_BUF text = BUF_INIT;

	fault_free(file_read(dir, log, 1 << 20, &text));
	print_error("%s", text.data);
}

/* e2fsck finds nothing in the file @path. */
static inline void assert_clean(int dir, const char *path)
{
	const char *const argv[] = {"/sbin/e2fsck", "-fn", path, NULL};

	if (run_tool(dir, "e2fsck.log", argv)) {
		print_log(dir, "e2fsck.log");
		fail_msg("e2fsck is not content with %s", path);
	}
}

/* What debugfs answers to @command on @path, for looking into it. Owned by @out. */
static inline void ask_debugfs(int dir, const char *path, const char *command, struct buf *out)
{
	const char *const argv[] = {"/sbin/debugfs", "-R", command, path, NULL};

	buf_clear(out);
	assert_int_equal(run_tool(dir, "debugfs.log", argv), 0);
	fault_free(file_read(dir, "debugfs.log", 16 << 20, out));
}

static inline void assert_debugfs(int dir, const char *path, const char *command, const char *has)
{
	AUTO_BUF out = BUF_INIT;

	ask_debugfs(dir, path, command, &out);
	if (!strstr(out.data, has)) {
		print_error("%s", out.data);
		fail_msg("debugfs '%s' does not say '%s'", command, has);
	}
}

/* A fault of @kind whose message contains @text; frees it. */
static inline void assert_fault(struct fault *f, enum fault_kind kind, const char *text)
{
	assert_non_null(f);
	if (fault_kind(f) != kind || !strstr(fault_message(f), text))
		fail_msg("unexpected fault: %s", fault_message(f));
	fault_free(f);
}

static inline void assert_no_fault(struct fault *f)
{
	if (f)
		fail_msg("unexpected fault: %s", fault_message(f));
}

/* A scratch directory for each test. */
struct scratch {
	char path[64];
	char image[96]; /* path of a file in it */
	int dir, fd;	/* fd: the file, open for reading and writing */
};

static inline int scratch_setup(void **state)
{
	struct scratch *s = xcalloc(1, sizeof(*s));

	snprintf(s->path, sizeof(s->path), "/tmp/banger-test-XXXXXX");
	assert_non_null(mkdtemp(s->path));
	snprintf(s->image, sizeof(s->image), "%s/fs.ext4", s->path);
	s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->fd = open(s->image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(s->dir >= 0 && s->fd >= 0);
	*state = s;
	return 0;
}

static inline int scratch_teardown(void **state)
{
	struct scratch *s = *state;

	fd_close(s->fd);
	fd_close(s->dir);
	fault_free(tree_remove(AT_FDCWD, s->path));
	free(s);
	return 0;
}

#define SCRATCH_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

#endif
