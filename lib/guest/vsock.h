/* SPDX-License-Identifier: MIT */
/*
 * vsock.h - a stream to the guest through Firecracker's vsock device.
 *
 * On the host it is one unix socket: whoever connects asks for a port of the guest ("CONNECT 1234\n")
 * and is answered "OK 5678\n" before the guest's bytes.  While the guest has no driver yet the socket
 * takes connections and says nothing; where nobody listens in the guest it closes them.
 */
#ifndef BANGER_GUEST_VSOCK_H
#define BANGER_GUEST_VSOCK_H

#include <stdbool.h>

#include "base/fault.h"

/* Name of the socket in a VM's run directory. */
#define GUEST_VSOCK_NAME "vsock"
/* Longest answer, with its newline. */
#define GUEST_VSOCK_ANSWER_MAX 32

/*
 * vsock_connect() - connect to port @port through the socket at @path.
 * @wait_ms: the longest silence of the socket; what takes longer counts as nobody there.
 * @fd: out, owned, non-blocking; -1 when nobody is there yet: try again.
 * Return: NULL; F_GUEST when the answer is none of the protocol; F_INVALID when the path is too long;
 * F_SYS, F_CANCELLED.
 */
struct fault *vsock_connect(const char *path, unsigned int port, int wait_ms, int *fd) MUST_CHECK;

#endif
