/* SPDX-License-Identifier: MIT */
/* Loop devices: what is attached is read through them, and nothing stays behind. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/text.h"
#include "host/loop.h"
#include "host/sysroot.h"

static int new_file(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, MIB), 0);
	assert_int_equal(pwrite(fd, "marked", 6, 4096), 6);
	return fd;
}

static void skip_without_loops(void)
{
	AUTO_FAULT f = loop_check();

	if (!f)
		return;
	print_message("%s\n", fault_message(f));
	skip();
}

/* Bound to a file: the kernel shows its name. */
static bool is_bound(dev_t device)
{
	AUTO_FREE char *path = xasprintf("/sys/dev/block/%u:%u/loop/backing_file", major(device),
					 minor(device));
	AUTO_BUF text = BUF_INIT;

	return sysroot_read(path, 4096, &text);
}

static void a_device_shows_its_file_and_goes_with_its_descriptor(void **state)
{
	AUTO_FD file = new_file();
	char text[7] = "";
	dev_t device = 0;
	struct fault *f;
	int fd = -1;

	(void)state;
	skip_without_loops();
	f = loop_attach(file, false, false, &fd, &device);
	assert_null(f);
	assert_int_equal(pread(fd, text, 6, 4096), 6);
	assert_string_equal(text, "marked");
	assert_true(is_bound(device));
	close(fd);
	for (int tries = 0; is_bound(device) && tries < 200; tries++)
		usleep(10000);
	assert_false(is_bound(device));
}

static void a_read_only_device_cannot_be_written(void **state)
{
	AUTO_FD file = new_file();
	AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", file);
	AUTO_FD reading = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_FD fd = -1;
	dev_t device = 0;
	struct fault *f;
	int read_only = 0;

	(void)state;
	skip_without_loops();
	f = loop_attach(reading, true, true, &fd, &device);
	assert_null(f);
	assert_int_equal(ioctl(fd, BLKROGET, &read_only), 0);
	assert_int_equal(read_only, 1);
}

static void many_at_once_get_devices_of_their_own(void **state)
{
	enum { MANY = 24 };
	int files[MANY], fds[MANY];
	dev_t devices[MANY];

	(void)state;
	skip_without_loops();
	for (int i = 0; i < MANY; i++) {
		AUTO_FAULT f = NULL;

		files[i] = new_file();
		f = loop_attach(files[i], false, true, &fds[i], &devices[i]);
		assert_null(f);
		for (int j = 0; j < i; j++)
			assert_true(devices[i] != devices[j]);
	}
	for (int i = 0; i < MANY; i++) {
		close(fds[i]);
		close(files[i]);
	}
}

static void what_is_no_file_is_refused(void **state)
{
	int pipe_fds[2], fd = -1;
	dev_t device = 0;

	(void)state;
	skip_without_loops();
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	fault_free(loop_attach(pipe_fds[0], true, false, &fd, &device));
	assert_int_equal(fd, -1);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_shows_its_file_and_goes_with_its_descriptor),
		cmocka_unit_test(a_read_only_device_cannot_be_written),
		cmocka_unit_test(many_at_once_get_devices_of_their_own),
		cmocka_unit_test(what_is_no_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
