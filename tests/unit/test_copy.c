/* SPDX-License-Identifier: MIT */
/* Copying out of a guest whose agent lies: a stub that answers with whatever a test gives it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/file.h"
#include "guest/frame.h"
#include "guest/tree.h"
#include "vm/copy.h"

#include "faults.h"

#define WAIT_MS 20000

static char top[64];
static int top_fd = -1;

/* What the stub says: to "kind", to "get", and how "get" ends. */
static const char *kind_answer = "file\n";
static struct buf archive;
static uint32_t get_status;
static const char *get_error = "";
static pid_t stub;

/* ---------------------------------------------------------------------------------------- stub */

static struct frame next(int fd, struct buf *in, size_t *taken)
{
	struct frame f;
	size_t used;

	buf_drop(in, *taken);
	*taken = 0;
	for (;;) {
		ssize_t n;

		if (frame_parse(in->data, in->len, &f, &used) == FRAME_COMPLETE) {
			*taken = used;
			return f;
		}
		buf_drop(in, used);
		n = read(fd, buf_grow(in, 65536), 65536);
		if (n <= 0)
			_exit(0);
		in->len += (size_t)n;
	}
}

static void answer(const char *word, struct buf *b)
{
	if (!strcmp(word, "kind")) {
		frame_add(b, FRAME_STDOUT, 0, kind_answer, strlen(kind_answer));
		frame_add_exit(b, FRAME_EXITED, 0, "");
		return;
	}
	for (size_t at = 0; at < archive.len; at += FRAME_DATA_MAX)
		frame_add(b, FRAME_STDOUT, 0, archive.data + at,
			  archive.len - at < FRAME_DATA_MAX ? archive.len - at : FRAME_DATA_MAX);
	if (*get_error)
		frame_add(b, FRAME_STDERR, 0, get_error, strlen(get_error));
	frame_add_exit(b, FRAME_EXITED, get_status, "");
}

static void __attribute__((noreturn)) play(int listener)
{
	int fd = accept(listener, NULL, NULL);
	struct buf in = BUF_INIT;
	size_t taken = 0;

	alarm(60);
	for (;;) {
		struct frame f = next(fd, &in, &taken);
		struct frame_hello hello;
		struct frame_exec exec;
		struct buf b = BUF_INIT;

		if (f.type == FRAME_HELLO && frame_hello(&f, &hello)) {
			hello.version = hello.other = FRAME_VERSION;
			frame_add_hello(&b, FRAME_HELLO_ACK, &hello);
		} else if (f.type == FRAME_EXEC && frame_exec(f.data, f.len, &exec)) {
			answer(exec.argv.v[0], &b);
		}
		for (size_t at = 0; at < b.len;) {
			ssize_t n = write(fd, b.data + at, b.len - at);

			if (n <= 0)
				_exit(0);
			at += (size_t)n;
		}
	}
}

static struct guest *start(void)
{
	const struct guest_address address = { GUEST_VIRTIO, top };
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct guest *g = NULL;
	struct fault *f;

	snprintf(name.sun_path, sizeof(name.sun_path), "%s/agent.0", top);
	unlink(name.sun_path);
	assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(listener, 1), 0);
	stub = fork();
	if (!stub)
		play(listener);
	close(listener);
	f = guest_connect(&address, WAIT_MS, NULL, NULL, &g);
	if (f)
		fail_msg("%s", fault_message(f));
	return g;
}

static void stop(struct guest *g)
{
	guest_close(g);
	kill(stub, SIGKILL);
	waitpid(stub, NULL, 0);
}

/* --------------------------------------------------------------------------------------- archive */

static struct fault *to_archive(void *context, const void *data, size_t len)
{
	(void)context;
	buf_add(&archive, data, len);
	return NULL;
}

static const struct tar_sink sink = { to_archive, NULL };

static void add(struct tar_writer *w, enum tar_kind kind, const char *path, const char *text)
{
	struct tar_item item = { .kind = kind, .path = path, .link = "", .mode = 06755 };

	if (kind == TAR_FILE)
		item.size = strlen(text);
	else
		item.link = text;
	must(tar_writer_add(w, &item, NULL, 0));
	if (kind == TAR_FILE)
		must(tar_writer_data(w, text, strlen(text)));
}

/* A first entry "report" and a second one. */
static void build(enum tar_kind kind, const char *path, const char *text)
{
	struct tar_writer *w = tar_writer_new(&sink);

	buf_clear(&archive);
	add(w, TAR_FILE, "report", "new");
	if (path)
		add(w, kind, path, text);
	must(tar_writer_finish(w));
	tar_writer_free(w);
}

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/banger-test-copy.XXXXXX");
	assert_non_null(mkdtemp(top));
	must(dir_open(AT_FDCWD, top, &top_fd));
	assert_int_equal(mkdirat(top_fd, "home", 0700), 0);
	kind_answer = "file\n";
	get_status = 0;
	get_error = "";
	buf_init(&archive);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(top_fd);
	buf_release(&archive);
	must(tree_remove(AT_FDCWD, top));
	return 0;
}

