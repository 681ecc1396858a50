/* SPDX-License-Identifier: MIT */
/*
 * net.h - the network of VMs that root runs: one bridge, a tap for each running VM, banger's own
 * tables of the packet filter (rules.h).
 *
 * Names are computed from the VM's id, and a tap's alias is the path of its VM's directory and the
 * state directory's tag (store.h), so nothing has to be remembered.  Changes are made under locks/net.lock, which these functions take: callers
 * hold their VM's lock and not this one.  The bridge and the tables appear with the first VM and go
 * with the last one; a bridge that banger did not make is used as it is and stays.
 */
#ifndef BANGER_NET_NET_H
#define BANGER_NET_NET_H

#include <sys/types.h>

#include "base/progress.h"
#include "net/rules.h"
#include "net/subnet.h"
#include "store/config.h"
#include "store/store.h"

/* One VM's end. */
struct net_port {
	const char *id;	     /* of the VM, 32 hex digits */
	const char *address; /* IPv4, leased */
	const char *alias;   /* the VM's directory */
	uid_t owner;	     /* net_tap_up(): who will open the tap */
	bool nat;	     /* may go out through the host */
	bool peers;	     /* may talk to other VMs that may */
};

/* net_mac(), net_tap() - of the VM with @id: "02:" and five bytes; "bgr" and the short id.  Owned. */
char *net_mac(const char *id);
char *net_tap(const char *id);

/* net_check() - what is missing on this host for a bridge: root, tun, nft, the library; joined. */
struct fault *net_check(const struct config *config) MUST_CHECK;

/* net_check_subnet() - F_INVALID, and F_STATE as net_tap_up(), before anything is made. */
struct fault *net_check_subnet(const struct config *config) MUST_CHECK;

/*
 * net_tap_up() - bridge and tap.  F_STATE when the bridge's network overlaps with one that this host
 * has already, naming both; F_MISSING, F_DENIED, F_SYS.
 */
struct fault *net_tap_up(const struct store *s, const struct config *config,
			 const struct net_port *port) MUST_CHECK;
/* net_tap_down() - not there is success. */
struct fault *net_tap_down(const struct store *s, const struct config *config,
			   const char *id) MUST_CHECK;

/*
 * net_filter_up() - rules and elements in one transaction, read back and compared; those of other VMs
 * too when somebody has flushed them.  With NAT the host forwards from then on; @progress hears of it,
 * and of others' rules that are in the way.  Also changes `nat` and `peers` of a running VM.
 * F_TOOL with what nft said; F_STATE when the rules are not there afterwards.
 */
struct fault *net_filter_up(const struct store *s, const struct config *config,
			    const struct net_port *port, struct progress *progress) MUST_CHECK;
/*
 * net_filter_down() - before net_tap_down(): the tap leaves the bridge with its rules.  Without the tap there
 * is nothing to do.
 */
struct fault *net_filter_down(const struct store *s, const struct config *config,
			      const struct net_port *port) MUST_CHECK;

/*
 * What `banger gc` looks at.  net_taps() - names of the taps of VMs, and of the idle ones.
 * net_tap_owner() - what @tap tells of whose it is: the VM's directory (of an idle one: the state directory), and the
 * state directory's tag; owned, NULL = nothing.
 */
void net_taps(struct strings *taps, struct strings *idle);
void net_tap_owner(const char *tap, char **path, char **tag);
/* net_tap_drop() - remove it, unless it is another state directory's.  F_BUSY, F_SYS. */
struct fault *net_tap_drop(const struct store *s, const char *tap) MUST_CHECK;
/*
 * net_filter_list() - what the packet filter lets through: records of struct rules_element, to be given
 * to rules_list_release().  *@there: there are tables of ours.  Without root or nft there is nothing.
 */
struct fault *net_filter_list(const struct config *config, bool *there, struct records *out) MUST_CHECK;
/*
 * net_filter_drop() - take @e out if its tap is not there, and, when nobody has a tap, the tables; only these
 * with NULL.
 */
struct fault *net_filter_drop(const struct store *s, const struct config *config,
			      const struct rules_element *e) MUST_CHECK;
/* net_bridge_is_idle() - did we make it, and has nobody a tap?  net_bridge_drop() - remove it then. */
bool net_bridge_is_idle(const struct config *config);
struct fault *net_bridge_drop(const struct store *s, const struct config *config) MUST_CHECK;

/*
 * net_warm() - keep @wanted idle taps for starts to come: makes or removes them.  @had: how many
 * there were.
 */
struct fault *net_warm(const struct store *s, unsigned int wanted, unsigned int *had) MUST_CHECK;
#define NET_WARM_MAX 256
/* net_warm_count() - idle taps now. */
unsigned int net_warm_count(void);

#endif
