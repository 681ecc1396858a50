/* SPDX-License-Identifier: MIT */
/* Root disks: overlays are judged by qemu-img, copies by their bytes. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "disk/root_disk.h"
#include "host/machine.h"
#include "host/spawn.h"

static char root[64];
static char *image;

static int make_root(void **state)
{
	AUTO_FD fd = -1;

	(void)state;
	snprintf(root, sizeof(root), "/tmp/banger-test-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	image = xasprintf("%s/image", root);
	fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0444);
	return ftruncate(fd, 64 * MIB) || pwrite(fd, "front", 5, 0) != 5 ||
	       pwrite(fd, "back", 4, 50 * MIB) != 4;
}

static int remove_root(void **state)
{
	(void)state;
	free(image);
	fault_free(tree_remove(AT_FDCWD, root));
	return 0;
}

static struct fault *make(const char *mode, uint64_t size, bool qcow2_ok, const char **made)
{
	AUTO_FD dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return root_disk_make(image, dir, "disk", "cow", size, mode, qcow2_ok, made);
}

static void an_overlay_satisfies_qemu_img(void **state)
{
	AUTO_FREE char *disk = xasprintf("%s/disk", root);
	AUTO_FREE char *qemu_img = machine_find_program("qemu-img");
	const char *const check[] = { "qemu-img", "check", disk, NULL };
	const char *const compare[] = { "qemu-img", "compare", "-F", "raw", disk, image, NULL };
	const char *made = NULL;
	AUTO_FAULT f = make("qcow2", UINT64_C(8) * GIB, true, &made);

	(void)state;
	assert_null(f);
	assert_string_equal(made, "qcow2");
	if (!qemu_img) {
		print_message("qemu-img is not installed\n");
		skip();
	}
	f = spawn_run(&(struct spawn){ SPAWN_INIT, .argv = check }, NULL, 0);
	assert_null(f);
	/* Larger than the image and equal to it where the image is, zeros beyond. */
	f = spawn_run(&(struct spawn){ SPAWN_INIT, .argv = compare }, NULL, 0);
	assert_null(f);
}

static void a_copy_keeps_bytes_and_holes(void **state)
{
	AUTO_FREE char *disk = xasprintf("%s/disk", root);
	const char *made = NULL;
	struct stat st;
	char text[6] = "";
	AUTO_FD fd = -1;
	AUTO_FAULT f = make("copy", 128 * MIB, true, &made);

	(void)state;
	assert_null(f);
	assert_string_equal(made, "copy");
	fd = open(disk, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 128 * MIB);
	assert_true(st.st_blocks * 512 < (off_t)MIB);
	assert_int_equal(pread(fd, text, 4, 50 * MIB), 4);
	assert_string_equal(text, "back");
}

static void auto_never_picks_what_the_vmm_cannot_read(void **state)
{
	const char *made = NULL;
	AUTO_FAULT f = make("auto", 64 * MIB, false, &made);

	(void)state;
	assert_null(f);
	assert_string_not_equal(made, "qcow2");
}

static void a_disk_smaller_than_its_image_is_refused(void **state)
{
	AUTO_FREE char *disk = xasprintf("%s/disk", root);
	const char *made = NULL;
	AUTO_FAULT f = make("auto", MIB, true, &made);

	(void)state;
	assert_non_null(f);
	assert_int_equal(fault_kind(f), F_INVALID);
	assert_int_equal(access(disk, F_OK), -1);
}

static void a_forced_mode_is_not_replaced_by_another(void **state)
{
	AUTO_FREE char *disk = xasprintf("%s/disk", root);
	const char *made = NULL;
	AUTO_FAULT f = make("qcow2", 64 * MIB, false, &made);

	(void)state;
	assert_non_null(f);
	assert_int_equal(fault_kind(f), F_UNSUPPORTED);
	assert_int_equal(access(disk, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)
		T(an_overlay_satisfies_qemu_img),
		T(a_copy_keeps_bytes_and_holes),
		T(auto_never_picks_what_the_vmm_cannot_read),
		T(a_disk_smaller_than_its_image_is_refused),
		T(a_forced_mode_is_not_replaced_by_another),
	};

	return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
