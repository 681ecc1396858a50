/* SPDX-License-Identifier: MIT */
#include "vsock.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "agent.h"
#include "guest/frame.h"
#include "loop.h"

#define BACKLOG 64

static void (*report)(int fd);

/* Processes of the guest itself may have a way to this socket as well: they are sent away. */
static void knocked(void *context, uint32_t events)
{
	const struct watch *w = context;
	struct sockaddr_vm peer;
	socklen_t len = sizeof(peer);
	int fd;

	(void)events;
	while ((fd = accept4(w->fd, (struct sockaddr *)&peer, &len,
			     SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		if (len >= sizeof(peer) && peer.svm_cid == VMADDR_CID_HOST)
			report(fd);
		else
			fd_close(fd);
		len = sizeof(peer);
	}
}

struct fault *vsock_init(void (*accepted)(int fd))
{
	static struct watch watch = { -1, 0, knocked, &watch };
	const struct sockaddr_vm address = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY,
					     .svm_port = FRAME_VSOCK_PORT };

	report = accepted;
	watch.fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (watch.fd < 0 || bind(watch.fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(watch.fd, BACKLOG))
		return fault_sys(F_SYS, "listening on the vsock");
	loop_want(&watch, EPOLLIN);
	return NULL;
}
