/* SPDX-License-Identifier: MIT */
/*
 * The client against a stub of QEMU and agent: a child that listens where QEMU would and plays a
 * script, honest or hostile.
 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/cancel.h"
#include "guest/client.h"
#include "guest/frame.h"

#define WAIT_MS 5000

static char directory[] = "/tmp/banger-test-client.XXXXXX";

/* ---------------------------------------------------------------------------------------- stub */

struct stub {
	int listener, fd;
	struct buf in;
	size_t taken;
};

typedef void script(struct stub *s);

static void stub_read(struct stub *s)
{
	ssize_t n = read(s->fd, buf_grow(&s->in, 65536), 65536);

	if (n <= 0)
		_exit(0); /* the client has gone: the script is over */
	s->in.len += (size_t)n;
}

/* The next frame from the client. */
static struct frame stub_next(struct stub *s)
{
	struct frame f;
	size_t used;

	buf_drop(&s->in, s->taken);
	s->taken = 0;
	for (;;) {
		enum frame_result r = frame_parse(s->in.data, s->in.len, &f, &used);

		if (r == FRAME_COMPLETE) {
			s->taken = used;
			return f;
		}
		if (r == FRAME_MALFORMED)
			_exit(9);
		buf_drop(&s->in, used);
		stub_read(s);
	}
}

static struct frame stub_expect(struct stub *s, enum frame_type type)
{
	struct frame f = stub_next(s);

	while (f.type != type)
		f = stub_next(s);
	return f;
}

static void stub_send(struct stub *s, const struct buf *b)
{
	for (size_t at = 0; at < b->len;) {
		ssize_t n = write(s->fd, b->data + at, b->len - at);

		if (n <= 0)
			_exit(0);
		at += (size_t)n;
	}
}

static void stub_greet(struct stub *s)
{
	AUTO_BUF b = BUF_INIT;
	struct frame f = stub_expect(s, FRAME_HELLO);
	struct frame_hello hello;

	if (!frame_hello(&f, &hello))
		_exit(8);
	hello.version = hello.other = FRAME_VERSION;
	frame_add_hello(&b, FRAME_HELLO_ACK, &hello);
	stub_send(s, &b);
}

/* Start a stub on port 0; returns its pid. */
static pid_t stub_start(script *play)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stub s = { .listener = socket(AF_UNIX, SOCK_STREAM, 0), .in = BUF_INIT };
	pid_t pid;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/agent.0", directory);
	unlink(address.sun_path);
	assert_int_equal(bind(s.listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(s.listener, 1), 0);
	pid = fork();
	if (!pid) {
		alarm(30);
		s.fd = accept(s.listener, NULL, NULL);
		play(&s);
		for (;;)
			stub_read(&s);
	}
	close(s.listener);
	return pid;
}

static void stub_stop(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
}

static struct guest *must_connect(void)
{
	const struct guest_address address = { GUEST_VIRTIO, directory };
	struct guest *g = NULL;
	struct fault *f = guest_connect(&address, WAIT_MS, NULL, NULL, &g);

	if (f)
		fail_msg("%s", fault_message(f));
	return g;
}

static void expect_fault(struct fault *f, enum fault_kind kind)
{
	assert_non_null(f);
	if (fault_kind(f) != kind)
		fail_msg("%s: %s", fault_kind_name(fault_kind(f)), fault_message(f));
	fault_free(f);
}

/* -------------------------------------------------------------------------------- honest agent */

static const char *const argv_true[] = { "true", NULL };

struct streams {
	int in[2], out[2], err[2];
};

static void streams_open(struct streams *s)
{
	assert_int_equal(pipe(s->in) | pipe(s->out) | pipe(s->err), 0);
}

static void streams_close(struct streams *s)
{
	for (int i = 0; i < 2; i++) {
		fd_close(s->in[i]);
		fd_close(s->out[i]);
		fd_close(s->err[i]);
	}
}

