/* SPDX-License-Identifier: MIT */
/* client.c - claiming a port, hello, and the short requests.  Commands are in client_exec.c. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/sockios.h>

#include "base/cancel.h"
#include "base/log.h"
#include "base/text.h"
#include "guest/channel.h"
#include "guest/vsock.h"

#define WENT_AWAY  "the machine went away"
#define CONNECT_MS 10	/* between tries to connect */
#define ALIVE_MS   100	/* between questions whether the VM is there */
#define RESYNC_MS  200	/* without an answer to a hello; doubled each time */
#define BUSY_MS	   1000 /* all ports taken for so long is the answer */
#define READ_MAX   65536
#define SILENCE_MS (2 * 60 * 1000)
#define VSOCK_MS   500 /* so long a vsock may say nothing before it is tried anew */

/* ---------------------------------------------------------------------------------- the socket */

int64_t channel_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

struct fault *channel_gone(void)
{
	return fault_new(F_GUEST, WENT_AWAY);
}

bool guest_went_away(const struct fault *f)
{
	return fault_kind(f) == F_GUEST && strstr(fault_message(f), WENT_AWAY);
}

struct fault *channel_garbage(const char *what)
{
	return fault_hint(fault_new(F_GUEST, "the machine's agent broke the protocol: %s", what),
			  "Restart the VM; if that does not help, its agent was tampered with.");
}

struct fault *channel_send(struct guest *g)
{
	while (g->out_at < g->out.len) {
		ssize_t n = send(g->fd, g->out.data + g->out_at, g->out.len - g->out_at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return NULL;
		if (n < 0)
			return channel_gone();
		g->out_at += (size_t)n;
	}
	buf_clear(&g->out);
	g->out_at = 0;
	return NULL;
}

struct fault *channel_receive(struct guest *g)
{
	ssize_t n;

