/* SPDX-License-Identifier: MIT */
#include "guest/vsock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/unix_socket.h"

/* Wait for bytes until @deadline: *@ready, or not. */
static struct fault *wait_for(int fd, int64_t deadline, bool *ready)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLIN },
				 { .fd = cancel_fd(), .events = POLLIN } };

	if (poll(fds, 2, clock_left(deadline)) < 0 && errno != EINTR)
		return fault_sys(F_SYS, "waiting for the machine's agent");
	*ready = fds[0].revents != 0;
	return cancel_check();
}

/*
 * One byte at a time, as the guest's own may follow at once.  *@len is 0 when the socket closed or
 * stayed silent.
 */
static struct fault *read_line(int fd, int64_t deadline, char *line, size_t *len)
{
	*len = 0;
	while (*len < GUEST_VSOCK_ANSWER_MAX) {
		ssize_t n = recv(fd, line + *len, 1, MSG_DONTWAIT);
		bool ready = true;

		if (n > 0 && line[(*len)++] == '\n')
			return NULL;
		if (n > 0 || (n < 0 && errno == EINTR))
			continue;
		if (n < 0 && errno == EAGAIN && clock_left(deadline)) {
			TRY(wait_for(fd, deadline, &ready));
			continue;
		}
		*len = 0;
		return NULL;
	}
	return NULL;
}

static bool is_ok(const char *line, size_t len)
{
	return len > 4 && !memcmp(line, "OK ", 3) &&
	       strspn(line + 3, "0123456789") == len - 4 && line[len - 1] == '\n';
}

struct fault *vsock_connect(const char *path, unsigned int port, int wait_ms, int *fd)
{
	int64_t deadline = clock_deadline(wait_ms);
	char line[GUEST_VSOCK_ANSWER_MAX + 1] = "";
	AUTO_FD socket = unix_connect(path);
	char request[32];
	size_t len;
	int n = snprintf(request, sizeof(request), "CONNECT %u\n", port);

	*fd = -1;
	if (socket < 0 && errno == ENAMETOOLONG)
		return fault_new(F_INVALID, "the socket path '%s' is too long", path);
	if (socket < 0 && errno != ENOENT && errno != ECONNREFUSED && errno != EAGAIN)
		return fault_sys(F_SYS, "connecting to '%s'", path);
	/* In one piece: the other side does not wait for the rest of a line. */
	if (socket < 0 || send(socket, request, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n)
		return NULL;
	TRY(read_line(socket, deadline, line, &len));
	if (!len)
		return NULL;
	if (!is_ok(line, len))
		return fault_new(F_GUEST, "the socket '%s' does not speak as Firecracker's does", path);
	*fd = steal_fd(&socket);
	return NULL;
}
