/* SPDX-License-Identifier: MIT */
/*
 * dns_zone.h - answers to DNS queries about VMs: the zone "vm." and the reverse zone of the bridge's
 * subnet.  Bytes in, bytes out; no sockets and no state.
 *
 * Names come and go with VMs, so every answer has a time to live of zero.  Nobody can list the zones.
 */
#ifndef BANGER_NET_DNS_ZONE_H
#define BANGER_NET_DNS_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/subnet.h"

#define DNS_LABEL_MAX  63
#define DNS_QUERY_MAX  1232 /* a longer one is no question about us */
#define DNS_ANSWER_MAX 512  /* none is longer, so that UDP always does */

/* Who is asked what the zones hold.  Addresses are in host byte order. */
struct dns_zone {
	struct subnet subnet;
	/* @label: lower case, of letters, digits and inner hyphens. */
	bool (*address_of)(void *context, const char *label, uint32_t *address);
	bool (*name_of)(void *context, uint32_t address, char label[DNS_LABEL_MAX + 1]);
	void *context;
};

/*
 * dns_answer() - the answer to @query (any bytes), and its length; 0 = none is given: what is no
 * well-formed query is passed over in silence.
 */
size_t dns_answer(const struct dns_zone *zone, const uint8_t *query, size_t len,
		  uint8_t answer[DNS_ANSWER_MAX]);

/*
 * dns_reverse_zones() - what "in-addr.arpa" calls @subnet: "30.172.in-addr.arpa" for a /16, several names
 * when the prefix is no whole number of bytes.  The @i-th, owned; NULL after the last (of at most 128).
 */
char *dns_reverse_zone(const struct subnet *subnet, unsigned int i);

#endif
