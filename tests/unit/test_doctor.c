/* SPDX-License-Identifier: MIT */
/* The doctor on dumps of other machines (tests/sysroots), and on firewalls of others. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "vm/doctor.h"

/* What is expected of one check on one machine; the text is in what was seen or in the remedy. */
struct expected {
	const char *machine;
	const char *check;
	void (*run)(struct check_report *r);
	bool root;
	const char *verdict;
	const char *text;
};

static const struct expected expectations[] = {
	{ "good", "kvm", check_kvm, true, "pass", "works" },
	{ "good", "kernel", check_kernel, true, "pass", "6.1.0-18-amd64" },
	{ "good", "nested", check_nested, true, "pass", "on" },
	{ "good", "dm", check_device_mapper, true, "pass", "/dev/mapper/control" },
	{ "good", "loop", check_loop, true, "pass", "/dev/loop-control" },
	{ "good", "tun", check_tun, true, "pass", "/dev/net/tun" },
	{ "good", "forwarding", check_forwarding, true, "pass", "on" },
	{ "good", "cgroups", check_cgroups, true, "pass", "version 2" },
	{ "good", "favordynmods", check_favordynmods, true, "pass", "on" },
	{ "good", "clock", check_clock, true, "pass", "tsc" },
	{ "good", "names", check_names, true, "pass", "nsswitch" },

	{ "modules", "kvm", check_kvm, true, "warn", "modprobe kvm_amd" },
	{ "modules", "dm", check_device_mapper, true, "warn", "modprobe dm_mod" },
	{ "modules", "dm", check_device_mapper, false, "pass", "not needed" },
	{ "modules", "loop", check_loop, true, "pass", "when it is first used" },
	{ "modules", "tun", check_tun, true, "warn", "modprobe tun" },
	{ "modules", "forwarding", check_forwarding, true, "pass", "off; turned on" },
	{ "modules", "forwarding", check_forwarding, false, "pass", "not needed" },
	{ "modules", "favordynmods", check_favordynmods, true, "pass", "not needed" },
	{ "modules", "names", check_names, true, "warn", "system install --nss" },
	{ "modules", "names", check_names, false, "pass", "not needed" },

	{ "kvm-unusable", "kvm", check_kvm, true, "warn", "no vmx or svm flag" },
	{ "kvm-unusable", "kvm", check_kvm, true, "warn", "/dev/kvm is there" },
	{ "kvm-unusable", "nested", check_nested, true, "warn", "host-passthrough" },

	{ "no-kvm", "kvm", check_kvm, true, "warn", "nested virtualisation" },
	{ "no-kvm", "kernel", check_kernel, true, "warn", "5.10" },
	{ "no-kvm", "cgroups", check_cgroups, true, "warn", "mixed" },
	{ "no-kvm", "clock", check_clock, true, "warn", "hpet" },
	{ "no-kvm", "dm", check_device_mapper, true, "warn", "this kernel has no" },

	{ "ancient", "architecture", check_architecture, true, "pass", "amd64" },
	{ "ancient", "kernel", check_kernel, true, "fail", "older than 5.3" },
	{ "ancient", "cgroups", check_cgroups, true, "warn", "unified_cgroup_hierarchy" },
	{ "ancient", "nested", check_nested, true, "pass", "nested=1" },

	{ "no-favordynmods", "favordynmods", check_favordynmods, true, "warn",
	  "nsdelegate,memory_recursiveprot,favordynmods" },

	{ "arm", "architecture", check_architecture, true, "fail", "this machine is arm64" },
	{ "arm", "kvm", check_kvm, true, "pass", "works" },
	{ "arm", "nested", check_nested, true, "pass", "not applicable" },

	{ "garbage", "architecture", check_architecture, true, "pass", "" },
	{ "garbage", "kernel", check_kernel, true, "fail", "no version" },
	{ "garbage", "kvm", check_kvm, true, "warn", "firmware" },
	{ "garbage", "cgroups", check_cgroups, true, "warn", "version 1" },
	{ "garbage", "dm", check_device_mapper, true, "warn", "this kernel has no" },
	{ "garbage", "ids", check_subordinate_ids, false, "warn", "usermod" },
	{ "garbage", "names", check_names, true, "warn", "nsswitch" },
};

static void look_at(const char *machine)
{
	AUTO_FREE char *cwd = getcwd(NULL, 0);
	AUTO_FREE char *path = xasprintf("%s/tests/sysroots/%s", cwd, machine);

	assert_int_equal(access(path, F_OK), 0);
	setenv("BANGER_SYSROOT", path, 1);
}

static bool has(const char *text, const char *part)
{
	return text && strstr(text, part);
}

