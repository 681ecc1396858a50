/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <string.h>

#include "banger/commands.h"
#include "banger/parse.h"
#include "base/text.h"

static struct fault *nothing(struct invocation *inv)
{
	(void)inv;
	return NULL;
}

static const struct option run_options[] = {
	{ 'n', "name", "NAME", "a name" },
	{ 'e', "env", "K=V", "a variable", .repeat = true },
	{ 'i', "stdin", NULL, "pass standard input" },
	{ 't', "tty", NULL, "make a terminal" },
	{ 0, "net", "KIND", "network", COMPLETE_WORDS, "user none" },
	{ 0, "memory", "SIZE", "memory", .type = OPTION_SIZE, .min = 64 * MIB, .max = GIB },
	{ 0, "vcpu", "N", "CPUs", .type = OPTION_COUNT, .min = 1, .max = 8 },
	{ 0, "timeout", "TIME", "limit", .type = OPTION_DURATION },
	{ 0 },
};
static const struct command vm = { .name = "vm", .summary = "group" };
static const struct command vm_run = {
	.name = "vm run", .summary = "run", .options = run_options, .max_operands = 1,
	.flags = CMD_REST | CMD_QUIET | CMD_JSON | CMD_NEEDS_WRITE | CMD_GUEST_STATUS,
	.run = nothing,
};
static const struct command vm_exec = {
	.name = "vm exec",
	.operands = "NAME [-- CMD...]", .summary = "exec", .min_operands = 1, .max_operands = 1,
	.flags = CMD_REST | CMD_REST_REQUIRED, .run = nothing,
};
static const struct command vm_list = {
	.name = "vm list", .alias = "ps", .summary = "list", .max_operands = 0, .run = nothing,
};
static const struct command vm_work = {
	.name = "vm workspace export", .summary = "x", .max_operands = -1, .run = nothing,
};
const struct command *const commands[] = { &vm, &vm_run, &vm_exec, &vm_list, &vm_work, NULL };

static struct invocation inv;

static struct fault *parse(const char *line)
{
	static char text[1024];
	static char *argv[64];
	size_t n = 0;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word = text, *next; word; word = next) {
		next = strchr(word, '|');
		if (next)
			*next++ = '\0';
		argv[n++] = word;
	}
	argv[*line ? n : 0] = NULL;
	parse_release(&inv);
	return parse_arguments(argv, &inv);
}

static void good(const char *line)
{
	struct fault *f = parse(line);

	if (f)
		fail_msg("%s: %s", line, fault_message(f));
}

static void bad(const char *line, const char *message)
{
	struct fault *f = parse(line);

	if (!f)
		fail_msg("%s was accepted", line);
	assert_int_equal(fault_kind(f), F_USAGE);
	assert_string_equal(fault_message(f), message);
	fault_free(f);
}

static void longest_path_wins(void **state)
{
	(void)state;
	good("vm|run");
	assert_ptr_equal(inv.command, &vm_run);
	good("ps");
	assert_ptr_equal(inv.command, &vm_list);
	good("vm|workspace|export|x");
	assert_ptr_equal(inv.command, &vm_work);
	assert_int_equal(inv.operands.n, 1);
	good("vm");
	assert_ptr_equal(inv.command, &vm);
	assert_true(inv.help);
	good("");
	assert_null(inv.command);
	assert_true(inv.help);
}

static void unknown_commands_name_the_nearest(void **state)
{
	(void)state;
	bad("vm|rnu", "there is no command 'vm rnu'; did you mean 'vm run'?");
	bad("run", "there is no command 'run'; did you mean 'vm run'?");
	bad("exec|web", "there is no command 'exec'; did you mean 'vm exec'?");
	bad("frobnicate", "there is no command 'frobnicate'");
	bad("vm|vm|run", "there is no command 'vm vm'");
	bad("vm|--json", "there is no command 'vm --json'");
	bad("run|vm", "there is no command 'run'; did you mean 'vm run'?");
}

static void options_in_all_spellings(void **state)
{
	size_t n;

	(void)state;
	good("vm|run|-it|--name|web|--memory=128M|dir|--vcpu|3|--timeout|1m30s");
	assert_true(option_given(&inv, "stdin") && option_given(&inv, "tty"));
	assert_string_equal(option_value(&inv, "name"), "web");
	assert_int_equal(option_number(&inv, "memory", 0), 128 * MIB);
	assert_int_equal(option_number(&inv, "vcpu", 0), 3);
	assert_int_equal(option_number(&inv, "timeout", 0), 90000);
	assert_string_equal(inv.operands.v[0], "dir");
	good("vm|run|-itnweb|-n|last");
	assert_string_equal(option_value(&inv, "name"), "last");
	assert_int_equal(option_number(&inv, "vcpu", 7), 7);
	good("vm|run|-i|-i|-eA=1|--env|B=2|--env=C=3");
	const char **values = option_values(&inv, "env", &n);

	assert_int_equal(n, 3);
	assert_string_equal(values[0], "A=1");
	assert_string_equal(values[2], "C=3");
	free(values);
	good("vm|run|--name=");
	assert_string_equal(option_value(&inv, "name"), "");
	good("vm|run|-");
	assert_string_equal(inv.operands.v[0], "-");
}

