/* SPDX-License-Identifier: MIT */
/*
 * client_exec.c - running one command and pumping its streams.
 *
 * Theory of operation
 *
 * One poll() over the socket, the three streams, the resize and the cancel descriptor.  Output that
 * could not be written yet is kept; while there is much of it the socket is not read, which in the
 * end stops the command in the guest.  Input is read only as far as the agent's window allows.  The
 * streams may be shared with other programs, so they are not made non-blocking: a stream is
 * written only after poll() has said that there is room, and no more than what then fits for
 * certain.  So the time limit and the signals work whatever the streams do.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "guest/channel.h"

#define PENDING_MAX (256 * 1024)
#define READ_MAX    32768
#define CHUNK_FILE  65536
#define CHUNK_PIPE  PIPE_BUF /* poll() promises that many for a pipe */
#define CHUNK_TTY   256

struct sink {
	int fd;
	size_t chunk;
	bool is_socket;
	struct buf pending;
	size_t at;
	bool gone; /* its reader went away */
};

struct pump {
	struct guest *g;
	const struct guest_exec *e;
	struct guest_status *status;
	struct sink out, err;
	size_t window; /* bytes of input that may still be sent */
	bool in_open, started, ended, forwarded;
	int64_t deadline; /* -1 = none */
	int64_t heard;	  /* when the agent last said something, or was asked to */
};

enum { SOCKET, IN, OUT, ERR, CANCEL, RESIZE, SLOTS };

/* --------------------------------------------------------------------------------------- output */

static void sink_init(struct sink *s, int fd)
{
	struct stat st;

	*s = (struct sink){ .fd = fd, .chunk = CHUNK_PIPE };
	buf_init(&s->pending);
	if (fstat(fd, &st))
		return;
	s->is_socket = S_ISSOCK(st.st_mode);
	if (S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode))
		s->chunk = CHUNK_FILE;
	else if (isatty(fd))
		s->chunk = CHUNK_TTY;
}

static size_t sink_left(const struct sink *s)
{
	return s->pending.len - s->at;
}

static void sink_add(struct sink *s, const struct frame *f)
{
	if (!s->gone && s->fd >= 0)
		buf_add(&s->pending, f->data, f->len);
}

static struct fault *sink_write(struct sink *s)
{
	size_t len = sink_left(s) < s->chunk ? sink_left(s) : s->chunk;
	const char *data = s->pending.data + s->at;
	ssize_t n = s->is_socket ? send(s->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL)
				 : write(s->fd, data, len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n < 0 && errno == EPIPE) {
		s->gone = true;
		buf_clear(&s->pending);
		s->at = 0;
		return NULL;
	}
	if (n < 0)
		return fault_sys(F_SYS, "writing the command's output");
	s->at += (size_t)n;
	if (s->at == s->pending.len || s->at >= PENDING_MAX) {
		buf_drop(&s->pending, s->at);
		s->at = 0;
	}
	return NULL;
}

/* --------------------------------------------------------------------------------------- frames */

static struct fault *on_credit(struct pump *p, const struct frame *f)
{
	uint32_t bytes;

	if (!frame_u32(f, &bytes) || bytes > FRAME_STDIN_WINDOW - p->window)
		return channel_garbage("credit for input that was not sent");
	p->window += bytes;
	return NULL;
}

static struct fault *on_exit_frame(struct pump *p, const struct frame *f)
{
	static const int how[] = {
		[FRAME_EXITED] = GUEST_EXITED,
		[FRAME_SIGNALLED] = GUEST_SIGNALLED,
		[FRAME_NOT_FOUND] = GUEST_NOT_FOUND,
		[FRAME_NOT_EXECUTABLE] = GUEST_NOT_EXECUTABLE,
		[FRAME_FAILED] = GUEST_FAILED,
	};
	struct frame_exit end;
	AUTO_FREE char *message = NULL;

	if (!frame_exit(f, &end))
		return channel_garbage("a malformed exit");
	message = end.message;
	*p->status = (struct guest_status){ .code = (int)end.code };
	memcpy(&p->status->how, &how[end.kind], sizeof(how[0]));
	if (*message)
		p->status->message = channel_printable(message);
	p->ended = true;
	return NULL;
}

static void keep_err(struct buf *text, const struct frame *f)
{
	size_t room = GUEST_ERR_TEXT_MAX - (text->len < GUEST_ERR_TEXT_MAX ? text->len
									     : GUEST_ERR_TEXT_MAX);

	buf_add(text, f->data, f->len < room ? f->len : room);
}

