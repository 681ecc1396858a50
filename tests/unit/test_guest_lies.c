/* SPDX-License-Identifier: MIT */
/*
 * Every frame that a guest sends while files are put, got and exported, told wrongly in every way: each run
 * ends by itself, either as if nothing had been said wrongly, where that does not matter, or with a sentence;
 * no file is there in part, none outside the directory.
 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/file.h"
#include "guest/channel.h"
#include "guest/tree.h"
#include "vm/workspace_export.h"

#include "faults.h"

#define LIMIT 120 /* seconds for one run, on a machine that is busy otherwise */
#define CHUNK 600

static char top[] = "/tmp/banger-test-lies.XXXXXX";
static int top_fd = -1;
static char *base_commit;
/* ms: short where waiting is the end of it, long where a busy machine may be slow */
static int connect_ms, silence_ms;

/* ---------------------------------------------------------------------------------------- lies */

/* The frames of a conversation, in the order in which they come. */
enum step { HELLO_ACK, STARTED, CREDIT, STDOUT, STDERR, EXIT, ERROR, PONG, STEPS };

static const struct {
	const char *name;
	enum frame_type type;
} steps[STEPS] = {
	[HELLO_ACK] = { "HELLO_ACK", FRAME_HELLO_ACK }, [STARTED] = { "STARTED", FRAME_STARTED },
	[CREDIT] = { "CREDIT", FRAME_CREDIT },		[STDOUT] = { "STDOUT", FRAME_STDOUT },
	[STDERR] = { "STDERR", FRAME_STDERR },		[EXIT] = { "EXIT", FRAME_EXIT },
	[ERROR] = { "ERROR", FRAME_ERROR },		[PONG] = { "PONG", FRAME_PONG },
};

enum how {
	HONEST, MISSING, EMPTY, SHORTER, LONGER, OTHER_BYTES, FLAGS, RESERVED, REPEATED, EARLY, LATE,
	LENGTH_MAX, LENGTH_TOO_MUCH, LENGTH_ABSURD, LENGTH_LESS, CLOSED_BEFORE, CLOSED_IN_HEADER,
	CLOSED_IN_DATA, CLOSED_AFTER, SILENT_BEFORE, SILENT_IN_HEADER, SILENT_IN_DATA, FLOOD, OTHER_TYPE,
	/* + 0 .. FRAME_TYPES: that type instead */
	HOWS = OTHER_TYPE + FRAME_TYPES + 1,
};

static const char *const how_names[] = {
	"honest", "missing", "without data", "one byte shorter", "one byte longer", "with other bytes",
	"with flags", "with a reserved byte", "repeated", "too early", "too late", "length: the longest",
	"length: more than that", "length: absurd", "length: less than there is", "closed before",
	"closed in the header", "closed in the data", "closed after", "silence before",
	"silence in the header", "silence in the data", "a thousand times", "of type",
};

struct lie {
	enum step at;
	int how;
	int exec; /* of the first or the second request */
};

/* ---------------------------------------------------------------------------------------- stub */

struct stub {
	int fd;
	struct buf in, held, archive;
	size_t taken;
	const struct lie *lie;
	int exec, pings;
	bool told; /* the lie */
	struct frame_hello hello;
};

static void stub_send(struct stub *s, const void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = send(s->fd, (const char *)data + at, len - at, MSG_NOSIGNAL);

		if (n <= 0)
			_exit(0); /* the host had enough */
		at += (size_t)n;
	}
}

static void stub_silence(void)
{
	for (;;)
		pause();
}

