/* SPDX-License-Identifier: MIT */
/* The NSS module's reading, on what lib/store publishes and on what somebody else could put there. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "store/names.h"

/* The module is no part of the library. */
#include "nss-banger/lookup.c"

struct world {
	char root[64];
	struct store store;
	char *names;
};

static void ok(struct fault *f)
{
	if (f)
		fail_msg("%s", fault_message(f));
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	snprintf(w->root, sizeof(w->root), "/tmp/banger-nss.XXXXXX");
	assert_non_null(mkdtemp(w->root));
	ok(store_open(w->root, STORE_WRITE, &w->store));
	w->names = names_path(&w->store);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	store_release(&w->store);
	ok(tree_remove(AT_FDCWD, w->root));
	free(w->names);
	free(w);
	return 0;
}

/* What a program would get: "address name-of-address", or "-" where there is none. */
static void assert_resolves(const struct world *w, const char *host, const char *expected)
{
	struct lookup_address address = { 0 };
	struct lookup_label label, back;
	char text[128] = "-";

	if (lookup_split(host, &label) &&
	    lookup_by_name(w->names, geteuid(), &label, &address) == LOOKUP_FOUND) {
		const uint8_t *b = address.byte;
		bool reverse =
			lookup_by_address(w->names, geteuid(), &address, &back) == LOOKUP_FOUND;

		snprintf(text, sizeof(text), "%u.%u.%u.%u %s", b[0], b[1], b[2], b[3],
			 reverse ? back.text : "-");
	}
	assert_string_equal(text, expected);
}

static void what_is_published_resolves_until_it_is_withdrawn(void **state)
{
	struct world *w = *state;

	assert_resolves(w, "web.vm", "-");
	ok(names_publish(&w->store, "web", "172.30.0.9"));
	ok(names_publish(&w->store, "a-1", "10.200.255.0"));
	assert_resolves(w, "web.vm", "172.30.0.9 web");
	assert_resolves(w, "WEB.Vm.", "172.30.0.9 web");
	assert_resolves(w, "a-1.vm", "10.200.255.0 a-1");
	ok(names_publish(&w->store, "web", "172.30.0.10"));
	assert_resolves(w, "web.vm", "172.30.0.10 web");
	ok(names_withdraw(&w->store, "web"));
	ok(names_withdraw(&w->store, "web"));
	assert_resolves(w, "web.vm", "-");
	assert_resolves(w, "a-1.vm", "10.200.255.0 a-1");
}

static void a_stale_address_leads_to_no_name(void **state)
{
	struct world *w = *state;
	struct lookup_address address = { { 172, 30, 0, 9 } };
	struct lookup_label label;

	ok(names_publish(&w->store, "web", "172.30.0.9"));
	ok(names_publish(&w->store, "web", "172.30.0.10"));
	assert_int_equal(lookup_by_address(w->names, geteuid(), &address, &label), LOOKUP_ABSENT);
	/* The address is another VM's now: withdrawing the first one leaves it alone. */
	ok(names_publish(&w->store, "old", "172.30.0.11"));
	ok(names_publish(&w->store, "new", "172.30.0.11"));
	ok(names_withdraw(&w->store, "old"));
	assert_resolves(w, "new.vm", "172.30.0.11 new");
}

