/* SPDX-License-Identifier: MIT */
#include "vm/forward_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"

#define BACKLOG 128

static struct fault *malformed(const char *text)
{
	return fault_new(F_INVALID, "'%.80s' is not [BIND:]HOSTPORT:GUESTPORT, such as 8080:80 or "
			 "0.0.0.0:8080:80", text);
}

/* Cut the last ":field" off @text. */
static char *last_field(char *text)
{
	char *colon = strrchr(text, ':');

	if (!colon)
		return NULL;
	*colon = '\0';
	return colon + 1;
}

static bool read_v4(const char *bind, unsigned int port, struct forward_address *out)
{
	struct sockaddr_in *in = &out->address.v4;

	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	out->len = sizeof(*in);
	return inet_pton(AF_INET, bind, &in->sin_addr) == 1;
}

static bool read_v6(const char *bind, unsigned int port, struct forward_address *out)
{
	struct sockaddr_in6 *in = &out->address.v6;
	size_t len = strlen(bind);
	AUTO_FREE char *inner = NULL;

	if (len < 3 || bind[0] != '[' || bind[len - 1] != ']')
		return false;
	inner = xstrndup(bind + 1, len - 2);
	memset(in, 0, sizeof(*in));
	in->sin6_family = AF_INET6;
	in->sin6_port = htons((uint16_t)port);
	out->len = sizeof(*in);
	return inet_pton(AF_INET6, inner, &in->sin6_addr) == 1;
}

struct fault *forward_parse(const char *text, bool any_port, struct forward_address *out)
{
	AUTO_FREE char *copy = xstrdup(text);
	const char *guest = last_field(copy);
	const char *host = guest ? last_field(copy) : NULL;
	const char *bind = host ? copy : "127.0.0.1";
	uint64_t host_port = 0, guest_port = 0;

	*out = (struct forward_address){ 0 };
	if (!guest)
		return malformed(text);
	if (!host)
		host = copy;
	TRY(fault_wrap(text_parse_count(host, "port of the host", !any_port, 65535, &host_port),
		       "'%.80s'", text));
	TRY(fault_wrap(text_parse_count(guest, "port of the guest", 1, 65535, &guest_port), "'%.80s'",
		       text));
	out->guest_port = (unsigned int)guest_port;
	if (read_v4(bind, (unsigned int)host_port, out) || read_v6(bind, (unsigned int)host_port, out))
		return NULL;
	return fault_hint(fault_new(F_INVALID, "'%.80s': '%.64s' is not an address of this host", text,
				    bind),
			  "Give an IPv4 address, or an IPv6 address in brackets.");
}

char *forward_text(const struct forward_address *a, int fd)
{
	union forward_socket address = a->address;
	socklen_t len = sizeof(address);
	char text[INET6_ADDRSTRLEN] = "";

	if (fd >= 0 && getsockname(fd, &address.any, &len) < 0)
		address = a->address;
	if (address.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &address.v6.sin6_addr, text, sizeof(text));
		return xasprintf("[%s]:%u", text, ntohs(address.v6.sin6_port));
	}
	inet_ntop(AF_INET, &address.v4.sin_addr, text, sizeof(text));
	return xasprintf("%s:%u", text, ntohs(address.v4.sin_port));
}

struct fault *forward_listen(const struct forward_address *a, int *fd)
{
	AUTO_FREE char *text = forward_text(a, -1);
	int on = 1;
	AUTO_FD sock = socket(a->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (sock < 0)
		return fault_sys(F_SYS, "making a socket for %s", text);
	/* A connection that has just ended must not keep the next forwarder waiting. */
	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->address.any.sa_family == AF_INET6)
		setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (!bind(sock, &a->address.any, a->len) && !listen(sock, BACKLOG)) {
		*fd = steal_fd(&sock);
		return NULL;
	}
	if (errno == EADDRINUSE)
		return fault_hint(fault_new(F_BUSY, "%s is taken: another program listens there", text),
				  "Choose another port of the host. To see who has it: ss -ltnp");
	if (errno == EACCES)
		return fault_hint(fault_sys(F_DENIED, "listening on %s", text),
				  "Ports below 1024 need root: choose a higher one.");
	return fault_sys(F_SYS, "listening on %s", text);
}