static struct fault *on_frame(struct pump *p, const struct frame *f)
{
	if (p->ended)
		return channel_garbage("a frame after the exit");
	switch (f->type) {
	case FRAME_STARTED:
		if (p->started)
			return channel_garbage("a second start");
		p->started = true;
		return NULL;
	case FRAME_STDOUT:
		sink_add(&p->out, f);
		return NULL;
	case FRAME_STDERR:
		if (p->e->err_text)
			keep_err(p->e->err_text, f);
		else
			sink_add(&p->err, f);
		return NULL;
	case FRAME_CREDIT:
		return on_credit(p, f);
	case FRAME_EXIT:
		return on_exit_frame(p, f);
	case FRAME_ERROR:
		return channel_refusal(f);
	default:
		return channel_garbage("a frame that does not belong here");
	}
}

static struct fault *take_frames(struct pump *p)
{
	unsigned int pings = p->g->pings;
	struct frame f;
	bool got;

	TRY(channel_receive(p->g));
	for (;;) {
		TRY(channel_next(p->g, &f, &got));
		if (got || p->g->pings < pings)
			p->heard = channel_now_ms();
		if (!got)
			return NULL;
		TRY(on_frame(p, &f));
	}
}

/* ---------------------------------------------------------------------------- input and signals */

static struct fault *take_input(struct pump *p)
{
	char data[READ_MAX];
	size_t max = p->window < sizeof(data) ? p->window : sizeof(data);
	ssize_t n = read(p->e->in, data, max);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n > 0) {
		frame_add(&p->g->out, FRAME_STDIN, 0, data, (size_t)n);
		p->window -= (size_t)n;
		return NULL;
	}
	frame_add_empty(&p->g->out, FRAME_STDIN_EOF);
	p->in_open = false;
	return n < 0 ? fault_sys(F_SYS, "reading the standard input") : NULL;
}

/* The first signal is the command's, if it can get one; the second is ours. */
static struct fault *on_cancel(struct pump *p)
{
	uint64_t count = 0;

	if (read(cancel_fd(), &count, sizeof(count)) != sizeof(count))
		return NULL;
	if (p->e->tty || p->e->signals_end || p->forwarded || count > 1)
		return cancel_check();
	p->forwarded = true;
	frame_add_u32(&p->g->out, FRAME_SIGNAL, (uint32_t)cancel_signal());
	return NULL;
}

static void on_resize(struct pump *p)
{
	uint16_t rows = 0, columns = 0;
	char drain[64];
	ssize_t ignored = read(p->e->resize_fd, drain, sizeof(drain));

	(void)ignored;
	p->e->size(p->e->size_context, &rows, &columns);
	frame_add_resize(&p->g->out, rows, columns);
}

/* ---------------------------------------------------------------------------------------- pump */

static bool has_room(const struct pump *p)
{
	return sink_left(&p->out) + sink_left(&p->err) < PENDING_MAX;
}

static void fill(const struct pump *p, struct pollfd *fds)
{
	const struct guest *g = p->g;
	bool room = has_room(p);
	bool may_read = p->in_open && p->window && g->out.len < PENDING_MAX;

	fds[SOCKET] = (struct pollfd){ .fd = g->fd };
	if (room)
		fds[SOCKET].events |= POLLIN;
	if (g->out_at < g->out.len)
		fds[SOCKET].events |= POLLOUT;
	if (p->ended || !fds[SOCKET].events)
		fds[SOCKET].fd = -1;
	fds[IN] = (struct pollfd){ may_read && !p->ended ? p->e->in : -1, POLLIN, 0 };
	fds[OUT] = (struct pollfd){ sink_left(&p->out) ? p->out.fd : -1, POLLOUT, 0 };
	fds[ERR] = (struct pollfd){ sink_left(&p->err) ? p->err.fd : -1, POLLOUT, 0 };
	fds[CANCEL] = (struct pollfd){ cancel_fd(), POLLIN, 0 };
	fds[RESIZE] = (struct pollfd){ p->e->tty && p->e->size ? p->e->resize_fd : -1, POLLIN, 0 };
}

/*
 * Whatever runs may be silent for as long as it likes, a built-in, too, while it reads a large tree; but the
 * agent answers a PING.  One that does not, or stops in the middle of a frame, would be waited for
 * for ever.  While we are the ones who do not read, it cannot be heard.
 */
static struct fault *listen_for_life(struct pump *p)
{
	int64_t now = channel_now_ms();

