/* SPDX-License-Identifier: MIT */
/* dns.c - any bytes as a query; what is answered is a bounded, well-formed answer to it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/dns_zone.h"

static bool address_of(void *context, const char *label, uint32_t *address)
{
	const char *end = label + strlen(label);

	(void)context;
	if (end == label || end - label > DNS_LABEL_MAX ||
	    strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != (size_t)(end - label))
		abort();
	*address = 0xac1e0005;
	return label[0] == 'w';
}

static bool name_of(void *context, uint32_t address, char label[DNS_LABEL_MAX + 1])
{
	const struct subnet *subnet = context;

	if (!subnet_overlaps(subnet, address, 32))
		abort();
	memset(label, 'w', DNS_LABEL_MAX);
	label[DNS_LABEL_MAX] = '\0';
	return address & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned int prefixes[] = { 8, 16, 20, 24, 30 };
	uint8_t answer[DNS_ANSWER_MAX];

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		struct subnet subnet = { 0xac1e0001, 0xac1e0000 & UINT32_MAX << (32 - prefixes[i]),
					 prefixes[i] };
		struct dns_zone zone = { subnet, address_of, name_of, &subnet };
		uint8_t *query = malloc(size ? size : 1); /* exact, so that a byte read too far is seen */
		size_t len;

		memcpy(query, data, size);
		len = dns_answer(&zone, query, size, answer);
		if (len && (len < 12 || len > sizeof(answer) || memcmp(answer, query, 2) ||
			    !(answer[2] & 0x80) || (query[2] & 0x80)))
			abort();
		/* An answer is no query: two servers cannot keep each other busy. */
		if (len && dns_answer(&zone, answer, len, (uint8_t[DNS_ANSWER_MAX]){ 0 }))
			abort();
		free(query);
	}
	return 0;
}