static void honest(struct stub *s, enum step step, struct buf *b)
{
	switch (step) {
	case HELLO_ACK:
		frame_add_hello(b, FRAME_HELLO_ACK, &s->hello);
		break;
	case STARTED:
		frame_add_u32(b, FRAME_STARTED, 7);
		break;
	case CREDIT:
		frame_add_u32(b, FRAME_CREDIT, 32768);
		break;
	case STDOUT:
		frame_add(b, FRAME_STDOUT, 0, s->archive.data,
			  s->archive.len < CHUNK ? s->archive.len : CHUNK);
		break;
	case STDERR:
		frame_add(b, FRAME_STDERR, 0, "a remark\n", 9);
		break;
	case EXIT:
		frame_add_exit(b, FRAME_EXITED, 0, "");
		break;
	case ERROR:
		frame_add_text(b, FRAME_ERROR, "a reason");
		break;
	default:
		frame_add_empty(b, FRAME_PONG);
	}
}

static void set_length(struct buf *b, uint32_t len)
{
	for (int i = 0; i < 4; i++)
		b->data[4 + i] = (char)(len >> 8 * i);
}

/* Frames are made anew where only their length or bytes differ; see the honest header's layout in frame.c. */
static void tell(struct stub *s, enum step step)
{
	int how = s->lie->how;
	AUTO_BUF b = BUF_INIT;
	AUTO_BUF old = BUF_INIT;
	uint32_t len;

	if (s->lie->how == EARLY && step == STARTED && s->lie->exec == s->exec && !s->told) {
		s->told = true;
		honest(s, s->lie->at, &old);
		stub_send(s, old.data, old.len);
	}
	honest(s, step, &b);
	len = (uint32_t)b.len - FRAME_HEADER;
	if (s->held.len) { /* LATE */
		buf_add(&b, s->held.data, s->held.len);
		buf_clear(&s->held);
	}
	if (step != s->lie->at || s->told || (step != HELLO_ACK && s->lie->exec != s->exec)) {
		stub_send(s, b.data, b.len);
		return;
	}
	s->told = true;
	switch (how) {
	case MISSING:
		return;
	case EMPTY:
		set_length(&b, 0);
		b.len = FRAME_HEADER;
		break;
	case SHORTER:
		set_length(&b, len ? len - 1 : 0);
		b.len -= len ? 1 : 0;
		break;
	case LONGER:
		set_length(&b, len + 1);
		buf_addc(&b, '\0');
		break;
	case OTHER_BYTES:
		for (size_t i = FRAME_HEADER; i < b.len; i++)
			b.data[i] = (char)~b.data[i];
		break;
	case FLAGS:
		b.data[2] = (char)0xff;
		break;
	case RESERVED:
		b.data[3] = 1;
		break;
	case REPEATED:
		stub_send(s, b.data, b.len);
		break;
	case LATE:
		buf_add(&s->held, b.data, b.len);
		return;
	case LENGTH_MAX:
		set_length(&b, FRAME_DATA_MAX);
		break;
	case LENGTH_TOO_MUCH:
		set_length(&b, FRAME_DATA_MAX + 1);
		break;
	case LENGTH_ABSURD:
		set_length(&b, UINT32_MAX);
		break;
	case LENGTH_LESS:
		set_length(&b, len / 2);
		break;
	case CLOSED_BEFORE:
	case CLOSED_IN_HEADER:
	case CLOSED_IN_DATA:
	case CLOSED_AFTER:
		stub_send(s, b.data, how == CLOSED_BEFORE	? 0
				     : how == CLOSED_IN_HEADER	? FRAME_HEADER / 2
				     : how == CLOSED_IN_DATA	? FRAME_HEADER + len / 2
								: b.len);
		_exit(0);
	case SILENT_BEFORE:
	case SILENT_IN_HEADER:
	case SILENT_IN_DATA:
		stub_send(s, b.data, how == SILENT_BEFORE	? 0
				     : how == SILENT_IN_HEADER	? FRAME_HEADER / 2
								: FRAME_HEADER + len / 2);
		stub_silence();
		break;
	case FLOOD:
		for (int i = 0; i < 1000; i++)
			stub_send(s, b.data, b.len);
		break;
	default:
		if (how >= OTHER_TYPE)
			b.data[1] = (char)(how - OTHER_TYPE);
	}
	stub_send(s, b.data, b.len);
}