static void machines_get_the_rows_that_they_deserve(void **state)
{
#if !defined(__x86_64__)
	skip(); /* the dumps are judged by a program for amd64 */
#endif
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(expectations); i++) {
		const struct expected *e = &expectations[i];
		struct check_report r = { .root = e->root, .name = e->check };
		const struct check_row *row;

		look_at(e->machine);
		e->run(&r);
		assert_int_equal(r.rows.n, 1);
		row = r.rows.v;
		if (strcmp(row->verdict, e->verdict) != 0 ||
		    (!has(row->seen, e->text) && !has(row->remedy, e->text)))
			fail_msg("%s, %s: %s, '%s', '%s'; expected %s, '%s'", e->machine, e->check,
				 row->verdict, row->seen, row->remedy ? row->remedy : "", e->verdict,
				 e->text);
		check_report_release(&r);
	}
	unsetenv("BANGER_SYSROOT");
}

static void nothing_on_a_dump_is_written(void **state)
{
	(void)state;
	look_at("modules");
	for (size_t i = 0; i < ARRAY_LEN(expectations); i++) {
		struct check_report r = { .root = true, .name = "x" };

		expectations[i].run(&r);
		assert_null(((struct check_row *)r.rows.v)->repaired);
		check_report_release(&r);
	}
	unsetenv("BANGER_SYSROOT");
}

/* ------------------------------------------------------------------------------- firewalls */

#define CHAIN(family, table, name, rest)                                                           \
	"{\"chain\": {\"family\": \"" family "\", \"table\": \"" table "\", \"name\": \"" name        \
	"\", \"handle\": 1" rest "}},"
#define FORWARD(policy)                                                                            \
	", \"type\": \"filter\", \"hook\": \"forward\", \"prio\": 0, \"policy\": \"" policy "\""
#define RULES(chains) "{\"nftables\": [" chains "{\"metainfo\": {\"json_schema_version\": 1}}]}"

static void assert_blocked(const char *rules, const char *who, const char *remedy)
{
	AUTO_FREE char *seen = NULL, *fix = NULL;
	struct fault *f = doctor_blockers(rules, strlen(rules), &seen, &fix);

	if (f)
		fail_msg("%s", fault_message(f));
	if (!who) {
		assert_null(seen);
		assert_null(fix);
		return;
	}
	assert_true(has(seen, who));
	assert_true(has(fix, remedy));
}

static void firewalls_of_others_are_known_by_name(void **state)
{
	(void)state;
	assert_blocked(RULES(""), NULL, NULL);
	assert_blocked(RULES(CHAIN("ip", "filter", "FORWARD", FORWARD("accept"))), NULL, NULL);
	assert_blocked(RULES(CHAIN("ip", "filter", "FORWARD", FORWARD("drop"))
				     CHAIN("ip", "filter", "DOCKER-USER", "")), "Docker", "DOCKER-USER");
	assert_blocked(RULES(CHAIN("ip", "filter", "FORWARD", FORWARD("drop"))
				     CHAIN("ip", "filter", "ufw-user-forward", "")), "ufw", "ufw route");
	assert_blocked(RULES(CHAIN("inet", "firewalld", "filter_FORWARD", FORWARD("accept"))),
		       "firewalld", "firewall-cmd");
	assert_blocked(RULES(CHAIN("ip", "filter", "FORWARD", FORWARD("drop"))), "iptables",
		       "iptables -I FORWARD");
	assert_blocked(RULES(CHAIN("inet", "mine", "fwd", FORWARD("drop"))), "table mine, chain fwd",
		       "nft list ruleset");
	/* Ours, IPv6 alone, another hook. */
	assert_blocked(RULES(CHAIN("inet", "banger", "forward", FORWARD("drop"))), NULL, NULL);
	assert_blocked(RULES(CHAIN("ip6", "filter", "FORWARD", FORWARD("drop"))), NULL, NULL);
	assert_blocked(RULES(CHAIN("inet", "filter", "input",
				   ", \"hook\": \"input\", \"policy\": \"drop\"")), NULL, NULL);
}

static void what_is_no_list_of_chains_is_no_crash(void **state)
{
	static const char *const texts[] = { "", "[]", "{\"nftables\": 3}", "{\"nftables\": [1, {}]}",
					     "{\"nftables\": [{\"chain\": []}]}", "{" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO_FREE char *seen = NULL, *fix = NULL;
		fault_free(doctor_blockers(texts[i], strlen(texts[i]), &seen, &fix));

		assert_null(seen);
		assert_null(fix);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machines_get_the_rows_that_they_deserve),
		cmocka_unit_test(nothing_on_a_dump_is_written),
		cmocka_unit_test(firewalls_of_others_are_known_by_name),
		cmocka_unit_test(what_is_no_list_of_chains_is_no_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