	do {
		n = recv(g->fd, buf_grow(&g->in, READ_MAX), READ_MAX, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return NULL;
	if (n <= 0)
		return channel_gone();
	g->in.len += (size_t)n;
	g->in.data[g->in.len] = '\0';
	return NULL;
}

/* Our hello may have been repeated just before it was answered; then it is answered twice. */
static bool is_repeated_ack(const struct guest *g, const struct frame *f)
{
	struct frame_hello hello;

	return f->type == FRAME_HELLO_ACK && g->version && frame_hello(f, &hello) &&
	       !memcmp(hello.nonce, g->nonce, sizeof(g->nonce));
}

/* The answer may come after the command that made us ask has ended. */
static bool is_awaited_pong(struct guest *g, const struct frame *f)
{
	if (f->type != FRAME_PONG || !g->pings)
		return false;
	g->pings--;
	return true;
}

struct fault *channel_next(struct guest *g, struct frame *f, bool *got)
{
	size_t used;

	*got = false;
	do {
		enum frame_result result;

		buf_drop(&g->in, g->taken);
		g->taken = 0;
		result = frame_parse(g->in.data, g->in.len, f, &used);
		if (result == FRAME_MALFORMED)
			return channel_garbage("bytes that are no frame");
		if (result == FRAME_INCOMPLETE) {
			buf_drop(&g->in, used);
			return NULL;
		}
		g->taken = used;
	} while (is_repeated_ack(g, f) || is_awaited_pong(g, f));
	*got = true;
	return NULL;
}

/* Wait for the socket, at most until @until; the time is over when nothing is ready. */
static struct fault *wait_for(struct guest *g, int64_t until, bool *ready)
{
	struct pollfd fds[2] = { { .fd = g->fd, .events = POLLIN },
				 { .fd = cancel_fd(), .events = POLLIN } };
	int64_t left = until - channel_now_ms();

	if (g->out_at < g->out.len)
		fds[0].events |= POLLOUT;
	if (poll(fds, 2, left > 0 ? (int)left : 0) < 0 && errno != EINTR)
		return fault_sys(F_SYS, "waiting for the machine's agent");
	TRY(cancel_check());
	*ready = fds[0].revents != 0;
	return NULL;
}

/* --------------------------------------------------------------------------------------- hello */

struct attempt {
	int64_t deadline, next_alive;
	bool (*alive)(void *context);
	void *context;
};

static struct fault *still_alive(struct attempt *a)
{
	int64_t now = channel_now_ms();

	if (a->alive && now >= a->next_alive) {
		a->next_alive = now + ALIVE_MS;
		if (!a->alive(a->context))
			return fault_new(F_GUEST, "the machine ended before its agent answered");
	}
	if (now >= a->deadline)
		return fault_new(F_TIMEOUT, "the machine's agent did not answer in time");
	return NULL;
}

/* Bytes that QEMU has not taken from the socket: as long as there are some, nobody listens. */
static bool unread(const struct guest *g)
{
	int bytes = 0;

	return g->out_at < g->out.len || (!ioctl(g->fd, SIOCOUTQ, &bytes) && bytes > 0);
}

static void add_hello(struct guest *g, bool resync)
{
	struct frame_hello hello = { .version = FRAME_VERSION, .other = FRAME_VERSION_OLDEST };

	memcpy(hello.nonce, g->nonce, sizeof(g->nonce));
	if (resync) {
		memset(buf_grow(&g->out, RESYNC_PADDING), 0, RESYNC_PADDING);
		g->out.len += RESYNC_PADDING;
	}
	frame_add_hello(&g->out, FRAME_HELLO, &hello);
}

static struct fault *take_ack(struct guest *g, bool *done)
{
	struct frame_hello hello;
	struct frame f;
	bool found;

	*done = false;
	buf_drop(&g->in, frame_find_hello(g->in.data, g->in.len, FRAME_HELLO_ACK, g->nonce,
					  &found));
	if (!found)
		return NULL;
	TRY(channel_next(g, &f, done));
	if (!*done)
		return NULL;
	if (!frame_hello(&f, &hello))
		return channel_garbage("a malformed hello");
	if (hello.version < FRAME_VERSION_OLDEST || hello.version > FRAME_VERSION)
		return fault_hint(fault_new(F_UNSUPPORTED, "the machine's agent speaks version %u "
					    "of the protocol, this banger %u", hello.other,
					    FRAME_VERSION),
				  "Restart the VM: it then gets the agent of this banger.");
	g->version = hello.version;
	if (g->version >= 2)
		frame_add_text(&g->out, FRAME_OPERATION, log_operation());
	return NULL;
}

static struct fault *say_hello(struct guest *g, struct attempt *a)
{
	int64_t pause = RESYNC_MS, resync = channel_now_ms() + pause;
	bool done = false, ready;

	if (getrandom(g->nonce, sizeof(g->nonce), 0) != sizeof(g->nonce))
		return fault_sys(F_SYS, "drawing random bytes");
	add_hello(g, false);
	TRY(channel_send(g));
	while (!done) {
		int64_t now;

		TRY(still_alive(a));
		now = channel_now_ms();
		if (unread(g)) {
			resync = now + pause;
		} else if (now >= resync) {
			pause *= 2;
			resync = now + pause;
			add_hello(g, true);
			TRY(channel_send(g));
		}
		TRY(wait_for(g, now + ALIVE_MS < a->deadline ? now + ALIVE_MS : a->deadline,
			     &ready));
		if (!ready)
			continue;
		TRY(channel_send(g));
		TRY(channel_receive(g));
		TRY(take_ack(g, &done));
	}
	return NULL;
}

/* --------------------------------------------------------------------------------- a free port */

static struct fault *path_of(const char *directory, unsigned int port, struct sockaddr_un *out)
{
	int n;

	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(out->sun_path, sizeof(out->sun_path), "%s/agent.%u", directory, port);
	if (n < 0 || (size_t)n >= sizeof(out->sun_path))
		return fault_new(F_INVALID, "the socket path '%s/agent.%u' is too long", directory,
				 port);
	return NULL;
}

/* Take the lock of @port: *@lock is -1 when somebody else has it. */
static struct fault *claim(const char *directory, unsigned int port, int *lock)
{
	AUTO_FREE char *path = xasprintf("%s/agent.%u.lock", directory, port);
	AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	*lock = -1;
	if (fd < 0)
		return fault_sys(F_SYS, "opening '%s'", path);
	if (!flock(fd, LOCK_EX | LOCK_NB))
		*lock = steal_fd(&fd);
	else if (errno != EWOULDBLOCK)
		return fault_sys(F_SYS, "locking '%s'", path);
	return NULL;
}

enum reach { REACHED, NOT_THERE, ALL_BUSY };

static struct fault *reach(const char *directory, struct guest *g, enum reach *how)
{
	*how = ALL_BUSY;
	for (unsigned int port = 0; port < GUEST_PORTS; port++) {
		struct sockaddr_un address;
		AUTO_FD lock = -1;
		AUTO_FD fd = -1;

		TRY(path_of(directory, port, &address));
		if (access(directory, F_OK)) {
			*how = NOT_THERE;
			return NULL;
		}
		TRY(claim(directory, port, &lock));
		if (lock < 0)
			continue;
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0)
			return fault_sys(F_SYS, "making a socket");
		*how = NOT_THERE;
		if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
			if (errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN)
				return NULL;
			return fault_sys(F_SYS, "connecting to '%s'", address.sun_path);
		}
		*how = REACHED;
		g->fd = steal_fd(&fd);
		g->lock = steal_fd(&lock);
		return NULL;
	}
	return NULL;
}

/* All clients go through one socket. */
static struct fault *reach_vsock(const char *directory, struct guest *g, enum reach *how)
{
	AUTO_FREE char *path = xasprintf("%s/" GUEST_VSOCK_NAME, directory);

