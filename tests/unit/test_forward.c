/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <string.h>

#include "vm/forward.h"
#include "vm/forward_address.h"

static void good(const char *text, const char *host, unsigned int guest)
{
	struct forward_address a;
	AUTO_FREE char *got = NULL;

	assert_null(forward_parse(text, true, &a));
	got = forward_text(&a, -1);
	assert_string_equal(got, host);
	assert_int_equal(a.guest_port, guest);
}

static void addresses_are_read(void **state)
{
	(void)state;
	good("8080:80", "127.0.0.1:8080", 80);
	good("0:65535", "127.0.0.1:0", 65535);
	good("0.0.0.0:1:2", "0.0.0.0:1", 2);
	good("[::1]:8080:80", "[::1]:8080", 80);
	good("[fe80::1]:5:6", "[fe80::1]:5", 6);
}

static void bad(const char *text, bool any_port)
{
	struct forward_address a;
	struct fault *f = forward_parse(text, any_port, &a);

	if (!f)
		fail_msg("'%s' was taken", text);
	assert_int_equal(fault_kind(f), F_INVALID);
	fault_free(f);
}

static void everything_else_is_refused(void **state)
{
	static const char *const texts[] = {
		"", ":", "::", "80", "80:", ":80", "a:80", "80:b", "65536:80", "80:65536", "80:0", "-1:80",
		"80:80:80", "localhost:80:80", "1.2.3:80:80", "[::1:80:80", "::1:80:80", "[]:80:80",
		"[1.2.3.4]:80:80", "127.0.0.1:80:80:80", "80:80/tcp", " 80:80", "80:80 ",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		bad(texts[i], true);
	bad("0:80", false);
}

static void two_of_the_same_are_refused(void **state)
{
	struct strings specs = { 0 };
	struct fault *f;

	(void)state;
	strings_add(&specs, "0:80");
	strings_add(&specs, "127.0.0.1:0:81");
	strings_add(&specs, "8080:80");
	strings_add(&specs, "[::1]:8080:80");
	assert_null(forward_check(&specs, true));
	strings_add(&specs, "127.0.0.1:8080:81");
	f = forward_check(&specs, true);
	assert_non_null(f);
	assert_non_null(strstr(fault_message(f), "127.0.0.1:8080 is there twice"));
	fault_free(f);
	strings_release(&specs);
}

static void a_port_that_is_taken_is_named(void **state)
{
	struct forward_address a;
	struct strings specs = { 0 };
	AUTO_FREE char *host = NULL;
	AUTO_FREE char *spec = NULL;
	struct fault *f;
	AUTO_FD fd = -1;

	(void)state;
	assert_null(forward_parse("0:80", true, &a));
	assert_null(forward_listen(&a, &fd));
	host = forward_text(&a, fd);
	spec = xasprintf("%s:80", host);
	strings_add(&specs, spec);
	f = forward_check_free(&specs);
	assert_non_null(f);
	assert_int_equal(fault_kind(f), F_BUSY);
	assert_non_null(strstr(fault_message(f), host));
	fault_free(f);
	close(steal_fd(&fd));
	assert_null(forward_check_free(&specs));
	strings_release(&specs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read),
		cmocka_unit_test(everything_else_is_refused),
		cmocka_unit_test(two_of_the_same_are_refused),
		cmocka_unit_test(a_port_that_is_taken_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
