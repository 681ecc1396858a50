/* SPDX-License-Identifier: MIT */
#include "net/dns_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/clock.h"

#define STREAMS_MAX	 8
#define STREAM_SILENT_MS 5000
#define PORT_TRIES	 16
#define BATCH		 64 /* datagrams before the others have their turn */
#define STACK_BYTES	 (128 * 1024)

/* A TCP connection, and what of its next query has come: two bytes of length, then the query. */
struct stream {
	int fd; /* -1 = free */
	int64_t heard_ms;
	size_t len;
	uint8_t bytes[2 + DNS_QUERY_MAX];
};

struct dns_server {
	struct dns_zone zone;
	unsigned int port;
	int udp, tcp, stop;
	pthread_t thread;
	struct stream streams[STREAMS_MAX];
};

/* -------------------------------------------------------------------------------- the thread */

static void serve_datagrams(const struct dns_server *s)
{
	uint8_t query[DNS_QUERY_MAX + 1], answer[DNS_ANSWER_MAX];

	for (int i = 0; i < BATCH; i++) {
		struct sockaddr_in from;
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(s->udp, query, sizeof(query), MSG_DONTWAIT,
				     (struct sockaddr *)&from, &size);
		size_t len;

		if (n < 0)
			return;
		len = dns_answer(&s->zone, query, (size_t)n, answer);
		if (len)
			sendto(s->udp, answer, len, MSG_DONTWAIT | MSG_NOSIGNAL,
			       (struct sockaddr *)&from, size);
	}
}

static void stream_close(struct stream *t)
{
	fd_close(t->fd);
	t->fd = -1;
}

/* A free place, or that of the connection that was silent longest. */
static struct stream *stream_place(struct dns_server *s)
{
	struct stream *oldest = &s->streams[0];

	for (size_t i = 0; i < STREAMS_MAX; i++) {
		if (s->streams[i].fd < 0)
			return &s->streams[i];
		if (s->streams[i].heard_ms < oldest->heard_ms)
			oldest = &s->streams[i];
	}
	stream_close(oldest);
	return oldest;
}