	TRY(vsock_connect(path, FRAME_VSOCK_PORT, VSOCK_MS, &g->fd));
	*how = g->fd < 0 ? NOT_THERE : REACHED;
	return NULL;
}

static struct fault *reach_in_time(const struct guest_address *address, struct guest *g,
				   struct attempt *a)
{
	int64_t busy_until = channel_now_ms() + BUSY_MS;
	enum reach how;

	for (;;) {
		struct pollfd cancel = { .fd = cancel_fd(), .events = POLLIN };

		if (address->transport == GUEST_VSOCK)
			TRY(reach_vsock(address->directory, g, &how));
		else
			TRY(reach(address->directory, g, &how));
		if (how == REACHED)
			return NULL;
		if (how == ALL_BUSY && channel_now_ms() >= busy_until)
			return fault_hint(fault_new(F_BUSY, "all %d ports of the machine's agent "
						    "have a client", GUEST_PORTS),
					  "Wait until a command that runs in the VM has ended.");
		TRY(still_alive(a));
		poll(&cancel, 1, CONNECT_MS);
		TRY(cancel_check());
	}
}

struct fault *guest_connect(const struct guest_address *address, int deadline_ms,
			    bool (*alive)(void *context), void *context, struct guest **out)
{
	struct attempt a = { channel_now_ms() + deadline_ms, 0, alive, context };
	struct guest *g = xcalloc(1, sizeof(*g));
	struct fault *f;

	g->fd = g->lock = -1;
	g->silence_ms = SILENCE_MS;
	buf_init(&g->in);
	buf_init(&g->out);
	f = reach_in_time(address, g, &a);
	if (!f)
		f = say_hello(g, &a);
	if (f) {
		guest_close(g);
		return f;
	}
	*out = g;
	return NULL;
}

void guest_close(struct guest *g)
{
	if (!g)
		return;
	fd_close(g->fd);
	fd_close(g->lock); /* after the socket: the next client must find the port free */
	buf_release(&g->in);
	buf_release(&g->out);
	free(g);
}

/* ------------------------------------------------------------------------------ short requests */

char *channel_printable(const char *text)
{
	AUTO_BUF b = BUF_INIT;

	text_add_printable(&b, text, strlen(text));
	return buf_steal(&b);
}

struct fault *channel_refusal(const struct frame *f)
{
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *printable = NULL;

	if (!frame_text(f, &text))
		return channel_garbage("a malformed error");
	printable = channel_printable(text);
	return fault_new(F_GUEST, "the machine's agent failed: %s", printable);
}

/* Send what is in the queue and wait for the answer @want. */
static struct fault *ask(struct guest *g, enum frame_type want, int deadline_ms)
{
	int64_t deadline = channel_now_ms() + deadline_ms;
	struct frame f;
	bool got = false, ready;

	for (;;) {
		TRY(channel_send(g));
		TRY(channel_next(g, &f, &got));
		if (got)
			break;
		if (channel_now_ms() >= deadline)
			return fault_new(F_TIMEOUT, "the machine's agent did not answer in time");
		TRY(wait_for(g, deadline, &ready));
		if (ready)
			TRY(channel_receive(g));
	}
	if (f.type == FRAME_ERROR)
		return channel_refusal(&f);
	if (f.type != want)
		return channel_garbage("an answer that was not asked for");
	return NULL;
}

struct fault *guest_sync(struct guest *g, int deadline_ms)
{
	frame_add_empty(&g->out, FRAME_SYNC);
	return ask(g, FRAME_OK, deadline_ms);
}

struct fault *guest_power_off(struct guest *g, int deadline_ms)
{
	frame_add_empty(&g->out, FRAME_POWER_OFF);
	return ask(g, FRAME_OK, deadline_ms);
}

struct fault *guest_ping(struct guest *g, int deadline_ms)
{
	frame_add_empty(&g->out, FRAME_PING);
	return ask(g, FRAME_PONG, deadline_ms);
}

struct fault *guest_set_time(struct guest *g, uint64_t time_ns, int deadline_ms)
{
	frame_add_u64(&g->out, FRAME_SET_TIME, time_ns);
	return ask(g, FRAME_OK, deadline_ms);
}