static struct frame stub_next(struct stub *s)
{
	struct frame f;
	size_t used;

	buf_drop(&s->in, s->taken);
	s->taken = 0;
	while (frame_parse(s->in.data, s->in.len, &f, &used) != FRAME_COMPLETE) {
		ssize_t n;

		buf_drop(&s->in, used);
		n = read(s->fd, buf_grow(&s->in, 65536), 65536);
		if (n <= 0)
			_exit(0);
		s->in.len += (size_t)n;
	}
	s->taken = used;
	if (f.type == FRAME_OPERATION)
		return stub_next(s);
	if (f.type == FRAME_PING) {
		if (s->pings++ > 1) /* as long as it answers, the host has patience */
			stub_silence();
		tell(s, PONG);
		return s->lie->at == PONG ? f : stub_next(s);
	}
	return f;
}

/* One request: its input is taken with CREDIT, its output given. */
static void serve(struct stub *s)
{
	struct frame f = stub_next(s);
	struct frame_exec exec;

	while (f.type == FRAME_HELLO) /* the answer did not please */
		f = stub_next(s);
	if (f.type != FRAME_EXEC || !frame_exec(f.data, f.len, &exec))
		_exit(9);
	tell(s, STARTED);
	while (exec.want_stdin && (f = stub_next(s)).type != FRAME_STDIN_EOF) {
		AUTO_BUF b = BUF_INIT;

		if (f.type != FRAME_STDIN)
			_exit(7);
		if (f.len == 32768) {
			tell(s, CREDIT);
			continue;
		}
		frame_add_u32(&b, FRAME_CREDIT, (uint32_t)f.len);
		stub_send(s, b.data, b.len);
	}
	frame_exec_release(&exec);
	if (s->lie->at == PONG)
		stub_next(s); /* silence, until the host asks */
	tell(s, STDOUT);
	for (size_t at = CHUNK; at < s->archive.len; at += CHUNK) {
		AUTO_BUF b = BUF_INIT;

		frame_add(&b, FRAME_STDOUT, 0, s->archive.data + at,
			  s->archive.len - at < CHUNK ? s->archive.len - at : CHUNK);
		stub_send(s, b.data, b.len);
	}
	tell(s, STDERR);
	tell(s, s->lie->at == ERROR ? ERROR : EXIT);
	s->exec++;
}

static pid_t stub_start(const struct lie *lie, const struct buf *archives, int n)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stub s = { .lie = lie, .in = BUF_INIT, .held = BUF_INIT };
	struct frame f;
	pid_t pid;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/agent.0", top);
	unlink(address.sun_path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid) {
		close(listener);
		return pid;
	}
	alarm(LIMIT);
	s.fd = accept(listener, NULL, NULL);
	f = stub_next(&s);
	if (!frame_hello(&f, &s.hello))
		_exit(8);
	s.hello.version = s.hello.other = FRAME_VERSION;
	tell(&s, HELLO_ACK);
	while (s.exec < n) {
		s.archive = archives[s.exec];
		serve(&s);
	}
	_exit(0); /* the connection ends where the conversation does */
}

/* ---------------------------------------------------------------------------------------- runs */

static struct fault *to_buf(void *context, const void *data, size_t len)
{
	buf_add(context, data, len);
	return NULL;
}

static void make_archive(struct buf *b, const char *const *files)
{
	struct tar_writer *w = tar_writer_new(&(struct tar_sink){ to_buf, b });

	for (; *files; files += 2) {
		size_t len = strlen(files[1]);

		must(tar_writer_add(w, &(struct tar_item){ .path = files[0], .mode = 0644, .size = len },
				    NULL, 0));
		must(tar_writer_data(w, files[1], len));
	}
	must(tar_writer_finish(w));
	tar_writer_free(w);
}

