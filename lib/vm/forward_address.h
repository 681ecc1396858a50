/* SPDX-License-Identifier: MIT */
/* forward_address.h - "[BIND:]HOSTPORT:GUESTPORT" and the sockets for it. */
#ifndef BANGER_VM_FORWARD_ADDRESS_H
#define BANGER_VM_FORWARD_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>

#include "base/fault.h"

struct forward_address {
	union forward_socket {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	socklen_t len;
	unsigned int guest_port;
};

/* forward_parse() - F_INVALID in a whole sentence.  @any_port: the host's port may be 0. */
struct fault *forward_parse(const char *text, bool any_port, struct forward_address *out) MUST_CHECK;
/* forward_listen() - @fd: out, owned, listening without blocking.  F_BUSY, F_DENIED, F_SYS. */
struct fault *forward_listen(const struct forward_address *a, int *fd) MUST_CHECK;
/* forward_text() - "127.0.0.1:8080" or "[::1]:8080" of what @fd is bound to, or of @a when it is -1; owned. */
char *forward_text(const struct forward_address *a, int fd);

#endif
