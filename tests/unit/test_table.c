/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <string.h>

#include "base/table.h"

static void columns_are_aligned(void **state)
{
	static const char *const header[] = { "NAME", "STATE", "SIZE", NULL };
	AUTO_BUF out = BUF_INIT;
	struct table t;

	(void)state;
	table_init(&t, header);
	table_cell(&t, "a-long-name");
	table_cell(&t, "running");
	table_cellf(&t, "%dM", 12);
	table_cell(&t, "b");
	table_cell(&t, NULL);
	table_cell(&t, "");
	table_render(&t, &out);
	assert_string_equal(out.data, "NAME         STATE    SIZE\n"
				      "a-long-name  running  12M\n"
				      "b            -\n");
}

static void cells_cannot_break_the_terminal(void **state)
{
	static const char *const header[] = { "N", "V", NULL };
	AUTO_BUF out = BUF_INIT;
	struct table t;

	(void)state;
	table_init(&t, header);
	table_cell(&t, "a\nb");
	table_cell(&t, "\033]0;title\a");
	table_cell(&t, "\xc3\xa4\xc3\xb6");
	table_cell(&t, "x");
	table_render(&t, &out);
	assert_string_equal(out.data, "N       V\n"
				      "a\\x0ab  \\x1b]0;title\\x07\n"
				      "\xc3\xa4\xc3\xb6      x\n");
}

static void only_a_header(void **state)
{
	static const char *const header[] = { "A", "B", NULL };
	AUTO_BUF out = BUF_INIT;
	struct table t;

	(void)state;
	table_init(&t, header);
	table_render(&t, &out);
	assert_string_equal(out.data, "A  B\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_aligned),
		cmocka_unit_test(cells_cannot_break_the_terminal),
		cmocka_unit_test(only_a_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
