/* SPDX-License-Identifier: MIT */
#include "port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>

#include "agent.h"
#include "exec.h"
#include "guest/frame.h"
#include "journal.h"
#include "loop.h"
#include "port_find.h"
#include "power.h"
#include "vsock.h"

#define PORTS	    64
#define VIRTIO_PORTS 16 /* the others are for a vsock only */
#define WRITE_MAX   32768	 /* the driver's largest write */
#define QUEUE_HIGH  (256 * 1024) /* stop reading output above, go on below the half */
#define RETRY_MS    20		 /* when a wake-up for writing got lost */
#define HANG_UP_MS  100		 /* no host for so long ends the session */
#define CLOCK_SLACK 500000000	 /* ns; a smaller difference is not worth a jump */

struct port {
	struct watch watch;
	bool stream;  /* a connection of its own for each client, else a virtio-serial port */
	bool lost;    /* throwing away until a HELLO */
	bool greeted; /* a HELLO was acknowledged */
	struct buf in, out;
	size_t out_at; /* written so far */
	struct buf exec_parts;
	struct exec *exec;
	char operation[FRAME_OPERATION_MAX + 1]; /* of the client, "" = not known */
	pid_t job;	     /* a sync that runs, 0 = none */
	int64_t hung_since; /* when the host was seen to be away, -1 = it is there */
};

static struct port ports[PORTS];
static const struct seed *the_seed;
static bool is_successor;

/* -------------------------------------------------------------------------------------- writing */

static size_t queued(const struct port *p)
{
	return p->out.len - p->out_at;
}

static void flush(void *context)
{
	struct port *p = context;

	while (queued(p)) {
		size_t len = queued(p) < WRITE_MAX ? queued(p) : WRITE_MAX;
		ssize_t n = write(p->watch.fd, p->out.data + p->out_at, len);

		if (n <= 0)
			break;
		p->out_at += (size_t)n;
	}
	if (!queued(p) || p->out_at > 2 * QUEUE_HIGH) {
		buf_drop(&p->out, p->out_at);
		p->out_at = 0;
	}
	if (p->exec && queued(p) >= QUEUE_HIGH)
		exec_throttle(p->exec, true);
	else if (p->exec && queued(p) < QUEUE_HIGH / 2)
		exec_throttle(p->exec, false);
}

static void answer_error(struct port *p, const char *text)
{
	frame_add_text(&p->out, FRAME_ERROR, text);
}

/* ------------------------------------------------------------------------------------- sessions */

static void session_end(struct port *p)
{
	if (p->exec)
		exec_abandon(steal_ptr(&p->exec));
	p->job = 0;
	p->greeted = false;
	p->operation[0] = '\0';
	buf_clear(&p->exec_parts);
	buf_clear(&p->out);
	p->out_at = 0;
}

static void lose(struct port *p)
{
	session_end(p);
	p->lost = true;
}

static void exec_ended(void *context)
{
	struct port *p = context;

	p->exec = NULL;
	flush(p);
}

static void on_hello(struct port *p, const struct frame *f)
{
	struct frame_hello hello;

	if (!frame_hello(f, &hello)) {
		lose(p);
		return;
	}
	session_end(p);
	if (hello.version > FRAME_VERSION)
		hello.version = FRAME_VERSION;
	p->greeted = hello.version >= hello.other && hello.version >= FRAME_VERSION_OLDEST;
	if (!p->greeted)
		hello.version = 0;
	hello.other = FRAME_VERSION;
	p->hung_since = -1;
	frame_add_hello(&p->out, FRAME_HELLO_ACK, &hello);
}

static void on_operation(struct port *p, const struct frame *f)
{
	AUTO_FREE char *id = NULL;

	if (frame_text(f, &id) && journal_id(id))
		memcpy(p->operation, id, strlen(id) + 1);
}

/* What only looks is not worth a line. */
static void note_exec(const struct port *p, const struct frame_exec *e)
{
	const char *user = e->user ? e->user : "root";

	if (!e->builtin)
		journal_write(p->operation, "a command as %.64s", user);
	else if (e->argv.n && strcmp(e->argv.v[0], "stats") != 0 && strcmp(e->argv.v[0], "ports") != 0)
		journal_write(p->operation, "'%.32s' as %.64s", e->argv.v[0], user);
}

