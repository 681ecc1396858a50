/* SPDX-License-Identifier: MIT */
/* subnet.h - arithmetic with IPv4 addresses.  Addresses are in host byte order. */
#ifndef BANGER_NET_SUBNET_H
#define BANGER_NET_SUBNET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

struct subnet {
	uint32_t gateway;    /* the host's own address in it */
	uint32_t base;	     /* the network's address */
	unsigned int prefix; /* length, 8..30 */
};

/* subnet_parse() - "172.30.0.1/24": the host's address and the length of the prefix.  F_INVALID. */
struct fault *subnet_parse(const char *text, struct subnet *out) MUST_CHECK;
/* subnet_size() - how many addresses there are from base on, the unusable ones included. */
uint32_t subnet_size(const struct subnet *s);
/* subnet_overlaps() - has @s an address in common with @address/@prefix (0..32)? */
bool subnet_overlaps(const struct subnet *s, uint32_t address, unsigned int prefix);

/* "172.30.0.5", owned; and back: false when @text is no dotted quad. */
char *address_text(uint32_t address);
bool address_parse(const char *text, uint32_t *address);

#endif
