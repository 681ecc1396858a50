/* SPDX-License-Identifier: MIT */
/* Sections [file_sync NAME]: what is accepted, and what is read for them. */
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
#include "guest/tree.h"
#include "store/file_sync.h"
#include "vm/file_sync.h"

#include "faults.h"

static char top[64], home[96];
static int top_fd = -1;

static void expect(struct fault *f, enum fault_kind kind, const char *part)
{
	if (!f)
		fail_msg("no fault with '%s'", part);
	if (fault_kind(f) != kind || !strstr(fault_message(f), part))
		fail_msg("wanted '%s', got %s: %s", part, fault_kind_name(fault_kind(f)),
			 fault_message(f));
	fault_free(f);
}

static void put(const char *name, const char *text, mode_t mode)
{
	AUTO_FD fd = openat(top_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	must(file_write_all(fd, text, strlen(text), name));
	assert_int_equal(fchmod(fd, mode), 0);
}

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/test_file_sync.XXXXXX");
	assert_non_null(mkdtemp(top));
	must(dir_open(AT_FDCWD, top, &top_fd));
	snprintf(home, sizeof(home), "%s/home", top);
	assert_int_equal(mkdir(home, 0700), 0);
	setenv("HOME", home, 1);
	unsetenv("SUDO_UID");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(top_fd);
	must(tree_remove(AT_FDCWD, top));
	return 0;
}

static struct fault *read_config(struct config *config, const char *text, const char *name)
{
	return config_read_text(config, text, strlen(text), name);
}

static void refused(const char *text, const char *part)
{
	struct config config;

	config_defaults(&config, 2, GIB);
	expect(read_config(&config, text, "x.conf"), F_INVALID, part);
	config_release(&config);
}

static void bad_sections_are_refused_with_their_name_and_line(void **state)
{
	(void)state;
	refused("[file_sync]\nhost = ~/a\n", "x.conf:1: a section [file_sync] needs a name");
	refused("[file_sync a/b]\n", "x.conf:1: [file_sync a/b]");
	refused("[file_sync ..]\n", "x.conf:1: [file_sync ..]");
	refused("[file_sync a]\nhost = \n", "x.conf:2: [file_sync a]: 'host' is empty");
	refused("[file_sync a]\nhost = etc/passwd\n", "x.conf:2: [file_sync a]: host 'etc/passwd'");
	refused("[file_sync a]\nhost = ~/../x\n", "has '.' or '..'");
	refused("[file_sync a]\nhost = ~root/x\n", "only your own home");
	refused("[file_sync a]\nhost = /etc/passwd\n", "is not in your home");
	refused("[file_sync a]\nhost = ~/\n", "your whole home");
	refused("[file_sync a]\nguest = /etc/x\n", "x.conf:2: [file_sync a]: guest '/etc/x' is not below");
	refused("[file_sync a]\nguest = /rootless/x\n", "is not below");
	refused("[file_sync a]\nguest = ~/\n", "is not below");
	refused("[file_sync a]\nguest = ~/a/../../etc\n", "has '.' or '..'");
	refused("[file_sync a]\nmode = 9\n", "mode '9'");
	refused("[file_sync a]\nmode = 0o600\n", "mode '0o600'");
	refused("[file_sync a]\nmode = 4755\n", "mode '4755'");
	refused("[file_sync a]\nowner = me\n", "there is no setting 'owner'");
	refused("[file_sync a]\nhost = ~/a\n", "x.conf:1: [file_sync a] has no 'guest'");
	refused("[file_sync a]\n[defaults]\n", "has no 'host'");
	refused("[file_sync a]\nhost=~/a\nguest=~/a\n[file_sync a]\n", "x.conf:4: [file_sync a] is there twice");
}

static void good_sections_are_read_and_a_later_file_wins(void **state)
{
	AUTO_FREE char *text = xasprintf("[file_sync a]\nhost = %s//sub/f\nguest = /root//x/y/\n"
					 "mode = 644\n[file_sync b]\nhost = ~/b\nguest = ~/b\n", home);
	const struct file_sync *list;
	struct config config;

	(void)state;
	config_defaults(&config, 2, GIB);
	must(read_config(&config, text, "one.conf"));
	list = config.file_sync.v;
	assert_int_equal(config.file_sync.n, 2);
	assert_string_equal(list[0].guest, "x/y");
	assert_int_equal(list[0].mode, 0644);
	assert_int_equal(list[1].mode, 0600);
	must(read_config(&config, "[file_sync a]\nhost = ~/other\nguest = ~/z\n", "two.conf"));
	list = config.file_sync.v;
	assert_int_equal(config.file_sync.n, 2);
	assert_string_equal(list[0].host, "~/other");
	assert_int_equal(list[0].mode, 0600);
	assert_string_equal(list[0].origin, "two.conf:1");
	config_release(&config);
}

