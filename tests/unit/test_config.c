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

#include "base/file.h"
#include "base/text.h"
#include "host/user.h"
#include "store/config.h"

static struct config config;

static int fresh(void **state)
{
	(void)state;
	config_defaults(&config, 8, 16 * GIB);
	return 0;
}

static int done(void **state)
{
	(void)state;
	config_release(&config);
	return 0;
}

static void host(unsigned int cpus, uint64_t memory, uint64_t vcpu, uint64_t bytes)
{
	struct config c;

	config_defaults(&c, cpus, memory);
	assert_int_equal(c.vcpu, vcpu);
	assert_int_equal(c.memory_bytes, bytes);
	config_release(&c);
}

static void defaults_follow_the_host(void **state)
{
	(void)state;
	host(1, 512 * MIB, 1, GIB);
	host(2, 4 * GIB, 2, GIB);
	host(4, 16 * GIB, 2, 2 * GIB);
	host(12, 32 * GIB, 3, 4 * GIB);
	host(64, 512 * GIB, 4, 8 * GIB);
	host(8, 20 * GIB + 12345, 2, 2560 * MIB);
}

static void every_setting_has_a_row(void **state)
{
	const struct config_value *rows = config.origins.v;
	struct setting_info info;
	size_t i;

	(void)state;
	for (i = 0; config_setting(i, &info); i++) {
		assert_string_equal(rows[i].key, info.key);
		assert_non_null(rows[i].value);
		assert_non_null(rows[i].origin);
		assert_ptr_equal(config_find(&config, info.key), &rows[i]);
		assert_non_null(info.help);
		assert_non_null(info.preset);
		assert_memory_equal(info.environment, "BANGER_", 7);
	}
	assert_int_equal(config.origins.n, i);
	assert_null(config_find(&config, "nothing.such"));
	assert_string_equal(config_find(&config, "vm_defaults.vcpu")->origin, "this host (8 CPUs)");
	assert_string_equal(config_find(&config, "vm_defaults.memory")->value, "2G");
	assert_string_equal(config_find(&config, "defaults.image")->origin, "built in");
}

static void take(const char *text)
{
	struct fault *f = config_read_text(&config, text, strlen(text), "f.conf");

	if (f)
		fail_msg("%s", fault_message(f));
}

static void refuse(const char *text, const char *message)
{
	struct fault *f = config_read_text(&config, text, strlen(text), "f.conf");

	if (!f)
		fail_msg("'%s' was accepted", text);
	assert_int_equal(fault_kind(f), F_INVALID);
	assert_string_equal(fault_message(f), message);
	fault_free(f);
}

static void a_file_sets_values_and_origins(void **state)
{
	(void)state;
	take("# comment\n; another\n\n[vm_defaults]\nvcpu = 3 ; inline\n  memory=1.5G\r\n"
	     "disk_size: 20G\n[defaults]\nimage = my-image\nvmm=qemu\n[vmm]\n"
	     "qemu_bin = /opt/qemu/bin/qemu");
	assert_int_equal(config.vcpu, 3);
	assert_int_equal(config.memory_bytes, 3 * GIB / 2);
	assert_int_equal(config.disk_size_bytes, 20 * GIB);
	assert_int_equal(config.system_overlay_bytes, 8 * GIB);
	assert_string_equal(config.default_image, "my-image");
	assert_string_equal(config.vmm, "qemu");
	assert_string_equal(config.qemu_bin, "/opt/qemu/bin/qemu");
	assert_string_equal(config_find(&config, "vm_defaults.memory")->origin, "f.conf:6");
	assert_string_equal(config_find(&config, "vm_defaults.memory")->value, "1536M");
	assert_string_equal(config_find(&config, "vmm.qemu_bin")->origin, "f.conf:12");
	take("[vm_defaults]\nvcpu=1\nvcpu=2\n");
	assert_int_equal(config.vcpu, 2);
	take("");
	take("\n\n");
	take("\xef\xbb\xbf[vm_defaults]\nvcpu=4\n");
	assert_int_equal(config.vcpu, 4);
}

