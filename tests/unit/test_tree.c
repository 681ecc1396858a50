/* SPDX-License-Identifier: MIT */
/* Trees as tar streams: there and back, read and written by GNU tar, and archives that lie. */
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
#include "guest/tree.h"
#include "host/spawn.h"

#include "faults.h"

static char top[] = "/tmp/banger-test-tree.XXXXXX";
static int top_fd = -1;

static void must_fail(struct fault *f, enum fault_kind kind, const char *part)
{
	if (!f)
		fail_msg("expected a fault with '%s'", part);
	if (fault_kind(f) != kind || !strstr(fault_message(f), part))
		fail_msg("expected %d '%s', got %d '%s'", (int)kind, part, (int)fault_kind(f),
			 fault_message(f));
	fault_free(f);
}

static void run(const char *const *argv)
{
	struct spawn s = { .argv = argv, .cwd = top, SPAWN_INIT };

	must(spawn_run(&s, NULL, 0));
}
#define RUN(...) run((const char *const[]){ __VA_ARGS__, NULL })
#define SH(script) RUN("sh", "-ec", script)

static int directory(const char *name)
{
	int fd;

	if (mkdirat(top_fd, name, 0755))
		fail_msg("mkdir %s", name);
	must(dir_open(top_fd, name, &fd));
	return fd;
}

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/banger-test-tree.XXXXXX");
	assert_non_null(mkdtemp(top));
	must(dir_open(AT_FDCWD, top, &top_fd));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fd_close(top_fd);
	must(tree_remove(AT_FDCWD, top));
	return 0;
}