static struct guest_exec exec_of(const struct streams *s)
{
	return (struct guest_exec){
		.argv = argv_true, .in = -1, .out = s->out[1], .err = s->err[1], .resize_fd = -1
	};
}

static void play_exit_42(struct stub *s)
{
	AUTO_BUF b = BUF_INIT;

	stub_greet(s);
	stub_expect(s, FRAME_EXEC);
	frame_add_u32(&b, FRAME_STARTED, 7);
	frame_add(&b, FRAME_STDOUT, 0, "out", 3);
	frame_add(&b, FRAME_STDERR, 0, "err!", 4);
	frame_add_exit(&b, FRAME_EXITED, 42, "");
	stub_send(s, &b);
}

static void streams_and_status_arrive(void **state)
{
	pid_t pid = stub_start(play_exit_42);
	struct guest *g = must_connect();
	struct guest_status status;
	struct streams s;
	struct guest_exec e;
	char text[16];

	(void)state;
	streams_open(&s);
	e = exec_of(&s);
	assert_null(guest_exec_run(g, &e, &status));
	assert_int_equal(status.how, GUEST_EXITED);
	assert_int_equal(guest_exit_code(&status), 42);
	assert_int_equal(read(s.out[0], text, sizeof(text)), 3);
	assert_memory_equal(text, "out", 3);
	assert_int_equal(read(s.err[0], text, sizeof(text)), 4);
	assert_memory_equal(text, "err!", 4);
	streams_close(&s);
	guest_close(g);
	stub_stop(pid);
}

/* The agent gives credit for what it got; the client never has more than a window under way. */
static void play_echo(struct stub *s)
{
	size_t under_way = 0, total = 0;

	stub_greet(s);
	stub_expect(s, FRAME_EXEC);
	for (;;) {
		AUTO_BUF b = BUF_INIT;
		struct frame f = stub_next(s);

		if (f.type == FRAME_STDIN_EOF)
			break;
		if (f.type != FRAME_STDIN)
			_exit(7);
		under_way += f.len;
		total += f.len;
		if (under_way > FRAME_STDIN_WINDOW)
			_exit(6);
		frame_add(&b, FRAME_STDOUT, 0, f.data, f.len);
		if (under_way > FRAME_STDIN_WINDOW / 2) {
			frame_add_u32(&b, FRAME_CREDIT, (uint32_t)under_way);
			under_way = 0;
		}
		stub_send(s, &b);
	}
	AUTO_BUF b = BUF_INIT;

	frame_add_exit(&b, FRAME_EXITED, total == 3000000 ? 0 : 1, "");
	stub_send(s, &b);
}

static pid_t feed(int fd, size_t bytes)
{
	pid_t pid = fork();
	char block[10000];

	if (pid)
		return pid;
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * 7);
	for (size_t at = 0; at < bytes; at += sizeof(block))
		if (write(fd, block, sizeof(block)) != sizeof(block))
			_exit(1);
	_exit(0);
}

static void input_is_windowed_and_whole(void **state)
{
	pid_t pid = stub_start(play_echo), feeder;
	struct guest *g = must_connect();
	struct guest_status status;
	FILE *file = tmpfile();
	struct streams s;
	struct guest_exec e;

	(void)state;
	streams_open(&s);
	feeder = feed(s.in[1], 3000000);
	fd_close(s.in[1]);
	s.in[1] = -1;
	e = exec_of(&s);
	e.in = s.in[0];
	e.out = fileno(file);
	assert_null(guest_exec_run(g, &e, &status));
	assert_int_equal(guest_exit_code(&status), 0);
	assert_int_equal(lseek(e.out, 0, SEEK_END), 3000000);
	waitpid(feeder, NULL, 0);
	fclose(file);
	streams_close(&s);
	guest_close(g);
	stub_stop(pid);
}

