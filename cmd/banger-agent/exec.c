/* SPDX-License-Identifier: MIT */
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "agent.h"
#include "child.h"
#include "loop.h"
#include "session.h"

#define READ_MAX     32760 /* with its header one write of a virtio port (32 KiB) */
#define GRACE_MS     100
#define LATE_MAX     (1024 * 1024) /* most output after the exit; a grandchild may never end */
#define EOF_EVERY_MS 500
#define EOF_TIMES    20
#define CREDIT_BATCH (FRAME_STDIN_WINDOW / 4)

enum { IN, OUT, ERR, REPORT, STREAMS };

struct stream {
	struct watch watch;
	struct exec *exec;
	enum frame_type type; /* of its frames */
	int must;	      /* bytes that were in it when the child exited and are not read yet */
};

struct exec {
	struct exec_owner owner;
	struct stream streams[STREAMS];
	pid_t pid;
	bool tty, started, reaped, throttled, in_end;
	int wait_status;
	int64_t grace_end; /* after the exit: not waiting longer than this for more output */
	size_t late;	   /* bytes read after the exit */
	int64_t next_eof;  /* when to press the end-of-file key again; 0 = never */
	int eofs_left;
	struct buf input;
	uint32_t credit; /* disposed of and not told yet */
	char report[CHILD_REPORT_MAX + 1];
	size_t report_len;
};

static bool is_open(const struct stream *s)
{
	return s->watch.fd >= 0;
}

static void stream_close(struct stream *s)
{
	loop_want(&s->watch, 0);
	fd_close(s->watch.fd);
	s->watch.fd = -1;
	s->must = 0;
}

static void exec_free(struct exec *x)
{
	for (int i = 0; i < STREAMS; i++)
		stream_close(&x->streams[i]);
	buf_release(&x->input);
	free(x);
}

/* ------------------------------------------------------------------------------------- the end */

static bool output_pending(const struct exec *x, const struct stream *s)
{
	return is_open(s) && (s->must > 0 || now_ms() < x->grace_end ||
			      (x->throttled && x->late < LATE_MAX));
}

static void add_exit(struct exec *x)
{
	x->report[x->report_len] = '\0';
	if (x->report_len)
		frame_add_exit(x->owner.queue, (enum frame_exit_kind)x->report[0], 0,
			       x->report + 1);
	else if (WIFSIGNALED(x->wait_status))
		frame_add_exit(x->owner.queue, FRAME_SIGNALLED, WTERMSIG(x->wait_status), "");
	else
		frame_add_exit(x->owner.queue, FRAME_EXITED, WEXITSTATUS(x->wait_status), "");
}

/* True when @x has ended and is gone. */
static bool check_end(struct exec *x)
{
	if (!x->reaped || is_open(&x->streams[REPORT]) || output_pending(x, &x->streams[OUT]) ||
	    output_pending(x, &x->streams[ERR]))
		return false;
	add_exit(x);
	x->owner.ended(x->owner.context);
	exec_free(x);
	return true;
}

bool exec_reaped(struct exec *x, pid_t pid, int wait_status)
{
	if (x->pid != pid)
		return false;
	x->reaped = true;
	x->wait_status = wait_status;
	x->grace_end = now_ms() + GRACE_MS;
	for (int i = OUT; i <= ERR; i++)
		if (is_open(&x->streams[i]) &&
		    ioctl(x->streams[i].watch.fd, FIONREAD, &x->streams[i].must))
			x->streams[i].must = 0;
	check_end(x);
	return true;
}

/* -------------------------------------------------------------------------------------- output */

static void output_ready(void *context, uint32_t events)
{
	struct stream *s = context;
	struct exec *x = s->exec;
	char data[READ_MAX];
	ssize_t n = read(s->watch.fd, data, sizeof(data));

	(void)events;
	if (n > 0) {
		frame_add(x->owner.queue, s->type, 0, data, (size_t)n);
		s->must -= s->must > n ? (int)n : s->must;
		x->late += x->reaped ? (size_t)n : 0;
		x->owner.flush(x->owner.context);
	} else if (!n || (errno != EAGAIN && errno != EINTR)) {
		stream_close(s); /* a terminal without its other side gives EIO */
	} else {
		s->must = 0;
	}
	check_end(x);
}

