/* SPDX-License-Identifier: MIT */
/* builtin_connect.c - a byte stream to a TCP port inside the machine. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "builtin.h"

#define FLOW_BYTES 65536

/* One direction.  Both are pumped without blocking: a peer may fill one while we fill the other. */
struct flow {
	int from, to;
	bool end;  /* @from has nothing more */
	bool over; /* and all of it was written, or @to takes no more */
	size_t at, len;
	char data[FLOW_BYTES];
};

static bool would_block(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static void flow_read(struct flow *f)
{
	ssize_t n = read(f->from, f->data, sizeof(f->data));

	if (n < 0 && would_block())
		return;
	f->at = 0;
	f->len = n > 0 ? (size_t)n : 0;
	f->end = n <= 0;
	f->over = f->end;
}

static void flow_write(struct flow *f)
{
	ssize_t n = write(f->to, f->data + f->at, f->len);

	if (n < 0 && would_block())
		return;
	if (n < 0) {
		f->over = true;
		return;
	}
	f->at += (size_t)n;
	f->len -= (size_t)n;
}

static struct pollfd flow_wants(const struct flow *f)
{
	if (f->over)
		return (struct pollfd){ .fd = -1 };
	return f->len ? (struct pollfd){ .fd = f->to, .events = POLLOUT }
		      : (struct pollfd){ .fd = f->from, .events = POLLIN };
}

static void flow_turn(struct flow *f, const struct pollfd *p)
{
	if (p->fd < 0 || !p->revents)
		return;
	if (f->len)
		flow_write(f);
	else
		flow_read(f);
}

/* What the client has sent is delivered; the connection ends when the server's side does. */
static int pump(int sock)
{
	static struct flow in, out;
	bool told = false;

	in.from = STDIN_FILENO;
	in.to = out.from = sock;
	out.to = STDOUT_FILENO;
	while (!out.over) {
		struct pollfd p[] = { flow_wants(&in), flow_wants(&out) };

		if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
			return 1;
		flow_turn(&in, &p[0]);
		flow_turn(&out, &p[1]);
		if (in.over && !told) {
			shutdown(sock, SHUT_WR);
			told = true;
		}
	}
	return 0;
}

static int dial(const struct sockaddr *address, socklen_t len)
{
	AUTO_FD fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, address, len))
		return -1;
	return steal_fd(&fd);
}

static int dial_port(in_port_t port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = port,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = port,
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = dial((const struct sockaddr *)&v4, sizeof(v4));
	int reason = errno;

	if (fd < 0)
		fd = dial((const struct sockaddr *)&v6, sizeof(v6));
	if (fd < 0)
		errno = reason;
	return fd;
}

bool connect_probe(unsigned int port)
{
	AUTO_FD sock = dial_port(htons((in_port_t)port));

	return sock >= 0;
}

int builtin_connect(int argc, char **argv)
{
	char *end = NULL;
	unsigned long port = argc == 2 ? strtoul(argv[1], &end, 10) : 0;
	AUTO_FD sock = -1;

	if (!port || port > 65535 || *end) {
		fprintf(stderr, "connect: needs a port from 1 to 65535\n");
		return 1;
	}
	sock = dial_port(htons((in_port_t)port));
	if (sock < 0) {
		fprintf(stderr, "connecting to port %lu of the machine: %m\n", port);
		return 1;
	}
	fcntl(sock, F_SETFL, O_NONBLOCK);
	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK);
	return pump(sock);
}
