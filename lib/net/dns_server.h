/* SPDX-License-Identifier: MIT */
/*
 * dns_server.h - a DNS zone (dns_zone.h) on a port of 127.0.0.1, UDP and TCP, in a thread of its own.
 *
 * The thread sleeps until somebody asks.  What one client does costs no other more than its turn: answers
 * are never waited for, and of the few TCP connections the one that was silent longest makes room.
 */
#ifndef BANGER_NET_DNS_SERVER_H
#define BANGER_NET_DNS_SERVER_H

#include "base/fault.h"
#include "net/dns_zone.h"

struct dns_server;

/*
 * dns_server_start() - @zone: copied; its functions are called in the thread.  @port: 0 = any.
 * @out: owned, end with dns_server_stop().  F_BUSY when the port is somebody else's; F_DENIED, F_SYS.
 */
struct fault *dns_server_start(const struct dns_zone *zone, unsigned int port,
			       struct dns_server **out) MUST_CHECK;
unsigned int dns_server_port(const struct dns_server *server);
/* dns_server_stop() - NULL is fine. */
void dns_server_stop(struct dns_server *server);

#endif