static struct fault *connect_to_stub(struct guest **g)
{
	const struct guest_address address = { GUEST_VIRTIO, top };

	TRY(guest_connect(&address, connect_ms, NULL, NULL, g));
	(*g)->silence_ms = silence_ms;
	return NULL;
}

static char long_text[2001];
static const char *const got[] = { "x/a", "one", "x/b", long_text, NULL };

static struct fault *unpack(void *context, struct tar_reader *r)
{
	struct tree_unpack options = { .max_bytes = 1 << 20 };

	return tree_unpack(*(const int *)context, r, &options);
}

/* A file is whole or not there. */
static void check_directory(int dir)
{
	struct strings names = { 0 };

	must(dir_names(dir, "what came", &names));
	for (size_t i = 0; i < names.n; i++) {
		AUTO_BUF text = BUF_INIT;

		must(file_read(dir, names.v[i], 1 << 20, &text));
		if (!strcmp(names.v[i], "a"))
			assert_string_equal(text.data, "one");
		else if (!strcmp(names.v[i], "b"))
			assert_string_equal(text.data, long_text);
		else
			fail_msg("there is '%s'", names.v[i]);
	}
	strings_release(&names);
}

static struct fault *run_get(const struct lie *lie)
{
	struct guest_tree tree = { .path = "/x" };
	struct guest *g = NULL;
	AUTO_BUF archive = BUF_INIT;
	AUTO_FD dir = -1;
	AUTO_FD x = -1;
	struct fault *f;
	pid_t pid;

	make_archive(&archive, got);
	must(tree_remove(top_fd, "to"));
	assert_int_equal(mkdirat(top_fd, "to", 0755), 0);
	must(dir_open(top_fd, "to", &dir));
	pid = stub_start(lie, &archive, 1);
	f = connect_to_stub(&g);
	if (!f)
		f = guest_get(g, &tree, unpack, &dir);
	free(tree.notice);
	guest_close(g);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	if (!faccessat(dir, "x", F_OK, 0)) {
		must(dir_open(dir, "x", &x));
		check_directory(x);
	}
	return f;
}

static struct fault *produce(void *context, struct tar_writer *w)
{
	char data[30000] = "";

	(void)context;
	for (int i = 0; i < 20; i++) {
		TRY(tar_writer_add(w, &(struct tar_item){ .path = "x", .size = sizeof(data) }, NULL, 0));
		TRY(tar_writer_data(w, data, sizeof(data)));
	}
	return NULL;
}

static struct fault *run_put(const struct lie *lie)
{
	const struct buf nothing = BUF_INIT;
	struct guest_tree tree = { .path = "/x" };
	pid_t pid = stub_start(lie, &nothing, 1);
	struct guest *g = NULL;
	struct fault *f = connect_to_stub(&g);

	if (!f)
		f = guest_put(g, &tree, produce, NULL);
	free(tree.notice);
	guest_close(g);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return f;
}

static struct fault *run_export(const struct lie *lie)
{
	static const char *const files[] = { "a", "five\n", NULL };
	struct buf answers[2] = { BUF_INIT, BUF_INIT };
	struct workspace ws = WORKSPACE_INIT;
	struct workspace_export x = { .ws = &ws };
	struct fault *f;
	pid_t pid;

