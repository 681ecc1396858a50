/* SPDX-License-Identifier: MIT */
/*
 * own_tap.h - "--net tap:NAME,ADDRESS/PREFIX[,GATEWAY]": a tap that root made for a user once, who
 * then needs no root for a network.  It is only used: what it leads to, and who filters it, is its
 * maker's concern.
 */
#ifndef BANGER_NET_OWN_TAP_H
#define BANGER_NET_OWN_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

#define OWN_TAP_FORM "tap:NAME,ADDRESS/PREFIX[,GATEWAY]"

struct own_tap {
	char name[16];
	uint32_t address; /* of the guest, host byte order */
	unsigned int prefix;
	uint32_t gateway; /* 0 = none: the guest reaches its own network only */
};

/* own_tap_is() - is network mode @net of this kind?  NULL is not. */
bool own_tap_is(const char *net);
/* own_tap_parse() - F_INVALID with what is wrong. */
struct fault *own_tap_parse(const char *net, struct own_tap *out) MUST_CHECK;
/*
 * own_tap_check() - can this user's VM have it now?  F_UNSUPPORTED for root, F_MISSING, F_INVALID when
 * it is no plain tap, F_DENIED when it is somebody else's, F_STATE when it is down, F_BUSY when a
 * program has it.
 */
struct fault *own_tap_check(const struct own_tap *tap) MUST_CHECK;
/* own_tap_check_net() - both for network mode @net; nothing to check when it is of another kind. */
struct fault *own_tap_check_net(const char *net) MUST_CHECK;

/* net_interface() - name of the host's end of the VM with @net and @id; owned, NULL = there is none. */
char *net_interface(const char *net, const char *id);

#endif