void exec_throttle(struct exec *x, bool stop)
{
	if (x->throttled == stop)
		return;
	x->throttled = stop;
	if (x->reaped && !stop && x->late < LATE_MAX)
		x->grace_end = now_ms() + GRACE_MS; /* waiting for the client is not counted */
	for (int i = OUT; i <= ERR; i++)
		if (is_open(&x->streams[i]))
			loop_want(&x->streams[i].watch, stop ? 0 : EPOLLIN);
}

/* --------------------------------------------------------------------------------------- input */

static void give_credit(struct exec *x, size_t bytes)
{
	x->credit += (uint32_t)bytes;
	if (!x->credit || (x->input.len && x->credit < CREDIT_BATCH))
		return;
	frame_add_u32(x->owner.queue, FRAME_CREDIT, x->credit);
	x->credit = 0;
	x->owner.flush(x->owner.context);
}

/* Nobody reads it any more: the rest is thrown away, but still acknowledged. */
static void input_close(struct exec *x)
{
	size_t left = x->input.len;

	stream_close(&x->streams[IN]);
	buf_clear(&x->input);
	give_credit(x, left);
}

/*
 * A terminal has no end of file, only a key that makes the reader see one.  It is lost when a shell
 * that starts up changes the terminal's mode, so it is pressed again for a while.
 */
static void end_of_terminal(struct exec *x)
{
	const struct stream *s = &x->streams[OUT];
	struct termios t;
	char eof = 4;
	ssize_t ignored;

	if (!tcgetattr(s->watch.fd, &t) && t.c_cc[VEOF])
		eof = (char)t.c_cc[VEOF];
	ignored = is_open(s) ? write(s->watch.fd, &eof, 1) : 0;
	(void)ignored;
	x->next_eof = --x->eofs_left > 0 ? now_ms() + EOF_EVERY_MS : 0;
}

static void input_push(struct exec *x)
{
	struct stream *s = &x->streams[IN];

	while (x->input.len) {
		ssize_t n = write(s->watch.fd, x->input.data,
				  x->input.len < READ_MAX ? x->input.len : READ_MAX);

		if (n < 0 && errno == EAGAIN) {
			loop_want(&s->watch, EPOLLOUT);
			return;
		}
		if (n < 0) {
			input_close(x);
			return;
		}
		buf_drop(&x->input, (size_t)n);
		give_credit(x, (size_t)n);
	}
	loop_want(&s->watch, 0);
	if (!x->in_end)
		return;
	if (x->tty)
		end_of_terminal(x);
	input_close(x);
}

static void input_ready(void *context, uint32_t events)
{
	struct stream *s = context;

	(void)events;
	input_push(s->exec);
}

bool exec_input(struct exec *x, const char *data, size_t len)
{
	if (x->input.len + len > FRAME_STDIN_WINDOW || x->in_end)
		return false;
	if (!is_open(&x->streams[IN])) {
		give_credit(x, len);
		return true;
	}
	buf_add(&x->input, data, len);
	input_push(x);
	return true;
}

void exec_input_end(struct exec *x)
{
	x->in_end = true;
	if (is_open(&x->streams[IN]))
		input_push(x);
}

/* --------------------------------------------------------------------------------------- start */

static void report_ready(void *context, uint32_t events)
{
	struct stream *s = context;
	struct exec *x = s->exec;
	ssize_t n = read(s->watch.fd, x->report + x->report_len, CHILD_REPORT_MAX - x->report_len);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		x->report_len += (size_t)n;
		return;
	}
	stream_close(s);
	if (!x->report_len) {
		x->started = true;
		frame_add_u32(x->owner.queue, FRAME_STARTED, (uint32_t)x->pid);
		x->owner.flush(x->owner.context);
	}
	check_end(x);
}

static void stream_open(struct exec *x, int which, int fd, uint32_t events)
{
	struct stream *s = &x->streams[which];

	fcntl(fd, F_SETFL, O_NONBLOCK);
	s->watch.fd = fd;
	loop_want(&s->watch, events);
}

static struct exec *exec_new(const struct frame_exec *e, const struct exec_owner *owner)
{
	static void (*const ready[STREAMS])(void *, uint32_t) = { input_ready, output_ready,
								   output_ready, report_ready };
	struct exec *x = xcalloc(1, sizeof(*x));

