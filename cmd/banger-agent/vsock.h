/* SPDX-License-Identifier: MIT */
/* vsock.h - clients that come over a vsock (Firecracker). */
#ifndef BANGER_AGENT_VSOCK_H
#define BANGER_AGENT_VSOCK_H

#include "base/fault.h"

/* vsock_init() - listen; @accepted is given each connection of the host, to own it.  F_SYS. */
struct fault *vsock_init(void (*accepted)(int fd)) MUST_CHECK;

#endif