static void play_deaf_then_hello(struct stub *s)
{
	AUTO_BUF b = BUF_INIT;
	struct frame_hello hello;
	bool found = false;

	/* As an agent that is in the middle of a frame of the former client. */
	while (s->in.len < RESYNC_PADDING + 36)
		stub_read(s);
	buf_drop(&s->in, 36 + 1000);
	buf_drop(&s->in, frame_find_hello(s->in.data, s->in.len, FRAME_HELLO, NULL, &found));
	if (!found)
		_exit(5);
	struct frame f = stub_next(s);

	if (!frame_hello(&f, &hello))
		_exit(4);
	/* What the former client did not read comes first, cut at both ends. */
	frame_add(&b, FRAME_STDOUT, 0, "stale output of another", 23);
	buf_drop(&b, 5);
	frame_add_exit(&b, FRAME_EXITED, 1, "");
	frame_add(&b, FRAME_STDOUT, 0, "cut", 3);
	b.len -= 2;
	hello.version = 1;
	frame_add_hello(&b, FRAME_HELLO_ACK, &hello);
	stub_send(s, &b);
	stub_expect(s, FRAME_PING);
	buf_clear(&b);
	/* The answer to the first hello, late. */
	frame_add_hello(&b, FRAME_HELLO_ACK, &hello);
	frame_add_empty(&b, FRAME_PONG);
	stub_send(s, &b);
}

static void finds_its_place_after_another_client(void **state)
{
	pid_t pid = stub_start(play_deaf_then_hello);
	struct guest *g = must_connect();
	struct fault *f;

	(void)state;
	f = guest_ping(g, WAIT_MS);
	if (f)
		fail_msg("%s", fault_message(f));
	guest_close(g);
	stub_stop(pid);
}

static void play_failures(struct stub *s)
{
	static const enum frame_exit_kind kinds[] = { FRAME_NOT_FOUND, FRAME_NOT_EXECUTABLE,
						      FRAME_FAILED, FRAME_SIGNALLED };

	stub_greet(s);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		AUTO_BUF b = BUF_INIT;

		stub_expect(s, FRAME_EXEC);
		frame_add_exit(&b, kinds[i], kinds[i] == FRAME_SIGNALLED ? 9 : 0, "why\x1b[2J");
		stub_send(s, &b);
	}
}

static void failures_have_their_codes_and_clean_reasons(void **state)
{
	static const int codes[] = { 127, 126, 125, 128 + 9 };
	pid_t pid = stub_start(play_failures);
	struct guest *g = must_connect();
	struct streams s;

	(void)state;
	streams_open(&s);
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct guest_exec e = exec_of(&s);
		struct guest_status status;

		assert_null(guest_exec_run(g, &e, &status));
		assert_int_equal(guest_exit_code(&status), codes[i]);
		assert_string_equal(status.message, "why\\x1b[2J");
		free(status.message);
	}
	streams_close(&s);
	guest_close(g);
	stub_stop(pid);
}

/* --------------------------------------------------------------------------------- time limits */

static void play_silence(struct stub *s)
{
	stub_greet(s);
	stub_expect(s, FRAME_EXEC);
}

static void time_limit_is_kept_on_the_host(void **state)
{
	pid_t pid = stub_start(play_silence);
	struct guest *g = must_connect();
	struct guest_status status;
	struct streams s;
	struct guest_exec e;

	(void)state;
	streams_open(&s);
	e = exec_of(&s);
	e.in = s.in[0]; /* open, and nobody ever writes to it */
	e.timeout_ms = 100;
	assert_null(guest_exec_run(g, &e, &status));
	assert_int_equal(status.how, GUEST_TIMED_OUT);
	assert_int_equal(guest_exit_code(&status), 124);
	streams_close(&s);
	guest_close(g);
	stub_stop(pid);
}

static void play_flood(struct stub *s)
{
	AUTO_FREE char *block = xcalloc(1, 60000);
	AUTO_BUF b = BUF_INIT;

	stub_greet(s);
	stub_expect(s, FRAME_EXEC);
	frame_add(&b, FRAME_STDOUT, 0, block, 60000);
	for (int i = 0; i < 100; i++)
		stub_send(s, &b);
	_exit(2); /* the client takes more than it can pass on */
}