static void wrong_options(void **state)
{
	(void)state;
	bad("vm|run|--nmae|x", "'banger vm run' has no option '--nmae'; did you mean '--name'?");
	bad("vm|run|--nam=x", "'banger vm run' has no option '--nam'; did you mean '--name'?");
	bad("vm|run|-x", "'banger vm run' has no option '-x'");
	bad("vm|run|--name", "option '--name' needs a value: --name NAME");
	bad("vm|run|--name|--|true", "option '--name' needs a value: --name NAME");
	bad("vm|run|-in", "option '--name' needs a value: --name NAME");
	bad("vm|run|--tty=yes", "option '--tty' takes no value");
	bad("vm|run|--net|bridge", "--net: 'bridge' is none of user, none");
	bad("vm|run|--net|use", "--net: 'use' is none of user, none");
	bad("vm|run|--memory|63M", "--memory: '63M' is less than 64M");
	bad("vm|run|--memory|2G", "--memory: '2G' is more than 1G");
	bad("vm|run|--vcpu|0", "--vcpu: '0' is not a number from 1 to 8");
	bad("vm|run|--vcpu|-1", "--vcpu: '-1' is not a number from 1 to 8");
	bad("vm|run|--vcpu=9", "--vcpu: '9' is not a number from 1 to 8");
	bad("--name|x|vm|run", "there is no option '--name' before the command");
	bad("vm|list|--json", "'banger vm list' has no option '--json'");
}

static void options_before_the_command(void **state)
{
	(void)state;
	good("--state-dir|/x|--wait|5|-q|vm|run|--json");
	assert_ptr_equal(inv.command, &vm_run);
	assert_string_equal(inv.state_dir, "/x");
	assert_int_equal(inv.wait_ms, 5000);
	assert_true(inv.quiet && inv.json);
	good("--wait=0|vm|run");
	assert_int_equal(inv.wait_ms, 0);
	good("vm|run");
	assert_int_equal(inv.wait_ms, WAIT_DEFAULT_MS);
	good("vm|run|--wait|9000d");
	assert_int_equal(inv.wait_ms, INT32_MAX);
	bad("--wait|x|vm|run", "--wait: 'x' is not a duration; write it like 90s, 5m or 2h30m");
}

static void rest_is_verbatim(void **state)
{
	(void)state;
	good("vm|run|--tty|--|ls|--help|--|-q|");
	assert_int_equal(inv.n_rest, 5);
	assert_string_equal(inv.rest[1], "--help");
	assert_string_equal(inv.rest[2], "--");
	assert_string_equal(inv.rest[4], "");
	assert_null(inv.rest[5]);
	assert_false(inv.help || inv.quiet);
	good("vm|run");
	assert_null(inv.rest);
	good("vm|workspace|export|--|--a|b");
	assert_int_equal(inv.operands.n, 2);
	assert_null(inv.rest);
	bad("vm|run|--", "no command follows '--'");
	bad("vm|exec|web|--", "no command follows '--'");
	bad("vm|exec|web", "'banger vm exec' needs a command for the guest after '--'");
}

static void operands_are_counted(void **state)
{
	(void)state;
	bad("vm|exec|--|true", "'banger vm exec' needs an operand: NAME [-- CMD...]");
	bad("vm|run|a|b", "'banger vm run' has no use for 'b'");
	bad("vm|list|a", "'banger vm list' has no use for 'a'");
}

static void help_and_version_win(void **state)
{
	(void)state;
	good("--help");
	assert_true(inv.help);
	good("vm|run|--bogus|-h");
	assert_true(inv.help);
	assert_ptr_equal(inv.command, &vm_run);
	good("vm|run|--name|x|--vcpu|0|--help");
	assert_true(inv.help);
	good("vm|exec|-h");
	assert_true(inv.help);
	good("vm|--help");
	assert_ptr_equal(inv.command, &vm);
	good("--version|--bogus");
	assert_true(inv.version);
	good("vm|run|a|b|--version");
	assert_true(inv.version);
	good("vm|run|--name|--help");
	assert_false(inv.help);
	assert_string_equal(option_value(&inv, "name"), "--help");
	bad("vm|run|--bogus|--|--help", "'banger vm run' has no option '--bogus'");
}

static int done(void **state)
{
	(void)state;
	parse_release(&inv);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longest_path_wins),
		cmocka_unit_test(unknown_commands_name_the_nearest),
		cmocka_unit_test(options_in_all_spellings),
		cmocka_unit_test(wrong_options),
		cmocka_unit_test(options_before_the_command),
		cmocka_unit_test(rest_is_verbatim),
		cmocka_unit_test(operands_are_counted),
		cmocka_unit_test(help_and_version_win),
	};

	return cmocka_run_group_tests(tests, NULL, done);
}