static struct fault *copy_out(const char *guest_path, const char *host)
{
	AUTO_FREE char *path = xasprintf("%s/%s", top, host);
	struct vm_copy c = { .host = path, .guest = guest_path };
	struct guest *g = start();
	struct fault *f = vm_copy_out(g, &c);

	free(c.notice);
	stop(g);
	return f;
}

static void expect(struct fault *f, enum fault_kind kind)
{
	if (!f)
		fail_msg("no fault");
	if (fault_kind(f) != kind)
		fail_msg("%s: %s", fault_kind_name(fault_kind(f)), fault_message(f));
	fault_free(f);
}

static size_t names_in(const char *name)
{
	struct strings names = { 0 };
	AUTO_FD fd = -1;
	size_t n;

	must(dir_open(top_fd, name, &fd));
	must(dir_names(fd, name, &names));
	n = names.n;
	strings_release(&names);
	return n;
}

/* ----------------------------------------------------------------------------------------- tests */

static void an_honest_guest_gives_the_file_without_set_id_bits(void **state)
{
	struct stat st;

	(void)state;
	build(TAR_FILE, NULL, NULL);
	must(copy_out("/srv/report", "home"));
	assert_int_equal(fstatat(top_fd, "home/report", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(names_in("home"), 1);
}

static void what_was_not_asked_for_is_refused(void **state)
{
	static const char *const paths[] = { ".bashrc", ".ssh/authorized_keys", "report2", "reports/x",
					     "../evil", "/etc/evil", "report/../.bashrc" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		build(TAR_FILE, paths[i], "evil");
		expect(copy_out("/srv/report", "home"), F_CORRUPT);
		assert_int_equal(names_in("home"), 1);
	}
	assert_int_equal(names_in("."), 3); /* home and the stub's socket and lock */
}

static void a_link_does_not_lead_out(void **state)
{
	AUTO_FREE char *outside = xasprintf("%s/outside", top);
	struct tar_writer *w;

	(void)state;
	assert_int_equal(mkdir(outside, 0700), 0);
	w = tar_writer_new(&sink);
	buf_clear(&archive);
	add(w, TAR_SYMLINK, "report", outside);
	add(w, TAR_FILE, "report/evil", "evil");
	must(tar_writer_finish(w));
	tar_writer_free(w);
	kind_answer = "directory\n";
	{
		struct fault *f = copy_out("/srv/report", "home");

		assert_non_null(f);
		fault_free(f);
	}
	assert_int_equal(names_in("outside"), 0);
	build(TAR_HARDLINK, "report/hard", "../outside/x");
	{
		struct fault *f = copy_out("/srv/report", "home");

		assert_non_null(f);
		fault_free(f);
	}
	assert_int_equal(names_in("outside"), 0);
}

static void removals_are_refused(void **state)
{
	struct tar_writer *w = tar_writer_new(&sink);

	(void)state;
	must(file_write_volatile(top_fd, "home-file", "x", 1, 0600));
	buf_clear(&archive);
	must(tar_writer_remove(w, "report"));
	must(tar_writer_finish(w));
	tar_writer_free(w);
	expect(copy_out("/srv/report", "home"), F_CORRUPT);
}

static void a_cut_archive_leaves_what_was_there(void **state)
{
	AUTO_BUF old = BUF_INIT;
	AUTO_FD home = -1;
	size_t whole;

	(void)state;
	must(dir_open(top_fd, "home", &home));
	must(file_write_volatile(home, "report", "old", 3, 0600));
	build(TAR_FILE, NULL, NULL);
	whole = archive.len;
	for (size_t len = 0; len <= 512; len += 256) {
		struct fault *f;

		build(TAR_FILE, NULL, NULL);
		archive.len = len;
		f = copy_out("/srv/report", "home/report");
		assert_non_null(f);
		fault_free(f);
	}
	assert_true(whole > 512);
	must(file_read(home, "report", 100, &old));
	assert_string_equal(old.data, "old");
	assert_int_equal(names_in("home"), 1);
}

static void garbage_and_refusals_are_faults(void **state)
{
	struct fault *f;

	(void)state;
	buf_adds(&archive, "this is no archive at all, and it goes on for a while");
	f = copy_out("/srv/report", "home");
	assert_non_null(f);
	fault_free(f);
	build(TAR_FILE, NULL, NULL);
	get_status = 1;
	get_error = "no \033[31mway\n";
	f = copy_out("/srv/report", "home");
	assert_non_null(f);
	assert_null(strchr(fault_message(f), '\033'));
	fault_free(f);
	kind_answer = "banana\n";
	expect(copy_out("/srv/report", "home"), F_GUEST);
	kind_answer = "absent\n";
	expect(copy_out("/srv/report", "home"), F_NOT_FOUND);
	kind_answer = "other\n";
	expect(copy_out("/srv/report", "home"), F_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_honest_guest_gives_the_file_without_set_id_bits,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_not_asked_for_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_link_does_not_lead_out, setup, teardown),
		cmocka_unit_test_setup_teardown(removals_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cut_archive_leaves_what_was_there, setup, teardown),
		cmocka_unit_test_setup_teardown(garbage_and_refusals_are_faults, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