/* Nobody reads the output: the pipe fills, and the time limit still fires. */
static void blocked_output_does_not_stop_the_clock(void **state)
{
	pid_t pid = stub_start(play_flood);
	struct guest *g = must_connect();
	struct guest_status status;
	struct streams s;
	struct guest_exec e;

	(void)state;
	streams_open(&s);
	e = exec_of(&s);
	e.timeout_ms = 300;
	assert_null(guest_exec_run(g, &e, &status));
	assert_int_equal(status.how, GUEST_TIMED_OUT);
	streams_close(&s);
	guest_close(g);
	stub_stop(pid);
}

static void play_flood_of_errors(struct stub *s)
{
	AUTO_FREE char *block = xcalloc(1, 60000);
	AUTO_BUF b = BUF_INIT;

	stub_greet(s);
	stub_expect(s, FRAME_EXEC);
	memset(block, 'e', 60000);
	frame_add(&b, FRAME_STDERR, 0, block, 60000);
	frame_add(&b, FRAME_STDOUT, 0, block, 60000);
	for (int i = 0; i < 100; i++)
		stub_send(s, &b);
	buf_clear(&b);
	frame_add_exit(&b, FRAME_EXITED, 1, "");
	stub_send(s, &b);
}

/* What 'vm proxy' does: only the beginning of what the guest says is kept, and output may go nowhere. */
static void a_flood_of_errors_is_kept_to_its_beginning(void **state)
{
	pid_t pid = stub_start(play_flood_of_errors);
	struct guest *g = must_connect();
	struct guest_status status;
	AUTO_BUF err = BUF_INIT;
	struct guest_exec e = { .argv = argv_true, .builtin = true, .in = -1, .out = -1, .err = -1,
				.err_text = &err, .resize_fd = -1, .timeout_ms = WAIT_MS };

	(void)state;
	assert_null(guest_exec_run(g, &e, &status));
	assert_int_equal(guest_exit_code(&status), 1);
	assert_int_equal(err.len, GUEST_ERR_TEXT_MAX);
	guest_close(g);
	stub_stop(pid);
}

static void closed_output_ends_as_a_broken_pipe(void **state)
{
	pid_t pid = stub_start(play_flood);
	struct guest *g = must_connect();
	struct guest_status status;
	struct streams s;
	struct guest_exec e;

	(void)state;
	streams_open(&s);
	fd_close(s.out[0]);
	s.out[0] = -1;
	e = exec_of(&s);
	assert_null(guest_exec_run(g, &e, &status));
	assert_int_equal(guest_exit_code(&status), 128 + SIGPIPE);
	streams_close(&s);
	guest_close(g);
	stub_stop(pid);
}

static void play_nothing(struct stub *s)
{
	(void)s;
}

static bool count_down(void *context)
{
	return --*(int *)context > 0;
}

static void nobody_answers_the_hello(void **state)
{
	const struct guest_address address = { GUEST_VIRTIO, directory };
	pid_t pid = stub_start(play_nothing);
	struct guest *g;
	int lives = 3;

	(void)state;
	expect_fault(guest_connect(&address, 300, NULL, NULL, &g), F_TIMEOUT);
	expect_fault(guest_connect(&address, WAIT_MS, count_down, &lives, &g), F_GUEST);
	stub_stop(pid);
}