	x->owner = *owner;
	x->tty = e->tty;
	x->eofs_left = EOF_TIMES;
	buf_init(&x->input);
	for (int i = 0; i < STREAMS; i++) {
		x->streams[i].watch = (struct watch){ -1, 0, ready[i], &x->streams[i] };
		x->streams[i].exec = x;
	}
	x->streams[OUT].type = FRAME_STDOUT;
	x->streams[ERR].type = FRAME_STDERR;
	return x;
}

static struct fault *start_on_tty(struct exec *x, const struct frame_exec *e,
				  const struct seed *seed, int *report)
{
	struct winsize size = { .ws_row = e->rows, .ws_col = e->columns };
	AUTO_FD master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	AUTO_FD slave = -1;
	AUTO_FD in = -1;
	int unlock = 0;

	if (master < 0)
		return fault_sys(F_SYS, "opening '/dev/ptmx'");
	if (ioctl(master, TIOCSPTLCK, &unlock))
		return fault_sys(F_SYS, "unlocking a terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	in = fcntl(master, F_DUPFD_CLOEXEC, 3);
	if (slave < 0 || in < 0)
		return fault_sys(F_SYS, "opening a terminal");
	ioctl(slave, TIOCSWINSZ, &size);
	TRY(child_start(e, seed, &(struct child_io){ slave, -1, -1, true }, &x->pid, report));
	stream_open(x, OUT, steal_fd(&master), EPOLLIN);
	stream_open(x, IN, steal_fd(&in), 0);
	return NULL;
}

static struct fault *start_on_pipes(struct exec *x, const struct frame_exec *e,
				    const struct seed *seed, int *report)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 };
	struct fault *f = NULL;

	if ((e->want_stdin && pipe2(in, O_CLOEXEC)) || pipe2(out, O_CLOEXEC) ||
	    pipe2(err, O_CLOEXEC))
		f = fault_sys(F_SYS, "making pipes");
	if (!f)
		f = child_start(e, seed, &(struct child_io){ in[0], out[1], err[1], false },
				&x->pid, report);
	fd_close(in[0]);
	fd_close(out[1]);
	fd_close(err[1]);
	if (f) {
		fd_close(in[1]);
		fd_close(out[0]);
		fd_close(err[0]);
		return f;
	}
	stream_open(x, OUT, out[0], EPOLLIN);
	stream_open(x, ERR, err[0], EPOLLIN);
	if (in[1] >= 0)
		stream_open(x, IN, in[1], 0);
	return NULL;
}

struct exec *exec_start(const struct frame_exec *e, const struct seed *seed,
			const struct exec_owner *owner)
{
	struct exec *x = exec_new(e, owner);
	AUTO_FAULT f = NULL;
	int report = -1;

	f = e->tty ? start_on_tty(x, e, seed, &report) : start_on_pipes(x, e, seed, &report);
	if (!f) {
		stream_open(x, REPORT, report, EPOLLIN);
		return x;
	}
	frame_add_exit(owner->queue, FRAME_FAILED, 0, fault_message(f));
	owner->flush(owner->context);
	exec_free(x);
	return NULL;
}

/* ----------------------------------------------------------------------------- from the client */

void exec_resize(struct exec *x, uint16_t rows, uint16_t columns)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };

	if (x->tty && is_open(&x->streams[OUT]))
		ioctl(x->streams[OUT].watch.fd, TIOCSWINSZ, &size);
}

void exec_signal(struct exec *x, int number)
{
	/* A child that has not come to setsid() yet has no group of its own. */
	if (!x->reaped && kill(-x->pid, number) && errno == ESRCH)
		kill(x->pid, number);
}

int64_t exec_tick(struct exec *x)
{
	int64_t when = x->reaped ? x->grace_end : -1;

	if (check_end(x))
		return -1;
	if (!x->reaped && x->next_eof) {
		if (now_ms() >= x->next_eof)
			end_of_terminal(x);
		return x->next_eof ? x->next_eof : -1;
	}
	/* Over, and still here: the client does not take the rest; its reading wakes us. */
	return when >= 0 && now_ms() >= when ? -1 : when;
}

void exec_abandon(struct exec *x)
{
	session_doom(x->pid);
	exec_free(x);
}
