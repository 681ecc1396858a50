/* SPDX-License-Identifier: MIT */
/*
 * netlink.h - links, addresses and taps of this network namespace; the only user of libnl-route.
 *
 * Everything is idempotent: what is there already, or gone already, is success.  Needs CAP_NET_ADMIN,
 * but for the observers.
 */
#ifndef BANGER_HOST_NETLINK_H
#define BANGER_HOST_NETLINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/json.h"

struct netlink;

/* netlink_open() - F_MISSING without the library; F_SYS. */
struct fault *netlink_open(struct netlink **out) MUST_CHECK;
void netlink_close(struct netlink *n);
static inline void netlink_cleanup(struct netlink **n)
{
	netlink_close(*n);
}
#define AUTO_NETLINK __attribute__((cleanup(netlink_cleanup))) struct netlink *

/* Observers, without the library. */
bool link_exists(const char *name);
/* Number of the interface, 0 = there is none; another one for one that is made again. */
unsigned int link_index(const char *name);
/* link_attribute() - the number in @file of the interface's directory in sysfs; -1 = it cannot be read. */
long link_attribute(const char *name, const char *file);
/*
 * address_changes() - a descriptor (owned) that is readable once IPv4 addresses of this host have come
 * or gone since address_changes_drain().  F_SYS.
 */
struct fault *address_changes(int *fd) MUST_CHECK;
void address_changes_drain(int fd);
/* link_ports() - names of the interfaces of bridge @name; empty when it is none. */
void link_ports(const char *name, struct strings *out);
/* link_list() - names of the interfaces that begin with @prefix, sorted. */
void link_list(const char *prefix, struct strings *out);
/* link_alias() - what whoever made it wrote down; owned; NULL = nothing, or no such interface. */
char *link_alias(const char *name);
/* link_mac() - "02:..", owned; NULL = there is no such interface. */
char *link_mac(const char *name);

/*
 * netlink_bridge_up() - make sure that bridge @name exists, with @mac (so that it does not change
 * with its ports), the address @address/@prefix (host byte order) and @alias, and is up.
 */
struct fault *netlink_bridge_up(struct netlink *n, const char *name, const char *mac,
				const char *alias, uint32_t address, unsigned int prefix) MUST_CHECK;
/*
 * netlink_conflict() - what else of this host uses a part of the network: the text of the first
 * address or route that @overlaps says yes to, on another interface than @except.  Owned, NULL = none.
 */
struct fault *netlink_conflict(struct netlink *n, const char *except,
			       bool (*overlaps)(const void *context, uint32_t address,
						unsigned int prefix),
			       const void *context, char **conflict) MUST_CHECK;
/* netlink_rename() - with another alias from that moment on; the link must be down. */
struct fault *netlink_rename(struct netlink *n, const char *name, const char *to,
			     const char *alias) MUST_CHECK;
/*
 * netlink_port_up() - make @name a port of @bridge and bring it up.  @isolated: it reaches no other
 * isolated port.
 */
struct fault *netlink_port_up(struct netlink *n, const char *name, const char *bridge,
			      const char *alias, bool isolated) MUST_CHECK;
/* netlink_port_down() - @name is no bridge's port any more. */
struct fault *netlink_port_down(struct netlink *n, const char *name) MUST_CHECK;
struct fault *netlink_remove(struct netlink *n, const char *name) MUST_CHECK;

/* forwarding_enable() - let this host route IPv4 packets.  @changed: it did not before. */
struct fault *forwarding_enable(bool *changed) MUST_CHECK;

/* Longest alias that the kernel takes, without the NUL. */
#define LINK_ALIAS_MAX 255
/*
 * tap_make() - a tap interface that lives on without a process, for @owner to open.  It has @alias
 * before it lives on; one that is too long is left out.
 * F_MISSING without /dev/net/tun; F_DENIED; F_SYS.
 */
struct fault *tap_make(struct netlink *n, const char *name, const char *alias,
		       uid_t owner) MUST_CHECK;

#endif