static void names_are_for_everybody_and_nothing_else_is(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *file = xasprintf("%s/web", w->names);
	AUTO_FREE char *vms = xasprintf("%s/vms", w->root);
	mode_t before = umask(077);
	struct stat st;

	ok(names_publish(&w->store, "web", "172.30.0.9"));
	umask(before);
	assert_int_equal(stat(w->root, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0711);
	assert_int_equal(stat(w->names, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0711);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_int_equal(stat(vms, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void names_that_are_not_ours_open_no_file(void **state)
{
	static const char *const others[] = {
		"", ".", "vm", ".vm", "web", "web.vm.example.org", "a.b.vm", "-web.vm", "web-.vm",
		"../../etc/passwd.vm", "web\n.vm", "172.30.0.9", "web.vmx", "w\xc3\xa9.vm", "..vm",
		"web.vm..",
	};
	struct lookup_label label;
	char longest[LOOKUP_LABEL_MAX + 8];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (lookup_split(others[i], &label))
			fail_msg("'%s' is taken for a VM's name", others[i]);
	memset(longest, 'a', LOOKUP_LABEL_MAX);
	snprintf(longest + LOOKUP_LABEL_MAX, 8, ".vm");
	assert_true(lookup_split(longest, &label));
	snprintf(longest + LOOKUP_LABEL_MAX, 8, "a.vm");
	assert_false(lookup_split(longest, &label));
}

static void broken_files_are_no_answer(void **state)
{
	static const char *const contents[] = {
		"", "\n", "172.30.0.9", "172.30.0\n", "172.30.0.256\n", "172.30.0.09\n",
		"172.30.0.9\n\n", "172.30.0.9 \n", "172.30.0.9.1\n", "+1.2.3.4\n", "1..2.3\n",
		"1000.1.1.1\n",
	};
	struct world *w = *state;
	AUTO_FD dir = -1;

	ok(names_publish(&w->store, "web", "172.30.0.9"));
	ok(dir_open(AT_FDCWD, w->names, &dir));
	for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
		ok(file_write_volatile(dir, "web", contents[i], strlen(contents[i]), 0644));
		assert_resolves(w, "web.vm", "-");
	}
}

static void files_that_others_could_write_are_no_answer(void **state)
{
	struct world *w = *state;
	struct lookup_address address;
	struct lookup_label label;
	AUTO_FD dir = -1;

	ok(names_publish(&w->store, "web", "172.30.0.9"));
	ok(dir_open(AT_FDCWD, w->names, &dir));
	assert_int_equal(symlinkat("web", dir, "link"), 0);
	assert_resolves(w, "link.vm", "-");
	assert_int_equal(mkfifoat(dir, "pipe", 0644), 0);
	assert_resolves(w, "pipe.vm", "-");
	assert_int_equal(fchmodat(dir, "web", 0666, 0), 0);
	assert_resolves(w, "web.vm", "-");
	assert_int_equal(fchmodat(dir, "web", 0644, 0), 0);
	assert_resolves(w, "web.vm", "172.30.0.9 web");
	assert_int_equal(fchmod(dir, 0777), 0);
	assert_resolves(w, "web.vm", "-");
	assert_int_equal(fchmod(dir, 0711), 0);
	assert_true(lookup_split("web.vm", &label));
	assert_int_equal(lookup_by_name(w->names, geteuid() + 1, &label, &address), LOOKUP_ABSENT);
}

static void no_free_descriptor_is_not_no_such_vm(void **state)
{
	struct world *w = *state;
	struct lookup_address address;
	struct lookup_label label;
	int taken[4096], n = 0;

	ok(names_publish(&w->store, "web", "172.30.0.9"));
	assert_true(lookup_split("web.vm", &label));
	while (n < 4096 && (taken[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	if (n < 4096)
		assert_int_equal(lookup_by_name(w->names, geteuid(), &label, &address),
				 LOOKUP_FAILED);
	while (n)
		close(taken[--n]);
}

static void only_labels_and_addresses_are_published(void **state)
{
	struct world *w = *state;
	static const char *const bad[][2] = {
		{ "../x", "1.2.3.4" }, { "UP", "1.2.3.4" }, { "web", "1.2.3" }, { "web", "::1" },
		{ "web", "../../x" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_FAULT f = names_publish(&w->store, bad[i][0], bad[i][1]);

		assert_non_null(f);
		assert_int_equal(fault_kind(f), F_INVALID);
	}
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_published_resolves_until_it_is_withdrawn),
		TEST(a_stale_address_leads_to_no_name),
		TEST(names_are_for_everybody_and_nothing_else_is),
		TEST(names_that_are_not_ours_open_no_file),
		TEST(broken_files_are_no_answer),
		TEST(files_that_others_could_write_are_no_answer),
		TEST(no_free_descriptor_is_not_no_such_vm),
		TEST(only_labels_and_addresses_are_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