static void pack(const char *from, const char *archive)
{
	AUTO_FD fd = openat(top_fd, archive, O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct tree_pack options = { .as = "" };
	struct tar_writer *w = tar_writer_new_fd(fd);
	AUTO_FD dir = -1;

	must(dir_open(top_fd, from, &dir));
	must(tree_pack(w, dir, ".", &options));
	must(tar_writer_finish(w));
	tar_writer_free(w);
}

static struct fault *unpack_with(const char *archive, const char *to, struct tree_unpack *options)
{
	AUTO_FD fd = openat(top_fd, archive, O_RDONLY);
	struct tar_reader *r = tar_reader_new_fd(fd, "the archive");
	AUTO_FD dir = -1;
	struct fault *f;

	assert_true(fd >= 0);
	must(dir_open(top_fd, to, &dir));
	f = tree_unpack(dir, r, options);
	tar_reader_free(r);
	return f;
}

static struct fault *unpack(const char *archive, const char *to)
{
	return unpack_with(archive, to, &(struct tree_unpack){ .allow_remove = true });
}

/* Names, types, modes, sizes, times and link targets of a tree; contents by diff. */
#define SAME(a, b)                                                                                 \
	SH("list() { (cd $1 && find . -mindepth 1 -printf '%P %y %m %s %T@ %l\\0' | sort -z); };"   \
	   "[ -n \"$(list " a " | tr '\\0' '\\n')\" ] &&"                                           \
	   "list " a " > a.list && list " b " > b.list && cmp a.list b.list && "                    \
	   "diff -r --no-dereference " a " " b)

#define MAKE_TREE                                                                                  \
	"mkdir -p src/deep/er src/empty; cd src; echo one > 'a b'; printf 'x\\r\\n' > crlf;"       \
	"printf 'n' > \"new\nline\"; : > nothing; head -c 300000 /dev/urandom > deep/er/big;"      \
	"ln -s ../../../etc/passwd deep/out; ln -s loop loop; chmod 4755 'a b'; chmod 000 nothing;" \
	"touch -d '1965-01-01 00:00:00' crlf; touch -d '2031-05-06 07:08:09.123456789' deep/er/big;" \
	"n=$(printf 'n%.0s' $(seq 200)); mkdir -p $n/$n; echo long > $n/$n/file;"                  \
	"ln -s $n/$n/$n longlink; truncate -s 5M holes; printf data |"                             \
	"dd of=holes bs=1 seek=2000000 conv=notrunc status=none; chmod 0555 deep; cd ..;"

static void test_there_and_back(void **state)
{
	struct stat st;

	(void)state;
	SH(MAKE_TREE);
	fd_close(directory("to"));
	pack("src", "tar");
	must(unpack("tar", "to"));
	SAME("src", "to");
	assert_int_equal(fstatat(top_fd, "to/holes", &st, 0), 0);
	assert_true(st.st_blocks * 512 < 1000000);
	/* And once more over what is there. */
	SH("echo changed > to/crlf; rm to/loop; chmod u+w to/deep; rm to/deep/out; echo f > to/deep/out");
	must(unpack("tar", "to"));
	SAME("src", "to");
}

static void test_gnu_tar_reads_and_is_read(void **state)
{
	(void)state;
	SH(MAKE_TREE);
	pack("src", "tar");
	SH("mkdir gnu; tar -C gnu -xpf tar");
	SAME("src", "gnu");
	for (int i = 0; i < 3; i++) {
		static const char *const make[] = {
			"tar -C src --format=gnu -cf tar .",
			"tar -C src --format=posix -cf tar .",
			"tar -C src --format=posix --sparse -cf tar .",
		};

		run((const char *const[]){ "sh", "-ec", make[i], NULL });
		SH("rm -rf to; mkdir to");
		must(unpack("tar", "to"));
		/* GNU's own format has whole seconds. */
		if (i)
			SAME("src", "to");
		else
			SH("diff -r --no-dereference src to");
	}
}

static void test_removal(void **state)
{
	AUTO_FD fd = -1;
	struct tar_writer *w;

	(void)state;
	fd_close(directory("to"));
	SH("mkdir -p to/d/e to/x/y; echo a > to/d/e/f; echo z > to/x/y/z; echo b > to/gone; echo c > to/kept; ln -s kept to/link");
	fd = openat(top_fd, "tar", O_RDWR | O_CREAT, 0600);
	w = tar_writer_new_fd(fd);
	must(tar_writer_remove(w, "d"));
	must(tar_writer_remove(w, "gone"));
	must(tar_writer_remove(w, "link"));
	must(tar_writer_remove(w, "never/was"));
	must(tar_writer_remove(w, "x/y/z"));
	must(tar_writer_add(w, &(struct tar_item){ .kind = TAR_FILE, .path = "d", .size = 2,
						   .mode = 0600 }, NULL, 0));
	must(tar_writer_data(w, "hi", 2));
	must(tar_writer_finish(w));
	tar_writer_free(w);
	must_fail(unpack_with("tar", "to", &(struct tree_unpack){ 0 }), F_CORRUPT, "removal");
	SH("test -e to/gone -a -e to/d/e/f");
	must(unpack("tar", "to"));
	SH("test \"$(ls to | tr '\\n' ' ')\" = 'd kept '; test \"$(cat to/d)\" = hi");
}

/* ------------------------------------------------------------------------------ archives that lie */

static void one_entry(enum tar_kind kind, const char *path, const char *link)
{
	AUTO_FD fd = openat(top_fd, "tar", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct tar_writer *w = tar_writer_new_fd(fd);

	must(tar_writer_add(w, &(struct tar_item){ .kind = kind, .path = path, .link = link,
						   .size = kind == TAR_FILE ? 1 : 0, .mode = 0644 },
			    NULL, 0));
	if (kind == TAR_FILE)
		must(tar_writer_data(w, "x", 1));
	must(tar_writer_finish(w));
	tar_writer_free(w);
}

static void test_names_stay_below(void **state)
{
	static const char *const names[] = { "/etc/x", "../x", "a/../../x", "a/..", "..", "a//b",
					     "./../x", "a/./b" };

	(void)state;
	fd_close(directory("to"));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		one_entry(TAR_FILE, names[i], NULL);
		must_fail(unpack("tar", "to"), F_CORRUPT, "no name below");
		one_entry(TAR_REMOVE, names[i], NULL);
		must_fail(unpack("tar", "to"), F_CORRUPT, "no name below");
		one_entry(TAR_HARDLINK, "h", names[i]);
		must_fail(unpack("tar", "to"), F_CORRUPT, "no name below");
	}
	SH("test -z \"$(ls -A to)\"; test ! -e x");
}

static void test_links_lead_nowhere(void **state)
{
	(void)state;
	fd_close(directory("to"));
	SH("mkdir out; echo safe > out/victim");
	one_entry(TAR_SYMLINK, "l", "../out");
	must(unpack("tar", "to"));
	one_entry(TAR_FILE, "l/victim", NULL);
	must_fail(unpack("tar", "to"), F_CORRUPT, "is a link");
	one_entry(TAR_HARDLINK, "h", "l/victim");
	must_fail(unpack("tar", "to"), F_CORRUPT, "is a link");
	one_entry(TAR_REMOVE, "l/victim", NULL);
	must(unpack("tar", "to"));
	one_entry(TAR_DIRECTORY, "l/", NULL);
	must_fail(unpack("tar", "to"), F_EXISTS, "no directory");
	/* Through the link itself: it is replaced, not followed. */
	one_entry(TAR_SYMLINK, "l", "../out/victim");
	must(unpack("tar", "to"));
	one_entry(TAR_FILE, "l", NULL);
	must(unpack("tar", "to"));
	SH("test \"$(cat out/victim)\" = safe; test ! -L to/l; test \"$(cat to/l)\" = x");
}

static void test_limits(void **state)
{
	(void)state;
	fd_close(directory("to"));
	SH("mkdir src; head -c 5000 /dev/zero > src/a; head -c 5000 /dev/zero > src/b");
	pack("src", "tar");
	must_fail(unpack_with("tar", "to", &(struct tree_unpack){ .max_bytes = 9999 }), F_CORRUPT,
		  "'b': there is more");
	must_fail(unpack_with("tar", "to", &(struct tree_unpack){ .max_bytes = 4999 }), F_CORRUPT,
		  "'a' is larger");
	must_fail(unpack_with("tar", "to", &(struct tree_unpack){ .max_entries = 1 }), F_CORRUPT,
		  "more than the 1 entries");
	must(unpack_with("tar", "to", &(struct tree_unpack){ .max_bytes = 10000,
							     .max_entries = 2 }));
	SH("test -z \"$(find to -name '.banger*')\"");
}

/* Every prefix of an archive is a fault, and every byte changed is a fault or an ordinary archive. */
static void test_cut_and_changed(void **state)
{
	AUTO_BUF whole = BUF_INIT;

	(void)state;
	fd_close(directory("to"));
	SH("mkdir src; echo one > src/a; ln -s t src/l; mkdir src/d;"
	   "truncate -s 70000 src/h; printf e >> src/h");
	pack("src", "tar");
	must(file_read(top_fd, "tar", 1 << 20, &whole));
	for (size_t len = 0; len < whole.len - 512; len += 101) {
		must(file_write_volatile(top_fd, "cut", whole.data, len, 0600));
		must_fail(unpack("cut", "to"), F_CORRUPT, "ends in the middle");
	}
	for (size_t at = 0; at < whole.len; at += 7) {
		struct fault *f;

		whole.data[at] = (char)(whole.data[at] ^ 0x55);
		must(file_write_volatile(top_fd, "changed", whole.data, whole.len, 0600));
		f = unpack("changed", "to");
		whole.data[at] = (char)(whole.data[at] ^ 0x55);
		fault_free(f);
	}
	SH("test -z \"$(find to -name '.banger*')\"");
}

static void test_names(void **state)
{
	static const struct {
		const char *path, *name;
	} cases[] = {
		{ "a", "a" }, { "./a", "a" }, { ".///a/", "a" }, { "a/b//", "a/b" },
		{ ".", "" }, { "./", "" }, { "././.", "" }, { "...", "..." }, { "/", NULL },
		{ "", NULL }, { "a/.", NULL }, { "..", NULL }, { "//", NULL }, { "./..", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_FREE char *name = NULL;
		struct fault *f = tree_name(cases[i].path, &name);

		if (!cases[i].name)
			must_fail(f, F_CORRUPT, "no name below");
		else if (f || strcmp(name, cases[i].name))
			fail_msg("'%s' became '%s'", cases[i].path,
				 f ? fault_message(f) : name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_there_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gnu_tar_reads_and_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_stay_below, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_lead_nowhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_and_changed, setup, teardown),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