	if (!p->e->watched || p->ended)
		return NULL;
	if (!has_room(p))
		p->heard = now;
	if (p->g->pings && now - p->heard >= p->g->silence_ms)
		return fault_hint(fault_new(F_GUEST, "the machine's agent has said nothing for %d seconds",
					    (p->g->silence_ms + 999) / 1000),
				  "Restart the VM when it does not answer any more.");
	if (now - p->heard >= p->g->silence_ms && !p->g->pings) {
		frame_add_empty(&p->g->out, FRAME_PING);
		p->g->pings++;
		p->heard = now;
	}
	return NULL;
}

static int time_left(const struct pump *p)
{
	int64_t left = p->deadline < 0 ? INT_MAX : p->deadline - channel_now_ms();

	if (p->e->watched && left > p->g->silence_ms)
		left = p->g->silence_ms;
	else if (p->deadline < 0)
		return -1;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static struct fault *turn(struct pump *p)
{
	struct pollfd fds[SLOTS];

	fill(p, fds);
	if (poll(fds, SLOTS, time_left(p)) < 0) {
		if (errno != EINTR)
			return fault_sys(F_SYS, "waiting for the command");
		return NULL;
	}
	if (fds[CANCEL].revents)
		TRY(on_cancel(p));
	if (fds[RESIZE].revents)
		on_resize(p);
	if (fds[OUT].revents)
		TRY(sink_write(&p->out));
	if (fds[ERR].revents)
		TRY(sink_write(&p->err));
	if (fds[IN].revents)
		TRY(take_input(p));
	if (fds[SOCKET].revents & ~POLLOUT)
		TRY(take_frames(p));
	return p->ended ? NULL : channel_send(p->g);
}

static struct fault *run(struct pump *p)
{
	TRY(channel_send(p->g));
	while (!p->ended || sink_left(&p->out) || sink_left(&p->err)) {
		if (p->deadline >= 0 && channel_now_ms() >= p->deadline) {
			free(p->status->message);
			*p->status = (struct guest_status){ .how = GUEST_TIMED_OUT };
			return NULL;
		}
		TRY(turn(p));
		TRY(listen_for_life(p));
		/* A command on this side would have got this signal. */
		if (!p->ended && (p->out.gone || p->err.gone)) {
			*p->status = (struct guest_status){ .how = GUEST_SIGNALLED,
							    .code = SIGPIPE };
			return NULL;
		}
	}
	return NULL;
}

static struct fault *add_request(struct guest *g, const struct guest_exec *e)
{
	struct frame_exec exec = { .tty = e->tty,
				   .want_stdin = e->in >= 0,
				   .builtin = e->builtin,
				   .rows = e->rows,
				   .columns = e->columns };
	bool fits;

	for (const char *const *arg = e->argv; arg && *arg; arg++)
		strings_add(&exec.argv, *arg);
	for (const char *const *pair = e->env; pair && *pair; pair++)
		strings_add(&exec.env, *pair);
	exec.user = e->user ? xstrdup(e->user) : NULL;
	exec.cwd = e->cwd ? xstrdup(e->cwd) : NULL;
	fits = frame_add_exec(&g->out, &exec);
	frame_exec_release(&exec);
	if (!fits)
		return fault_new(F_INVALID, "the command and its environment are longer than "
				 "%d MiB", FRAME_EXEC_MAX >> 20);
	return NULL;
}

struct fault *guest_exec_run(struct guest *g, const struct guest_exec *e,
			     struct guest_status *status)
{
	struct pump p = { .g = g, .e = e, .status = status, .window = FRAME_STDIN_WINDOW,
			  .in_open = e->in >= 0, .deadline = -1, .heard = channel_now_ms() };
	struct fault *f;

	*status = (struct guest_status){ 0 };
	TRY(add_request(g, e));
	if (e->timeout_ms > 0)
		p.deadline = channel_now_ms() + e->timeout_ms;
	sink_init(&p.out, e->out);
	sink_init(&p.err, e->err);
	f = run(&p);
	buf_release(&p.out.pending);
	buf_release(&p.err.pending);
	if (f) {
		free(status->message);
		status->message = NULL;
	}
	return f;
}

int guest_exit_code(const struct guest_status *status)
{
	switch (status->how) {
	case GUEST_EXITED:
		return status->code;
	case GUEST_SIGNALLED:
		return 128 + status->code;
	case GUEST_NOT_FOUND:
		return 127;
	case GUEST_NOT_EXECUTABLE:
		return 126;
	case GUEST_TIMED_OUT:
		return 124;
	case GUEST_FAILED:
		break;
	}
	return 125;
}
