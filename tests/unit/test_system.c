/* SPDX-License-Identifier: MIT */
/* The edits of nsswitch.conf: one word more, and everything back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "vm/system_install.h"

static void put(const char *text, struct buf *out)
{
	struct fault *f = install_names_text_put(text, strlen(text), out);

	if (f)
		fail_msg("%s", fault_message(f));
}

static void take(const char *text, struct buf *out)
{
	struct fault *f = install_names_text_take(text, strlen(text), out);

	if (f)
		fail_msg("%s", fault_message(f));
}

static void every_file_comes_back_byte_for_byte(void **state)
{
	static const struct {
		const char *text, *line;
	} cases[] = {
		{ "hosts: files dns\n", "\nhosts: files banger dns\n" },
		{ "hosts:\tfiles", "\nhosts:\tfiles banger\n" },
		{ "a: b\n  hosts : files dns # why\nc: d\n", "\n  hosts : files banger dns # why\n" },
		{ "hosts: dns\n", "\nhosts: banger dns\n" },
		{ "hosts: files [SUCCESS=return] dns\n", "\nhosts: banger files [SUCCESS=return] dns\n" },
		{ "hosts: mymachines files resolve [!UNAVAIL=return] dns\n",
		  "\nhosts: mymachines files banger resolve [!UNAVAIL=return] dns\n" },
		{ "x: y\r\nhosts: files dns\r\nz: w\r\n", "\nhosts: files banger dns\r\n" },
		{ "hosts:\n", "\nhosts: banger\n" },
		{ "#hosts: no\nhosts: files #files\n\n\n", "\nhosts: files banger #files\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_BUF with = BUF_INIT, again = BUF_INIT, without = BUF_INIT;

		put(cases[i].text, &with);
		if (!strstr(with.data, cases[i].line))
			fail_msg("'%s' became '%s'", cases[i].text, with.data);
		put(with.data, &again);
		assert_string_equal(again.data, with.data);
		take(with.data, &without);
		assert_string_equal(without.data, cases[i].text);
		buf_clear(&again);
		take(without.data, &again);
		assert_string_equal(again.data, cases[i].text);
	}
}

static void a_line_that_names_us_already_is_left_alone(void **state)
{
	AUTO_BUF out = BUF_INIT;

	(void)state;
	put("hosts: files banger dns\n", &out);
	assert_string_equal(out.data, "hosts: files banger dns\n");
}

static void what_somebody_changed_since_stays(void **state)
{
	AUTO_BUF with = BUF_INIT, out = BUF_INIT;
	char *dns;

	(void)state;
	put("a: b\nhosts: files dns\nc: d\n", &with);
	dns = strstr(with.data, "banger dns");
	memcpy(dns, "banger xyz", 10);
	take(with.data, &out);
	assert_string_equal(out.data, "a: b\nhosts: files xyz\nc: d\n");
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"passwd: files\n",
		"hosts: files\nhosts: dns\n",
		"# >>> banger >>>\nhosts: files\n",
		"# >>> banger >>>\nhosts: files\n# <<< banger <<<\n",
		"# >>> banger >>>\n#was:hosts: files\n# <<< banger <<<\nhosts: x\n",
		"# <<< banger <<<\nhosts: files\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO_BUF out = BUF_INIT;
		AUTO_FAULT f = install_names_text_put(texts[i], strlen(texts[i]), &out);

		assert_non_null(f);
		assert_int_equal(fault_kind(f), F_CORRUPT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_file_comes_back_byte_for_byte),
		cmocka_unit_test(a_line_that_names_us_already_is_left_alone),
		cmocka_unit_test(what_somebody_changed_since_stays),
		cmocka_unit_test(what_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