static void all_ports_taken_is_said(void **state)
{
	const struct guest_address address = { GUEST_VIRTIO, directory };
	int locks[GUEST_PORTS];
	struct guest *g;

	(void)state;
	for (int i = 0; i < GUEST_PORTS; i++) {
		AUTO_FREE char *path = xasprintf("%s/agent.%d.lock", directory, i);

		locks[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		assert_int_equal(flock(locks[i], LOCK_EX), 0);
	}
	expect_fault(guest_connect(&address, WAIT_MS, NULL, NULL, &g), F_BUSY);
	for (int i = 0; i < GUEST_PORTS; i++)
		close(locks[i]);
}

/* -------------------------------------------------------------------------------------- hostile */

static struct buf hostile_bytes = BUF_INIT;

static void play_hostile(struct stub *s)
{
	stub_greet(s);
	stub_expect(s, FRAME_EXEC);
	stub_send(s, &hostile_bytes);
}

/* Run a command against an agent that answers @hostile_bytes. */
static struct fault *run_hostile(void)
{
	pid_t pid = stub_start(play_hostile);
	struct guest *g = must_connect();
	struct guest_status status = { 0 };
	struct streams s;
	struct guest_exec e;
	struct fault *f;

	streams_open(&s);
	e = exec_of(&s);
	e.timeout_ms = 2000;
	f = guest_exec_run(g, &e, &status);
	if (!f && status.how == GUEST_TIMED_OUT)
		fail_msg("the client waited");
	streams_close(&s);
	guest_close(g);
	stub_stop(pid);
	buf_release(&hostile_bytes);
	return f;
}

static void garbage_is_a_guest_fault(void **state)
{
	(void)state;
	buf_adds(&hostile_bytes, "HTTP/1.1 200 OK");
	expect_fault(run_hostile(), F_GUEST);
}

static void over_long_frame_is_a_guest_fault(void **state)
{
	(void)state;
	buf_add(&hostile_bytes, "\xb6\x0d\0\0\xff\xff\xff\xff", 8);
	expect_fault(run_hostile(), F_GUEST);
}

static void two_exits_are_a_guest_fault(void **state)
{
	(void)state;
	frame_add_exit(&hostile_bytes, FRAME_EXITED, 0, "");
	frame_add_exit(&hostile_bytes, FRAME_EXITED, 0, "");
	expect_fault(run_hostile(), F_GUEST);
}

static void output_after_the_exit_is_a_guest_fault(void **state)
{
	(void)state;
	frame_add_exit(&hostile_bytes, FRAME_EXITED, 0, "");
	frame_add(&hostile_bytes, FRAME_STDOUT, 0, "x", 1);
	expect_fault(run_hostile(), F_GUEST);
}

static void frames_out_of_place_are_a_guest_fault(void **state)
{
	static const enum frame_type types[] = { FRAME_HELLO, FRAME_EXEC, FRAME_OK, FRAME_PONG,
						 FRAME_HELLO_ACK, FRAME_STDIN };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		frame_add_empty(&hostile_bytes, types[i]);
		expect_fault(run_hostile(), F_GUEST);
	}
}

static void credit_that_was_not_owed_is_a_guest_fault(void **state)
{
	(void)state;
	frame_add_u32(&hostile_bytes, FRAME_CREDIT, 1);
	expect_fault(run_hostile(), F_GUEST);
}

static void impossible_status_is_a_guest_fault(void **state)
{
	(void)state;
	frame_add(&hostile_bytes, FRAME_EXIT, 0, "\0\0\0\0\0\1\0\0\0\0\0\0", 12);
	expect_fault(run_hostile(), F_GUEST);
}

static void an_error_of_the_agent_is_shown(void **state)
{
	struct fault *f;

	(void)state;
	frame_add_text(&hostile_bytes, FRAME_ERROR, "it fell over\n");
	f = run_hostile();
	assert_non_null(f);
	assert_non_null(strstr(fault_message(f), "it fell over\\x0a"));
	expect_fault(f, F_GUEST);
}

static void play_hang_up(struct stub *s)
{
	stub_greet(s);
	stub_expect(s, FRAME_EXEC);
	_exit(0);
}

static void a_machine_that_ends_is_a_guest_fault(void **state)
{
	pid_t pid = stub_start(play_hang_up);
	struct guest *g = must_connect();
	struct guest_status status;
	struct streams s;
	struct guest_exec e;

	(void)state;
	streams_open(&s);
	e = exec_of(&s);
	expect_fault(guest_exec_run(g, &e, &status), F_GUEST);
	streams_close(&s);
	guest_close(g);
	stub_stop(pid);
}