static void wrong_files_name_the_line(void **state)
{
	char text[600];

	(void)state;
	refuse("[vm_defaults]\nvcp = 3\n",
	       "f.conf:2: there is no setting 'vcp' in [vm_defaults]; did you mean 'vcpu'?");
	refuse("[defaults]\nvcpu = 3\n",
	       "f.conf:2: there is no setting 'vcpu' in [defaults]; did you mean 'vcpu' in "
	       "[vm_defaults]?");
	refuse("[defaults]\nfrobnicate = 3\n",
	       "f.conf:2: there is no setting 'frobnicate' in [defaults]");
	refuse("\n[vm_default]\n",
	       "f.conf:2: there is no section [vm_default]; did you mean [vm_defaults]?");
	refuse("[zzzzzzzz]\n", "f.conf:1: there is no section [zzzzzzzz]");
	refuse("vcpu = 3\n", "f.conf:1: 'vcpu' stands before the first [section]");
	refuse("[vm_defaults]\n\nvcpu\n", "f.conf:3: this is neither '[section]' nor 'name = value'");
	refuse("[vm_defaults\n", "f.conf:1: this is neither '[section]' nor 'name = value'");
	refuse("[vm_defaults]\nvcpu = 0\n",
	       "f.conf:2: vm_defaults.vcpu: '0' is not a number from 1 to 256");
	refuse("[vm_defaults]\nmemory = 1M\n", "f.conf:2: vm_defaults.memory: '1M' is less than 64M");
	refuse("[vm_defaults]\ndisk_size = -1G\n",
	       "f.conf:2: vm_defaults.disk_size: '-1G' is not a size; write a positive number with a "
	       "unit, like 512M or 8G");
	refuse("[defaults]\nvmm = xen\n", "f.conf:2: defaults.vmm: 'xen' is none of: auto firecracker qemu");
	refuse("[defaults]\nimage =\n", "f.conf:2: defaults.image: the value is empty");
	refuse("[vmm]\nqemu_bin = bin/qemu\n",
	       "f.conf:2: vmm.qemu_bin: 'bin/qemu' is neither a program's name nor an absolute path");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	refuse(text, "f.conf:1: the line is longer than 198 bytes");
}

static void the_first_fault_counts(void **state)
{
	(void)state;
	refuse("[vm_defaults]\nvcpu = x\nmemory = y\n",
	       "f.conf:2: vm_defaults.vcpu: 'x' is not a number from 1 to 256");
}

static void nul_bytes_are_no_text(void **state)
{
	struct fault *f = config_read_text(&config, "[vm_defaults]\0\n", 15, "f.conf");

	(void)state;
	assert_non_null(f);
	assert_int_equal(fault_kind(f), F_INVALID);
	fault_free(f);
}

static void the_environment_wins(void **state)
{
	struct fault *f;

	(void)state;
	take("[vm_defaults]\nvcpu = 3\n");
	setenv("BANGER_VCPU", "5", 1);
	setenv("BANGER_MEMORY", "", 1); /* empty is as good as unset */
	assert_null(config_read_environment(&config));
	assert_int_equal(config.vcpu, 5);
	assert_int_equal(config.memory_bytes, 2 * GIB);
	assert_string_equal(config_find(&config, "vm_defaults.vcpu")->origin, "BANGER_VCPU");
	setenv("BANGER_VCPU", "many", 1);
	f = config_read_environment(&config);
	assert_non_null(f);
	assert_memory_equal(fault_message(f), "BANGER_VCPU: ", 13);
	fault_free(f);
	unsetenv("BANGER_VCPU");
	unsetenv("BANGER_MEMORY");
}

static void files_that_others_can_write(void **state)
{
	char path[] = "/tmp/test_config.XXXXXX";
	AUTO_FD fd = mkostemp(path, O_CLOEXEC);
	struct fault *f;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "[vm_defaults]\nvcpu=7\n", 21), 21);
	assert_null(config_read_file(&config, path));
	assert_int_equal(config.vcpu, 7);
	assert_int_equal(fchmod(fd, 0602), 0);
	f = config_read_file(&config, path);
	unlink(path);
	if (geteuid() != 0) {
		assert_null(f);
		return;
	}
	assert_non_null(f);
	assert_int_equal(fault_kind(f), F_DENIED);
	fault_free(f);
}

static void missing_and_odd_files(void **state)
{
	struct fault *f;

	(void)state;
	assert_null(config_read_file(&config, "/nonexistent/banger.conf"));
	assert_null(config_read_file(&config, "/etc/passwd/banger.conf"));
	f = config_read_file(&config, "/");
	assert_non_null(f);
	fault_free(f);
}

static void under_sudo_files_are_the_users(void **state)
{
	char path[] = "/tmp/test_config.XXXXXX";
	AUTO_USER user = { 0 };
	AUTO_FD fd = -1;
	int as_user, as_root;

	(void)state;
	if (geteuid() != 0)
		skip();
	fd = mkostemp(path, O_CLOEXEC); /* root's, mode 0600 */
	assert_true(fd >= 0);
	setenv("SUDO_UID", "65534", 1);
	setenv("SUDO_GID", "65534", 1);
	user_real(&user);
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	assert_true(user.by_sudo);
	assert_int_equal(user.uid, 65534);
	user_enter(&user);
	as_user = open(path, O_RDONLY | O_CLOEXEC);
	user_leave(&user);
	as_root = open(path, O_RDONLY | O_CLOEXEC);
	unlink(path);
	assert_int_equal(as_user, -1);
	assert_true(as_root >= 0);
	close(as_root);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_follow_the_host),
		TEST(every_setting_has_a_row),
		TEST(a_file_sets_values_and_origins),
		TEST(wrong_files_name_the_line),
		TEST(the_first_fault_counts),
		TEST(nul_bytes_are_no_text),
		TEST(the_environment_wins),
		TEST(files_that_others_can_write),
		TEST(missing_and_odd_files),
		cmocka_unit_test(under_sudo_files_are_the_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