	buf_add(&answers[0], "M 100644 5 a", sizeof("M 100644 5 a"));
	make_archive(&answers[1], files);
	pid = stub_start(lie, answers, 2);
	f = connect_to_stub(&ws.guest);
	ws.git_dir = xasprintf("%s/vm/" VM_WORKSPACE_GIT, top);
	ws.vm.dir.path = xasprintf("%s/vm", top);
	ws.vm.dir.name = xstrdup("liar");
	must(dir_open(top_fd, "vm", &ws.vm.dir.fd));
	ws.vm.spec.workspace = (struct vm_workspace){ .source = xasprintf("%s/gone", top),
						      .guest_path = xstrdup("/root/repo"),
						      .base = xstrdup(base_commit),
						      .mode = xstrdup("full_copy") };
	if (!f)
		f = workspace_export(&ws, NULL, &x);
	workspace_export_release(&x);
	assert_int_equal(faccessat(ws.vm.dir.fd, "workspace-export", F_OK, 0), -1);
	ws.own_guest = true;
	workspace_close(&ws);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	buf_release(&answers[0]);
	buf_release(&answers[1]);
	return f;
}

static const struct {
	const char *name;
	struct fault *(*run)(const struct lie *lie);
	int execs;
} runs[] = { { "put", run_put, 1 }, { "get", run_get, 1 }, { "export", run_export, 2 } };

/* ------------------------------------------------------------------------------------- verdicts */

static void check_sentence(const char *what, const struct fault *f)
{
	const char *text = fault_message(f);

	if (strlen(text) < 10 || !strchr(text, ' '))
		fail_msg("%s: no sentence: '%s'", what, text);
	for (; *text; text++)
		if (!isprint((unsigned char)*text))
			fail_msg("%s: unprintable: '%s'", what, fault_message(f));
}

#define B(how)	(UINT64_C(1) << (how))
#define T(type) B(OTHER_TYPE + (type))
#define VAGUE	(B(MISSING) | B(EMPTY) | B(SHORTER) | B(LONGER) | B(OTHER_BYTES) | B(FLAGS))

/* What changes nothing, because nobody needs to believe it; everything else is a fault. */
static const struct {
	const char *runs;
	enum step at;
	uint64_t hows;
} harmless[] = {
	{ "put", HELLO_ACK, B(REPEATED) | B(EARLY) | B(FLOOD) },
	{ "put get export", STARTED, VAGUE | B(LATE) | B(LENGTH_LESS) | T(FRAME_STDERR) },
	{ "put", STARTED, T(FRAME_STDOUT) },
	{ "put", CREDIT, B(MISSING) | B(FLAGS) | B(LATE) | T(FRAME_STDOUT) | T(FRAME_STDERR) },
	{ "put", STDOUT, VAGUE | B(REPEATED) | B(EARLY) | B(LATE) | B(LENGTH_LESS) | B(FLOOD) |
			 T(FRAME_STDERR) },
	{ "get export", STDOUT, B(FLAGS) },
	/* A list of changed files may be short or say the same twice. */
	{ "export:0", STDOUT, B(MISSING) | B(EMPTY) | B(REPEATED) | B(EARLY) | B(LATE) | B(FLOOD) |
			      T(FRAME_STDERR) },
	/* An archive may be empty: what was on the list has gone since. */
	{ "export:1", STDOUT, B(MISSING) | B(EMPTY) | B(SHORTER) | B(LONGER) | B(LATE) },
	{ "put get", STDERR, VAGUE | B(REPEATED) | B(EARLY) },
	{ "put get", STDERR, T(FRAME_STDOUT) },
	{ "put get export", EXIT, B(FLAGS) },
	{ "put get export:1", EXIT, B(CLOSED_AFTER) },
	{ "export:0", EXIT, B(LATE) }, /* the first answer's end may come with the second's beginning */
	{ "put", PONG, VAGUE | B(LATE) | B(LENGTH_LESS) | T(FRAME_STDOUT) | T(FRAME_STDERR) },
};

/* @name: "put", "export:0" ...  A list has it, or the part before its colon. */
static bool is_in(const char *list, const char *name)
{
	size_t whole = strlen(name), part = strcspn(name, ":");

	for (; *list; list += strspn(list, " ")) {
		size_t n = strcspn(list, " ");

		if ((n == whole || n == part) && !strncmp(list, name, n))
			return true;
		list += n;
	}
	return false;
}