static struct fault *pack(const char *text, struct records *files)
{
	struct config config;
	struct fault *f;

	config_defaults(&config, 2, GIB);
	must(read_config(&config, text, "x.conf"));
	f = file_sync_pack(&config, NULL, files);
	config_release(&config);
	return f;
}

/* Unpack archive @i into directory out/. */
static void unpack(const struct records *files, size_t i)
{
	const struct seed_archive_file *list = files->v;
	struct tree_unpack options = { 0 };
	struct tar_reader *r;
	AUTO_FD fd = -1;
	AUTO_FD out = -1;

	must(file_write_volatile(top_fd, "a.tar", list[i].content.data, list[i].content.len, 0600));
	fd = openat(top_fd, "a.tar", O_RDONLY | O_CLOEXEC);
	must(dir_make(top_fd, "out", 0700, &out));
	r = tar_reader_new_fd(fd, "a.tar");
	must(tree_unpack(out, r, &options));
	tar_reader_free(r);
}

static void files_get_the_sections_mode_and_trees_keep_theirs(void **state)
{
	struct records files;
	struct stat st;

	(void)state;
	put("home/f", "one", 0755);
	assert_int_equal(mkdirat(top_fd, "home/d", 0750), 0);
	put("home/d/x", "two", 0751);
	put("secret", "no", 0644);
	assert_int_equal(symlinkat("../../secret", top_fd, "home/d/link"), 0);
	assert_int_equal(mkfifoat(top_fd, "home/d/pipe", 0600), 0);
	must(pack("[file_sync f]\nhost=~/f\nguest=~/.f\n[file_sync none]\nhost=~/none\nguest=~/n\n"
		  "[file_sync d]\nhost=~/d\nguest=~/e/d\n", &files));
	assert_int_equal(files.n, 2);
	unpack(&files, 0);
	unpack(&files, 1);
	assert_int_equal(fstatat(top_fd, "out/.f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(fstatat(top_fd, "out/e/d", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(fstatat(top_fd, "out/e/d/x", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0751);
	assert_int_equal(faccessat(top_fd, "out/e/d/link", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(faccessat(top_fd, "out/e/d/pipe", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	seed_files_release(&files);
}

static void lesson_56_links_out_of_the_home_are_refused(void **state)
{
	struct records files;

	(void)state;
	put("secret", "no", 0644);
	assert_int_equal(symlinkat("../secret", top_fd, "home/out"), 0);
	expect(pack("[file_sync o]\nhost=~/out\nguest=~/o\n", &files), F_DENIED,
	       "[file_sync o]: '~/out' leads out of your home");
	/* One that stays at home is what people with dotfiles have. */
	put("home/real", "yes", 0644);
	assert_int_equal(symlinkat("real", top_fd, "home/in"), 0);
	must(pack("[file_sync i]\nhost=~/in\nguest=~/i\n", &files));
	assert_int_equal(files.n, 1);
	unpack(&files, 0);
	seed_files_release(&files);
	assert_int_equal(mkfifoat(top_fd, "home/pipe", 0600), 0);
	expect(pack("[file_sync p]\nhost=~/pipe\nguest=~/p\n", &files), F_INVALID,
	       "neither a file nor a directory");
}

static void too_much_is_refused(void **state)
{
	struct records files;
	AUTO_FD fd = -1;

	(void)state;
	fd = openat(top_fd, "home/big", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, FILE_SYNC_BYTES_MAX + 1), 0);
	{
		struct fault *f = pack("[file_sync b]\nhost=~/big\nguest=~/b\n", &files);

		assert_non_null(f);
		assert_non_null(strstr(fault_message(f), "[file_sync b]"));
		fault_free(f);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(bad_sections_are_refused_with_their_name_and_line),
		TEST(good_sections_are_read_and_a_later_file_wins),
		TEST(files_get_the_sections_mode_and_trees_keep_theirs),
		TEST(lesson_56_links_out_of_the_home_are_refused),
		TEST(too_much_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
