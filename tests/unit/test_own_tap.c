/* SPDX-License-Identifier: MIT */
/* test_own_tap.c - "--net tap:...": what is taken, and which taps an ordinary user may have. */
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
#include "net/own_tap.h"

static char top[64];

static void forms(void **state)
{
	static const char *const bad[] = {
		"tap:", "tap:mine", "tap:mine,", "tap:,10.9.0.2/24", "tap:mine,10.9.0.2", "tap:mine,10.9.0.0/24",
		"tap:mine,10.9.0.2/31", "tap:mine,10.9.0.2/24,", "tap:mine,10.9.0.2/24,10.9.1.1",
		"tap:mine,10.9.0.2/24,10.9.0.2", "tap:mine,10.9.0.2/24,10.9.0.1,", "tap:../lo,10.9.0.2/24",
		"tap:.,10.9.0.2/24", "tap:sixteen-letters-,10.9.0.2/24", "tap:a b,10.9.0.2/24",
	};
	struct own_tap t;

	(void)state;
	assert_false(own_tap_is(NULL));
	assert_false(own_tap_is("bridge"));
	assert_true(own_tap_is("tap:"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_FAULT f = own_tap_parse(bad[i], &t);

		if (!f)
			print_error("'%s' was taken\n", bad[i]);
		assert_non_null(f);
		assert_int_equal(fault_kind(f), F_INVALID);
	}
	assert_null(own_tap_parse("tap:mine,10.9.0.2/24", &t));
	assert_string_equal(t.name, "mine");
	assert_int_equal(t.address, 0x0a090002);
	assert_int_equal(t.prefix, 24);
	assert_int_equal(t.gateway, 0);
	assert_null(own_tap_parse("tap:fifteen-letters,10.9.0.2/30,10.9.0.1", &t));
	assert_int_equal(t.gateway, 0x0a090001);
}

static void interfaces(void **state)
{
	static const char id[] = "0123456789abcdef0123456789abcdef";
	AUTO_FREE char *bridged = net_interface("bridge", id);
	AUTO_FREE char *own = net_interface("tap:mine,10.9.0.2/24", id);

	(void)state;
	assert_string_equal(bridged, "bgr01234567");
	assert_string_equal(own, "mine");
	assert_null(net_interface("user", id));
	assert_null(net_interface("none", id));
	assert_null(net_interface(NULL, id));
	assert_null(net_interface("bridge", NULL));
	assert_null(net_interface("tap:mine", id));
}

/* ----------------------------------------------------------------- taps of a host that is made up */

static uid_t user;

static void put(const char *name, const char *file, const char *text)
{
	AUTO_FREE char *dir = xasprintf("%s/sys/class/net/%s", top, name);
	AUTO_FD fd = -1;

	assert_null(dir_make_path(dir, 0755, &fd));
	assert_null(file_write_volatile(fd, file, text, strlen(text), 0644));
}

static void make_tap(const char *name, uid_t owner)
{
	AUTO_FREE char *text = xasprintf("%ld\n", owner == (uid_t)-1 ? -1L : (long)owner);

	put(name, "ifindex", "7\n");
	put(name, "tun_flags", "0x5002\n");
	put(name, "owner", text);
	put(name, "flags", "0x1003\n");
	put(name, "carrier", "0\n");
}

static void make_tun(void)
{
	AUTO_FREE char *dir = xasprintf("%s/dev/net", top);
	AUTO_FD fd = -1;

	assert_null(dir_make_path(dir, 0755, &fd));
	assert_null(file_write_volatile(fd, "tun", "", 0, 0600));
	assert_int_equal(fchmodat(fd, "tun", 0666, 0), 0);
}

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/bgot.XXXXXX");
	assert_non_null(mkdtemp(top));
	assert_int_equal(chmod(top, 0755), 0);
	setenv("BANGER_SYSROOT", top, 1);
	make_tun();
	user = geteuid() ? geteuid() : 1234;
	return 0;
}

static int teardown(void **state)
{
	AUTO_FD parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	unsetenv("BANGER_SYSROOT");
	fault_free(tree_remove(parent, top + 5));
	return 0;
}

/* As the ordinary user: the kind of the fault, 0 = none. */
static int check_as_user(const char *name)
{
	struct own_tap t = { .prefix = 24 };
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		AUTO_FAULT f = NULL;

		if (geteuid() != user && setresuid(user, user, user))
			_exit(99);
		snprintf(t.name, sizeof(t.name), "%s", name);
		f = own_tap_check(&t);
		_exit(f ? (int)fault_kind(f) : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void only_ones_own_that_is_free(void **state)
{
	(void)state;
	make_tap("mine", user);
	assert_int_equal(check_as_user("mine"), 0);
	assert_int_equal(check_as_user("absent"), F_MISSING);
	make_tap("theirs", user + 1);
	assert_int_equal(check_as_user("theirs"), F_DENIED);
	make_tap("nobodys", (uid_t)-1);
	assert_int_equal(check_as_user("nobodys"), F_DENIED);
	make_tap("down", user);
	put("down", "flags", "0x1002\n");
	assert_int_equal(check_as_user("down"), F_STATE);
	make_tap("busy", user);
	put("busy", "carrier", "1\n");
	assert_int_equal(check_as_user("busy"), F_BUSY);
	make_tap("queues", user);
	put("queues", "tun_flags", "0x5102\n");
	assert_int_equal(check_as_user("queues"), F_INVALID);
	make_tap("tun", user);
	put("tun", "tun_flags", "0x5001\n");
	assert_int_equal(check_as_user("tun"), F_INVALID);
	put("lo", "ifindex", "1\n");
	assert_int_equal(check_as_user("lo"), F_INVALID);
}

static void root_has_the_bridge(void **state)
{
	struct own_tap t = { .name = "mine", .prefix = 24 };

	(void)state;
	if (geteuid())
		skip();
	make_tap("mine", 0);
	{
		AUTO_FAULT f = own_tap_check(&t);

		assert_non_null(f);
		assert_int_equal(fault_kind(f), F_UNSUPPORTED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(interfaces),
		cmocka_unit_test_setup_teardown(only_ones_own_that_is_free, setup, teardown),
		cmocka_unit_test_setup_teardown(root_has_the_bridge, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