static void play_wrong_version(struct stub *s)
{
	AUTO_BUF b = BUF_INIT;
	struct frame f = stub_expect(s, FRAME_HELLO);
	struct frame_hello hello;

	if (!frame_hello(&f, &hello))
		_exit(8);
	hello.version = 0;
	hello.other = 77;
	frame_add_hello(&b, FRAME_HELLO_ACK, &hello);
	stub_send(s, &b);
}

static void an_agent_of_another_version_is_named(void **state)
{
	const struct guest_address address = { GUEST_VIRTIO, directory };
	pid_t pid = stub_start(play_wrong_version);
	struct guest *g;
	struct fault *f = guest_connect(&address, WAIT_MS, NULL, NULL, &g);

	(void)state;
	assert_non_null(f);
	assert_non_null(strstr(fault_message(f), "77"));
	expect_fault(f, F_UNSUPPORTED);
	stub_stop(pid);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	const struct guest_address address = {
		GUEST_VIRTIO, "/tmp/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	};
	struct guest *g;

	(void)state;
	expect_fault(guest_connect(&address, 100, NULL, NULL, &g), F_INVALID);
}

/* ------------------------------------------------------------------------------------- signals */

static void play_signal(struct stub *s)
{
	AUTO_BUF b = BUF_INIT;
	struct frame f;
	uint32_t number = 0;

	stub_greet(s);
	stub_expect(s, FRAME_EXEC);
	kill(getppid(), SIGTERM);
	f = stub_expect(s, FRAME_SIGNAL);
	if (!frame_u32(&f, &number))
		_exit(3);
	frame_add_exit(&b, FRAME_SIGNALLED, number, "");
	stub_send(s, &b);
}

static void the_first_signal_is_the_commands(void **state)
{
	pid_t pid = stub_start(play_signal);
	struct guest *g = must_connect();
	struct guest_status status;
	struct streams s;
	struct guest_exec e;

	(void)state;
	streams_open(&s);
	e = exec_of(&s);
	assert_null(guest_exec_run(g, &e, &status));
	assert_int_equal(guest_exit_code(&status), 128 + SIGTERM);
	streams_close(&s);
	guest_close(g);
	stub_stop(pid);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < GUEST_PORTS; i++) {
		AUTO_FREE char *lock = xasprintf("%s/agent.%d.lock", directory, i);
		AUTO_FREE char *path = xasprintf("%s/agent.%d", directory, i);

		unlink(lock);
		unlink(path);
	}
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_and_status_arrive),
		cmocka_unit_test(input_is_windowed_and_whole),
		cmocka_unit_test(finds_its_place_after_another_client),
		cmocka_unit_test(failures_have_their_codes_and_clean_reasons),
		cmocka_unit_test(time_limit_is_kept_on_the_host),
		cmocka_unit_test(blocked_output_does_not_stop_the_clock),
		cmocka_unit_test(a_flood_of_errors_is_kept_to_its_beginning),
		cmocka_unit_test(closed_output_ends_as_a_broken_pipe),
		cmocka_unit_test(nobody_answers_the_hello),
		cmocka_unit_test(all_ports_taken_is_said),
		cmocka_unit_test(garbage_is_a_guest_fault),
		cmocka_unit_test(over_long_frame_is_a_guest_fault),
		cmocka_unit_test(two_exits_are_a_guest_fault),
		cmocka_unit_test(output_after_the_exit_is_a_guest_fault),
		cmocka_unit_test(frames_out_of_place_are_a_guest_fault),
		cmocka_unit_test(credit_that_was_not_owed_is_a_guest_fault),
		cmocka_unit_test(impossible_status_is_a_guest_fault),
		cmocka_unit_test(an_error_of_the_agent_is_shown),
		cmocka_unit_test(a_machine_that_ends_is_a_guest_fault),
		cmocka_unit_test(an_agent_of_another_version_is_named),
		cmocka_unit_test(a_path_that_is_too_long_is_refused),
		cmocka_unit_test(the_first_signal_is_the_commands), /* last: it stays noted */
	};

	cancel_install();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
