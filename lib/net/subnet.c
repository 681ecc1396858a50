/* SPDX-License-Identifier: MIT */
#include "net/subnet.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/text.h"

#define PREFIX_LEAST 8
#define PREFIX_MOST  30

static uint32_t mask(unsigned int prefix)
{
	return prefix ? UINT32_MAX << (32 - prefix) : 0;
}

char *address_text(uint32_t address)
{
	return xasprintf("%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
			 address & 255);
}

bool address_parse(const char *text, uint32_t *address)
{
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) != 1)
		return false;
	*address = ntohl(in.s_addr);
	return true;
}

struct fault *subnet_parse(const char *text, struct subnet *out)
{
	size_t len = strcspn(text, "/");
	AUTO_FREE char *address = xasprintf("%.*s", (int)len, text);
	uint64_t prefix = 0;

	if (!text[len] || !address_parse(address, &out->gateway))
		return fault_new(F_INVALID, "'%s' is not an address with a prefix, such as "
				 "172.30.0.1/24", text);
	TRY(text_parse_count(text + len + 1, "the prefix of the subnet", PREFIX_LEAST, PREFIX_MOST,
			     &prefix));
	out->prefix = (unsigned int)prefix;
	out->base = out->gateway & mask(out->prefix);
	if (out->gateway == out->base || out->gateway == out->base + subnet_size(out) - 1)
		return fault_new(F_INVALID, "'%s' names no host: the first and the last address of a "
				 "subnet belong to the network", text);
	return NULL;
}

uint32_t subnet_size(const struct subnet *s)
{
	return UINT32_C(1) << (32 - s->prefix);
}

bool subnet_overlaps(const struct subnet *s, uint32_t address, unsigned int prefix)
{
	uint32_t common = mask(prefix < s->prefix ? prefix : s->prefix);

	return (s->base & common) == (address & common);
}