static bool is_harmless(const char *name, enum step at, int how)
{
	if (how == OTHER_TYPE + (int)steps[at].type)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(harmless); i++)
		if (harmless[i].at == at && harmless[i].hows & B(how) && is_in(harmless[i].runs, name))
			return true;
	return false;
}

/* What comes after the end is seen or not: both are well. */
static bool is_chance(enum step at, int how)
{
	return (at == EXIT && (how == REPEATED || how == FLOOD || how == EARLY)) ||
	       (at == STDERR && how == LATE);
}

static bool is_told(size_t run, enum step at, int how)
{
	if (run == 0)
		return true;
	if (at == HELLO_ACK || at == CREDIT || at == PONG) /* the same for all, and only where there is input */
		return false;
	/* An export runs many programs, and differs in what it makes of the answers only. */
	return run == 1 || (how < OTHER_TYPE && at != STDERR && at != ERROR);
}

static void tell_one(size_t run, const struct lie *lie)
{
	bool type = lie->how >= OTHER_TYPE;
	AUTO_FREE char *name = runs[run].execs > 1 ? xasprintf("%s:%d", runs[run].name, lie->exec)
						   : xstrdup(runs[run].name);
	AUTO_FREE char *number = xasprintf(" %d", lie->how - OTHER_TYPE);
	AUTO_FREE char *what = xasprintf("%s, %s %s%s", name, steps[lie->at].name,
					 how_names[type ? OTHER_TYPE : lie->how], type ? number : "");
	bool fine = is_harmless(name, lie->at, lie->how);
	struct fault *f;

	connect_ms = fine || lie->at != HELLO_ACK ? 20000 : 100;
	silence_ms = !fine ? 40 : lie->at == PONG ? 500 : 4000;
	alarm(LIMIT);
	f = runs[run].run(lie);
	alarm(0);
	if (!f && !fine && !is_chance(lie->at, lie->how))
		fail_msg("%s: was accepted", what);
	if (f && fine && lie->at != ERROR)
		fail_msg("%s: %s", what, fault_message(f));
	if (f)
		check_sentence(what, f);
	fault_free(f);
}

static void tell_all(size_t run)
{
	struct lie lie = { .how = HONEST };

	connect_ms = silence_ms = 20000;
	must(runs[run].run(&lie));
	for (lie.exec = 0; lie.exec < runs[run].execs; lie.exec++)
		for (lie.at = HELLO_ACK; lie.at < STEPS; lie.at++)
			for (lie.how = MISSING; lie.how < HOWS; lie.how++)
				if (is_told(run, lie.at, lie.how))
					tell_one(run, &lie);
}

static void test_put(void **state)
{
	(void)state;
	tell_all(0);
}

static void test_get(void **state)
{
	(void)state;
	tell_all(1);
}

static void test_export(void **state)
{
	(void)state;
	tell_all(2);
}

static int setup(void **state)
{
	struct git_import_stream s;
	AUTO_FREE char *path = NULL;
	struct git git;

	(void)state;
	memset(long_text, 'y', sizeof(long_text) - 1);
	assert_non_null(mkdtemp(top));
	must(dir_open(AT_FDCWD, top, &top_fd));
	assert_int_equal(mkdirat(top_fd, "vm", 0700), 0);
	path = xasprintf("%s/vm/" VM_WORKSPACE_GIT, top);
	git = (struct git){ .git_dir = path };
	must(git_make(path, NULL));
	must(git_stream_begin(&s, path, NULL));
	must(git_stream_file(&s, 0100644, "a", 4));
	must(git_stream_data(&s, "one\n", 4));
	must(git_stream_commit(&s, &git, "incoming", &base_commit));
	git_stream_release(&s);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(base_commit);
	fd_close(top_fd);
	must(tree_remove(AT_FDCWD, top));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_export),
	};

	return cmocka_run_group_tests_name("guest_lies", tests, setup, teardown);
}