static void accept_stream(struct dns_server *s)
{
	int fd = accept4(s->tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct stream *t;

	if (fd < 0)
		return;
	t = stream_place(s);
	t->fd = fd;
	t->len = 0;
	t->heard_ms = clock_now_ms();
}

/* Whole queries in @t, one after the other.  False: it is none, or its sender does not read. */
static bool answer_stream(const struct dns_server *s, struct stream *t)
{
	uint8_t answer[2 + DNS_ANSWER_MAX];

	while (t->len >= 2) {
		size_t len = (size_t)t->bytes[0] << 8 | t->bytes[1], n;

		if (len > DNS_QUERY_MAX)
			return false;
		if (t->len < 2 + len)
			break;
		n = dns_answer(&s->zone, t->bytes + 2, len, answer + 2);
		answer[0] = (uint8_t)(n >> 8);
		answer[1] = (uint8_t)n;
		if (!n || send(t->fd, answer, 2 + n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)(2 + n))
			return false;
		t->len -= 2 + len;
		memmove(t->bytes, t->bytes + 2 + len, t->len);
	}
	return true;
}

static void serve_stream(const struct dns_server *s, struct stream *t)
{
	ssize_t n = recv(t->fd, t->bytes + t->len, sizeof(t->bytes) - t->len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		return stream_close(t);
	t->len += (size_t)n;
	t->heard_ms = clock_now_ms();
	if (!answer_stream(s, t))
		stream_close(t);
}

/* Ends connections that are silent.  Return: until when the rest may be, for poll(); -1 = no rest. */
static int close_silent(struct dns_server *s)
{
	int64_t now = clock_now_ms(), least = -1;

	for (size_t i = 0; i < STREAMS_MAX; i++) {
		struct stream *t = &s->streams[i];
		int64_t left = STREAM_SILENT_MS - (now - t->heard_ms);

		if (t->fd < 0)
			continue;
		if (left <= 0)
			stream_close(t);
		else if (least < 0 || left < least)
			least = left;
	}
	return (int)least;
}

enum { POLL_STOP, POLL_UDP, POLL_TCP, POLL_STREAMS, POLL_ALL = POLL_STREAMS + STREAMS_MAX };

static void *serve(void *context)
{
	struct dns_server *s = context;

	for (;;) {
		int wait_ms = close_silent(s);
		struct pollfd p[POLL_ALL] = { [POLL_STOP] = { s->stop, POLLIN, 0 },
					      [POLL_UDP] = { s->udp, POLLIN, 0 },
					      [POLL_TCP] = { s->tcp, POLLIN, 0 } };

		for (size_t i = 0; i < STREAMS_MAX; i++)
			p[POLL_STREAMS + i] = (struct pollfd){ s->streams[i].fd, POLLIN, 0 };
		if (poll(p, POLL_ALL, wait_ms) < 0 && errno != EINTR)
			return NULL;
		if (p[POLL_STOP].revents)
			return NULL;
		if (p[POLL_UDP].revents)
			serve_datagrams(s);
		for (size_t i = 0; i < STREAMS_MAX; i++)
			if (p[POLL_STREAMS + i].revents)
				serve_stream(s, &s->streams[i]);
		if (p[POLL_TCP].revents)
			accept_stream(s);
	}
}

/* --------------------------------------------------------------------------- start and stop */

static int bind_socket(int type, unsigned int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	if (fd < 0)
		return -1;
	/* What is left of old connections must not hold the port. */
	if ((type == SOCK_STREAM &&
	     setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, STREAMS_MAX) < 0)) {
		fd_close(fd);
		return -1;
	}
	return fd;
}

static unsigned int port_of(int fd)
{
	struct sockaddr_in at = { 0 };
	socklen_t size = sizeof(at);

	getsockname(fd, (struct sockaddr *)&at, &size);
	return ntohs(at.sin_port);
}

/* The same port for both. */
static struct fault *bind_both(struct dns_server *s, unsigned int port)
{
	for (int tries = port ? 1 : PORT_TRIES; tries > 0; tries--) {
		s->udp = bind_socket(SOCK_DGRAM, port);
		if (s->udp < 0)
			break;
		s->port = port_of(s->udp);
		s->tcp = bind_socket(SOCK_STREAM, s->port);
		if (s->tcp >= 0)
			return NULL;
		fd_close(s->udp);
		s->udp = -1;
	}
	if (errno == EADDRINUSE)
		return fault_new(F_BUSY, "port %u of 127.0.0.1 is in use", port);
	return fault_sys(F_SYS, "opening port %u of 127.0.0.1", port);
}

/* Signals are the main thread's. */
static struct fault *start_thread(struct dns_server *s)
{
	sigset_t all, old;
	pthread_attr_t attr;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	error = pthread_create(&s->thread, &attr, serve, s);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = error;
	return error ? fault_sys(F_SYS, "starting a thread") : NULL;
}

static void server_free(struct dns_server *s)
{
	for (size_t i = 0; i < STREAMS_MAX; i++)
		fd_close(s->streams[i].fd);
	fd_close(s->udp);
	fd_close(s->tcp);
	fd_close(s->stop);
	free(s);
}

struct fault *dns_server_start(const struct dns_zone *zone, unsigned int port,
			       struct dns_server **out)
{
	struct dns_server *s = xcalloc(1, sizeof(*s));
	struct fault *f = NULL;

	s->zone = *zone;
	s->udp = s->tcp = -1;
	for (size_t i = 0; i < STREAMS_MAX; i++)
		s->streams[i].fd = -1;
	s->stop = eventfd(0, EFD_CLOEXEC);
	if (s->stop < 0)
		f = fault_sys(F_SYS, "making an event descriptor");
	if (!f)
		f = bind_both(s, port);
	if (!f)
		f = start_thread(s);
	if (f)
		server_free(s);
	else
		*out = s;
	return f;
}

unsigned int dns_server_port(const struct dns_server *server)
{
	return server->port;
}

void dns_server_stop(struct dns_server *server)
{
	if (!server)
		return;
	if (eventfd_write(server->stop, 1) == 0)
		pthread_join(server->thread, NULL);
	server_free(server);
}
