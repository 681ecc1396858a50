/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "kernel/mirror.h"

struct world {
	char path[64];
	int dir, parts;
};

static int make_world(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	snprintf(w->path, sizeof(w->path), "/tmp/banger-apt-XXXXXX");
	assert_non_null(mkdtemp(w->path));
	assert_null(dir_open(AT_FDCWD, w->path, &w->dir));
	assert_null(dir_make(w->dir, "sources.list.d", 0755, &w->parts));
	*state = w;
	return 0;
}

static int drop_world(void **state)
{
	struct world *w = *state;

	close(w->dir);
	close(w->parts);
	assert_null(tree_remove(AT_FDCWD, w->path));
	free(w);
	return 0;
}

static void put(int dir, const char *name, const char *text)
{
	assert_null(file_write_atomic(dir, name, text, strlen(text), 0644));
}

static void expect(const struct world *w, const char *suite, const char *wanted)
{
	AUTO_FREE char *uri = NULL;

	assert_null(mirror_find_in(w->path, suite, &uri));
	assert_string_equal(uri, wanted);
}

static void test_nothing_configured(void **state)
{
	expect(*state, "bookworm", MIRROR_OFFICIAL);
	expect(*state, "bookworm-security", MIRROR_OFFICIAL_SECURITY);
	expect(&(struct world){ .path = "/nonexistent" }, "bookworm", MIRROR_OFFICIAL);
}

static void test_one_line(void **state)
{
	struct world *w = *state;

	put(w->dir, "sources.list",
	    "# deb http://commented.example/debian bookworm main\n"
	    "deb cdrom:[Debian 12]/ bookworm main\n"
	    "deb-src http://source.example/debian bookworm main\n"
	    "deb http://contrib.example/debian bookworm contrib\n"
	    "deb [arch=amd64 trusted=no]   http://mirror.example/debian/ bookworm main contrib # x\n"
	    "deb http://second.example/debian bookworm main\n"
	    "deb http://mirror.example/debian-security/ bookworm-security main\n");
	expect(w, "bookworm", "http://mirror.example/debian");
	expect(w, "bookworm-security", "http://mirror.example/debian-security");
}

static void test_deb822(void **state)
{
	struct world *w = *state;

	put(w->parts, "a.sources",
	    "Types: deb\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\n"
	    "Enabled: no\n\n"
	    "# comment\nTypes: deb deb-src\nURIs: file:/srv/debian\n https://on.example/debian/\n"
	    "Suites: bookworm\n# in between\n bookworm-updates\nComponents: contrib main\n"
	    "Signed-By:\n -----BEGIN\n .\n");
	put(w->parts, "ignored.sources.bak",
	    "Types: deb\nURIs: http://bak.example/debian\nSuites: trixie\nComponents: main\n");
	expect(w, "bookworm", "https://on.example/debian");
	expect(w, "trixie", "https://on.example/debian");
}

static void test_third_parties(void **state)
{
	struct world *w = *state;

	put(w->parts, "a.list",
	    "deb https://apt.vendor.example bookworm main\n"
	    "deb https://packages.vendor.example/debian/12/prod bookworm main\n");
	put(w->parts, "b.list", "deb https://repo.example/debian-remote bookworm main\n");
	expect(w, "bookworm", "https://repo.example/debian-remote");
	put(w->parts, "c.sources",
	    "Types: deb\nURIs: http://10.0.0.1/m\nSuites: bookworm\nComponents: main\n"
	    "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n");
	expect(w, "bookworm", "http://10.0.0.1/m");
}

static void test_other_distribution(void **state)
{
	struct world *w = *state;

	put(w->dir, "sources.list", "deb http://archive.example/ubuntu noble main\n");
	expect(w, "bookworm", MIRROR_OFFICIAL);
}

static void test_garbage(void **state)
{
	struct world *w = *state;

	put(w->dir, "sources.list", "deb [\ndeb\ndeb http://\ndeb http:// bookworm main\n[]\n\xff");
	put(w->parts, "x.sources", ":\n :\nURIs\nURIs:\n\n\nTypes:deb\nSuites:bookworm\n");
	assert_int_equal(mkdirat(w->parts, "dir.list", 0755), 0);
	expect(w, "bookworm", MIRROR_OFFICIAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_configured, make_world, drop_world),
		cmocka_unit_test_setup_teardown(test_one_line, make_world, drop_world),
		cmocka_unit_test_setup_teardown(test_deb822, make_world, drop_world),
		cmocka_unit_test_setup_teardown(test_third_parties, make_world, drop_world),
		cmocka_unit_test_setup_teardown(test_other_distribution, make_world, drop_world),
		cmocka_unit_test_setup_teardown(test_garbage, make_world, drop_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