static void on_exec(struct port *p, const struct frame *f)
{
	const struct exec_owner owner = { &p->out, flush, exec_ended, p };
	struct frame_exec e;

	if (p->exec || p->exec_parts.len + f->len > FRAME_EXEC_MAX) {
		lose(p);
		return;
	}
	buf_add(&p->exec_parts, f->data, f->len);
	if (f->flags & FRAME_MORE)
		return;
	if (frame_exec(p->exec_parts.data, p->exec_parts.len, &e)) {
		note_exec(p, &e);
		p->exec = exec_start(&e, the_seed, &owner);
		frame_exec_release(&e);
	} else {
		frame_add_exit(&p->out, FRAME_FAILED, 0, "the request is malformed");
	}
	buf_release(&p->exec_parts);
}

static void on_sync(struct port *p)
{
	pid_t pid;

	if (p->job) {
		answer_error(p, "a sync is under way");
		return;
	}
	journal_write(p->operation, "sync");
	pid = fork();
	if (!pid) {
		sync();
		_exit(0);
	}
	if (pid < 0)
		answer_error(p, "starting a process failed");
	else
		p->job = pid;
}

static void on_set_time(struct port *p, const struct frame *f)
{
	struct timespec now, wanted;
	int64_t difference;
	uint64_t ns;

	if (!frame_u64(f, &ns) || ns > INT64_MAX) {
		lose(p);
		return;
	}
	journal_write(p->operation, "set the clock");
	clock_gettime(CLOCK_REALTIME, &now);
	difference = (int64_t)ns - (now.tv_sec * INT64_C(1000000000) + now.tv_nsec);
	wanted = (struct timespec){ (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
	if ((difference > CLOCK_SLACK || difference < -CLOCK_SLACK) &&
	    clock_settime(CLOCK_REALTIME, &wanted))
		answer_error(p, "setting the clock failed");
	else
		frame_add_empty(&p->out, FRAME_OK);
}

static void on_power_off(struct port *p)
{
	/* The console is what outlives the machine. */
	journal_write(p->operation, "power off");
	if (p->operation[0])
		say("powering off for operation %s", p->operation);
	if (power_off_begin())
		frame_add_empty(&p->out, FRAME_OK);
	else
		answer_error(p, "starting a process failed");
}

/* Frames for the command that runs; those that come after its end are late, not wrong. */
static void on_command_frame(struct port *p, const struct frame *f)
{
	uint16_t rows, columns;
	uint32_t number;

	if (!p->exec)
		return;
	if (f->type == FRAME_STDIN && !exec_input(p->exec, f->data, f->len))
		lose(p);
	else if (f->type == FRAME_STDIN_EOF)
		exec_input_end(p->exec);
	else if (f->type == FRAME_RESIZE && frame_resize(f, &rows, &columns))
		exec_resize(p->exec, rows, columns);
	else if (f->type == FRAME_SIGNAL && frame_u32(f, &number) && number > 0 && number < 65)
		exec_signal(p->exec, (int)number);
}

static void on_frame(struct port *p, const struct frame *f)
{
	if (f->type == FRAME_HELLO) {
		on_hello(p, f);
		return;
	}
	if (!p->greeted)
		return;
	if (f->type == FRAME_OPERATION)
		on_operation(p, f);
	else if (f->type == FRAME_EXEC)
		on_exec(p, f);
	else if (f->type == FRAME_SYNC)
		on_sync(p);
	else if (f->type == FRAME_POWER_OFF)
		on_power_off(p);
	else if (f->type == FRAME_SET_TIME)
		on_set_time(p, f);
	else if (f->type == FRAME_PING)
		frame_add(&p->out, FRAME_PONG, 0, f->data, f->len);
	else
		on_command_frame(p, f);
}

/* -------------------------------------------------------------------------------------- reading */

static void consume(struct port *p)
{
	size_t at = 0, used;
	struct frame f;

	while (at < p->in.len) {
		enum frame_result got;
		bool found;

		if (p->lost) {
			at += frame_find_hello(p->in.data + at, p->in.len - at, FRAME_HELLO, NULL,
					       &found);
			if (!found)
				break;
			p->lost = false;
		}
		got = frame_parse(p->in.data + at, p->in.len - at, &f, &used);
		at += used;
		if (got == FRAME_INCOMPLETE)
			break;
		if (got == FRAME_COMPLETE)
			on_frame(p, &f);
		else
			lose(p);
	}
	buf_drop(&p->in, at);
}

static void port_close(struct port *p)
{
	lose(p);
	loop_want(&p->watch, 0);
	fd_close(p->watch.fd);
	p->watch.fd = -1;
	buf_release(&p->in);
}

enum drained { NOTHING, SOMETHING, GONE };

/* Read until there is nothing left. */
static enum drained drain(struct port *p)
{
	enum drained result = NOTHING;
	ssize_t n;

	do {
		n = read(p->watch.fd, buf_grow(&p->in, WRITE_MAX), WRITE_MAX);
		if (n > 0) {
			p->in.len += (size_t)n;
			consume(p);
			result = SOMETHING;
		}
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0 && errno == EAGAIN)
		return result;
	return !n && !p->stream ? result : GONE;
}

static void port_ready(void *context, uint32_t events)
{
	struct port *p = context;
	struct pollfd asked = { .fd = p->watch.fd, .events = POLLIN };
	enum drained got = drain(p);

	(void)events;
	/*
	 * Asking makes the driver take data that has arrived out of its queue, and it wakes nobody
	 * for what it has taken: so the last thing before going to sleep is always a read.
	 */
	do {
		flush(p);
		asked.revents = 0;
		poll(&asked, 1, 0);
		if (got != GONE)
			got = drain(p);
	} while (got == SOMETHING);
	if (got == GONE)
		port_close(p);
	else if (p->stream || !(asked.revents & POLLHUP))
		p->hung_since = -1;
	else if (p->hung_since < 0)
		p->hung_since = now_ms();
}

/* ------------------------------------------------------------------------------------ all ports */

static void port_found(unsigned int index, const char *device)
{
	struct pollfd asked = { 0 };
	struct port *p;
	int fd;

	if (index >= VIRTIO_PORTS || ports[index].watch.fd >= 0)
		return;
	fd = open(device, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return; /* still in use by an agent that is about to end, or gone again */
	p = &ports[index];
	p->watch.fd = asked.fd = fd;
	p->lost = true;
	loop_want(&p->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	if (!is_successor || (poll(&asked, 1, 0) == 1 && asked.revents & POLLHUP))
		return;
	memset(buf_grow(&p->out, RESYNC_PADDING), 0, RESYNC_PADDING);
	p->out.len += RESYNC_PADDING;
	answer_error(p, "it ended and was started again");
	flush(p);
}

static void stream_found(int fd)
{
	for (size_t i = 0; i < PORTS; i++) {
		struct port *p = &ports[i];

		if (p->watch.fd >= 0)
			continue;
		p->watch.fd = fd;
		p->stream = p->lost = true;
		p->hung_since = -1;
		loop_want(&p->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
		return;
	}
	fd_close(fd);
}

void ports_init(const struct seed *seed, bool successor)
{
	is_successor = successor;
	the_seed = seed;
	for (size_t i = 0; i < PORTS; i++) {
		struct port *p = &ports[i];

		p->watch = (struct watch){ -1, 0, port_ready, p };
		p->hung_since = -1;
		buf_init(&p->in);
		buf_init(&p->out);
		buf_init(&p->exec_parts);
	}
	if (seed->channel && !strcmp(seed->channel, "vsock"))
		say_fault(vsock_init(stream_found));
	else
		port_find_init(port_found);
}

bool ports_reaped(pid_t pid, int wait_status)
{
	for (size_t i = 0; i < PORTS; i++) {
		struct port *p = &ports[i];

		if (p->exec && exec_reaped(p->exec, pid, wait_status))
			return true;
		if (p->job == pid) {
			p->job = 0;
			if (wait_status)
				answer_error(p, "the sync was killed");
			else
				frame_add_empty(&p->out, FRAME_OK);
			flush(p);
			return true;
		}
	}
	return false;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < 0 ? b : b < 0 || a < b ? a : b;
}

static int64_t hang_up_tick(struct port *p)
{
	int64_t when = p->hung_since + HANG_UP_MS;

	if (when > now_ms())
		return when;
	port_ready(p, 0);
	if (p->hung_since >= 0 && p->hung_since + HANG_UP_MS <= now_ms())
		lose(p);
	return -1;
}

int64_t ports_tick(void)
{
	int64_t next = port_find_tick();

	for (size_t i = 0; i < PORTS; i++) {
		struct port *p = &ports[i];

		if (p->watch.fd < 0)
			continue;
		if (queued(p) && p->hung_since < 0) {
			flush(p);
			if (queued(p))
				next = sooner(next, now_ms() + RETRY_MS);
		}
		if (p->greeted && p->hung_since >= 0)
			next = sooner(next, hang_up_tick(p));
		if (p->exec)
			next = sooner(next, exec_tick(p->exec));
	}
	return next;
}
