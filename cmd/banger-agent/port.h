/* SPDX-License-Identifier: MIT */
/*
 * port.h - the virtio-serial ports "banger.0" .. or the connections of a vsock, and the
 * session on each.
 *
 * Theory of operation
 *
 * While no host is connected a port reports EPOLLHUP all the time, so the ports are waited for
 * edge-triggered: the driver wakes its waiters when the host opens or closes, on data, and when
 * written buffers come back.  A wake-up means: read until there is nothing left, write what is
 * queued, then ask once whether the host is there.  The kernel learns of that through another queue
 * than the data's, so the data of the next client may come before the news that the former one has
 * gone.  Hence only a host that stays away for a while ends the session (a HELLO does so at once);
 * from then until the next HELLO everything is rubbish (frame.h).
 *
 * On a vsock each client has a connection of its own, whose end is the end of the session.
 */
#ifndef BANGER_AGENT_PORT_H
#define BANGER_AGENT_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "guest/seed.h"

/*
 * ports_init() - look for ports now and whenever the kernel announces one.
 * @successor: an agent before this one has ended.  Its clients do not know, as a port tells them
 * nothing; they are told by an ERROR, after padding that fills up a frame which was cut.
 */
void ports_init(const struct seed *seed, bool successor);
/* ports_reaped() - a child has ended; true when it belonged to a session. */
bool ports_reaped(pid_t pid, int wait_status);
/* ports_tick() - do what time asks for; returns when it wants to be called again, or -1. */
int64_t ports_tick(void);

#endif
