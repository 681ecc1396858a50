/* SPDX-License-Identifier: MIT */
#include "net/dns_zone.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

#define HEADER_LEN   12
#define NAME_MAX_LEN 255
#define LABELS_MAX   127

enum { TYPE_A = 1, TYPE_NS = 2, TYPE_SOA = 6, TYPE_PTR = 12, TYPE_OPT = 41, TYPE_IXFR = 251,
       TYPE_AXFR = 252, TYPE_ANY = 255 };
enum { CLASS_IN = 1, CLASS_ANY = 255 };
enum { NOERROR = 0, NXDOMAIN = 3, NOTIMP = 4, REFUSED = 5, BADVERS = 16 };

#define FLAG_ANSWER	   0x8000
#define FLAG_AUTHORITATIVE 0x0400
#define FLAG_RECURSION	   0x0100
#define OPCODE(flags)	   ((flags) >> 11 & 15)

/* Where each label of the question's name begins in the query. */
struct name {
	size_t label[LABELS_MAX];
	size_t n;
};

struct query {
	const uint8_t *bytes;
	struct name name;
	size_t question_end;
	unsigned int flags, type, class;
	bool has_opt;
	unsigned int version; /* of EDNS */
};

struct answer {
	uint8_t *bytes;
	size_t len;
	unsigned int answers, authorities, extras, rcode;
	bool authoritative;
};

static unsigned int get16(const uint8_t *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

/* ------------------------------------------------------------------------------------ queries */

/* Compression has no place in a query with one name. */
static bool read_name(const uint8_t *bytes, size_t len, size_t *at, struct name *out)
{
	size_t from = *at;

	out->n = 0;
	while (*at < len && bytes[*at]) {
		if (bytes[*at] > DNS_LABEL_MAX || out->n == LABELS_MAX)
			return false;
		out->label[out->n++] = *at;
		*at += 1 + (size_t)bytes[*at];
	}
	if (*at >= len)
		return false;
	++*at;
	return *at - from <= NAME_MAX_LEN;
}

/* The one record behind the question that is understood, to the very end of the query. */
static bool read_opt(struct query *q, size_t at, size_t len)
{
	const uint8_t *r = q->bytes + at;

	if (len - at < 11 || r[0] || get16(r + 1) != TYPE_OPT || len - at - 11 != get16(r + 9))
		return false;
	q->has_opt = true;
	q->version = r[6];
	return true;
}

static bool read_query(struct query *q, const uint8_t *bytes, size_t len)
{
	size_t at = HEADER_LEN;
	unsigned int extras;

	*q = (struct query){ .bytes = bytes };
	if (len < HEADER_LEN || len > DNS_QUERY_MAX)
		return false;
	q->flags = get16(bytes + 2);
	extras = get16(bytes + 10);
	if ((q->flags & FLAG_ANSWER) || get16(bytes + 4) != 1 || get16(bytes + 6) ||
	    get16(bytes + 8) || extras > 1)
		return false;
	if (!read_name(bytes, len, &at, &q->name) || len - at < 4)
		return false;
	q->type = get16(bytes + at);
	q->class = get16(bytes + at + 2);
	q->question_end = at + 4;
	return extras ? read_opt(q, q->question_end, len) : q->question_end == len;
}

/* ------------------------------------------------------------------------------------ answers */

static void put(struct answer *a, const void *data, size_t len)
{
	assert(a->len + len <= DNS_ANSWER_MAX);
	memcpy(a->bytes + a->len, data, len);
	a->len += len;
}

static void put16(struct answer *a, unsigned int value)
{
	put(a, (uint8_t[]){ (uint8_t)(value >> 8), (uint8_t)value }, 2);
}

static void put32(struct answer *a, uint32_t value)
{
	put16(a, value >> 16);
	put16(a, value & 0xffff);
}

static void put_label(struct answer *a, const char *label)
{
	size_t len = strlen(label);

	put(a, (uint8_t[]){ (uint8_t)len }, 1);
	put(a, label, len);
}

/* Head of a record of @rdata bytes, whose name is the question's from @owner on. */
static void put_record(struct answer *a, size_t owner, unsigned int type, size_t rdata)
{
	put16(a, 0xc000 | (unsigned int)owner);
	put16(a, type);
	put16(a, CLASS_IN);
	put32(a, 0);
	put16(a, (unsigned int)rdata);
}

static void put_host(struct answer *a)
{
	put_label(a, "localhost");
	put(a, "", 1);
}
#define HOST_LEN 11

static void put_soa(struct answer *a, size_t apex)
{
	put_record(a, apex, TYPE_SOA, HOST_LEN + 1 + 20);
	put_host(a);
	put(a, "", 1); /* nobody is responsible by mail */
	put32(a, 1);
	put32(a, 3600);
	put32(a, 600);
	put32(a, 86400);
	put32(a, 0);
}

static void put_ns(struct answer *a, size_t apex)
{
	put_record(a, apex, TYPE_NS, HOST_LEN);
	put_host(a);
}

/* The name is ours and has nothing of the type, or is not there: both say so with the zone's SOA. */
static void deny(struct answer *a, size_t apex, unsigned int rcode)
{
	put_soa(a, apex);
	a->authorities++;
	a->rcode = rcode;
}

static bool asks(const struct query *q, unsigned int type)
{
	return q->type == type || q->type == TYPE_ANY;
}

static void answer_apex(const struct query *q, size_t apex, struct answer *a)
{
	if (asks(q, TYPE_SOA)) {
		put_soa(a, apex);
		a->answers++;
	}
	if (asks(q, TYPE_NS)) {
		put_ns(a, apex);
		a->answers++;
	}
	if (!a->answers)
		deny(a, apex, NOERROR);
}

/* --------------------------------------------------------------------------------------- zones */

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool is_label(const struct query *q, size_t i, const char *text)
{
	const uint8_t *label = q->bytes + q->name.label[i];
	size_t len = strlen(text);

	if (*label != len)
		return false;
	for (size_t k = 0; k < len; k++)
		if (lower(label[1 + k]) != (uint8_t)text[k])
			return false;
	return true;
}

/* A label that a VM can have, lower-cased. */
static bool vm_label(const struct query *q, size_t i, char out[DNS_LABEL_MAX + 1])
{
	const uint8_t *label = q->bytes + q->name.label[i];
	size_t len = *label++;

	for (size_t k = 0; k < len; k++) {
		uint8_t c = lower(label[k]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return false;
		out[k] = (char)c;
	}
	out[len] = '\0';
	return out[0] != '-' && out[len - 1] != '-';
}

static void answer_vm(const struct dns_zone *zone, const struct query *q, struct answer *a)
{
	size_t n = q->name.n, apex = q->name.label[n - 1];
	char label[DNS_LABEL_MAX + 1];
	uint32_t address = 0;

	if (n == 1)
		return answer_apex(q, apex, a);
	if (n > 2 || !vm_label(q, 0, label) || !zone->address_of(zone->context, label, &address))
		return deny(a, apex, NXDOMAIN);
	if (!asks(q, TYPE_A))
		return deny(a, apex, NOERROR);
	put_record(a, q->name.label[0], TYPE_A, 4);
	put32(a, address);
	a->answers++;
}

/* A number from 0 to 255 as DNS names spell it; false otherwise. */
static bool byte_label(const struct query *q, size_t i, uint32_t *out)
{
	const uint8_t *label = q->bytes + q->name.label[i];
	size_t len = *label++;

	*out = 0;
	if (!len || len > 3 || (label[0] == '0' && len > 1))
		return false;
	for (size_t k = 0; k < len; k++) {
		if (label[k] < '0' || label[k] > '9')
			return false;
		*out = *out * 10 + (label[k] - '0');
	}
	return *out <= 255;
}

static unsigned int apex_bytes(const struct subnet *s)
{
	return (s->prefix + 7) / 8;
}

/*
 * Is the question about the subnet?  @bytes: how many of the address the name has, at most 4;
 * @extra: how many labels there are before those.
 */
static bool is_reverse(const struct subnet *s, const struct query *q, uint32_t *address,
		       unsigned int *bytes, size_t *extra)
{
	size_t n = q->name.n;
	uint32_t byte;

	*address = 0;
	*bytes = 0;
	if (n < 2 || !is_label(q, n - 1, "arpa") || !is_label(q, n - 2, "in-addr"))
		return false;
	n -= 2;
	while (n && *bytes < 4 && byte_label(q, n - 1, &byte)) {
		*address |= byte << (24 - 8 * *bytes);
		++*bytes;
		n--;
	}
	*extra = n;
	return *bytes >= apex_bytes(s) && subnet_overlaps(s, *address, 8 * *bytes);
}

static void answer_pointer(const struct dns_zone *zone, const struct query *q, uint32_t address,
			   size_t apex, struct answer *a)
{
	char label[DNS_LABEL_MAX + 1];

	/* A zone's own name is always there. */
	if (!zone->name_of(zone->context, address, label))
		return deny(a, apex, apex == q->name.label[0] ? NOERROR : NXDOMAIN);
	if (!asks(q, TYPE_PTR))
		return deny(a, apex, NOERROR);
	put_record(a, q->name.label[0], TYPE_PTR, 1 + strlen(label) + 4);
	put_label(a, label);
	put_label(a, "vm");
	put(a, "", 1);
	a->answers++;
}

static void answer_reverse(const struct dns_zone *zone, const struct query *q, uint32_t address,
			   unsigned int bytes, size_t extra, struct answer *a)
{
	unsigned int least = apex_bytes(&zone->subnet);
	size_t apex = q->name.label[q->name.n - 2 - least];

	if (extra)
		return deny(a, apex, NXDOMAIN);
	if (bytes == least && (bytes < 4 || !asks(q, TYPE_PTR)))
		return answer_apex(q, apex, a);
	if (bytes < 4)
		return deny(a, apex, NOERROR); /* there are names below it */
	answer_pointer(zone, q, address, apex, a);
}

static void answer_question(const struct dns_zone *zone, const struct query *q, struct answer *a)
{
	size_t n = q->name.n, extra;
	unsigned int bytes;
	uint32_t address;

	a->rcode = REFUSED;
	if ((q->class != CLASS_IN && q->class != CLASS_ANY) || q->type == TYPE_AXFR ||
	    q->type == TYPE_IXFR)
		return;
	a->rcode = NOERROR;
	a->authoritative = true;
	if (n && is_label(q, n - 1, "vm"))
		return answer_vm(zone, q, a);
	if (is_reverse(&zone->subnet, q, &address, &bytes, &extra))
		return answer_reverse(zone, q, address, bytes, extra, a);
	a->rcode = REFUSED;
	a->authoritative = false;
}

static void put_opt(struct answer *a)
{
	put(a, "", 1);
	put16(a, TYPE_OPT);
	put16(a, DNS_QUERY_MAX);
	put32(a, (uint32_t)(a->rcode >> 4) << 24);
	put16(a, 0);
	a->extras++;
}

/* @questions: 0 or 1, how many the answer repeats. */
static void put_head(struct answer *a, const uint8_t *query, unsigned int questions)
{
	unsigned int flags = get16(query + 2);
	struct answer head = { .bytes = a->bytes };

	put(&head, query, 2);
	put16(&head, FLAG_ANSWER | (flags & 0x7800) | (flags & FLAG_RECURSION) |
			     (a->authoritative ? FLAG_AUTHORITATIVE : 0) | (a->rcode & 15));
	put16(&head, questions);
	put16(&head, a->answers);
	put16(&head, a->authorities);
	put16(&head, a->extras);
}

size_t dns_answer(const struct dns_zone *zone, const uint8_t *query, size_t len,
		  uint8_t answer[DNS_ANSWER_MAX])
{
	struct answer a = { .bytes = answer, .len = HEADER_LEN };
	struct query q;

	if (len >= HEADER_LEN && !(query[2] & 0x80) && OPCODE(get16(query + 2))) {
		a.rcode = NOTIMP;
		put_head(&a, query, 0);
		return a.len;
	}
	if (!read_query(&q, query, len))
		return 0;
	put(&a, query + HEADER_LEN, q.question_end - HEADER_LEN);
	if (q.version)
		a.rcode = BADVERS;
	else
		answer_question(zone, &q, &a);
	if (q.has_opt)
		put_opt(&a);
	put_head(&a, query, 1);
	return a.len;
}

char *dns_reverse_zone(const struct subnet *subnet, unsigned int i)
{
	unsigned int bytes = apex_bytes(subnet);
	uint32_t step = UINT32_C(1) << (32 - 8 * bytes);
	uint32_t address = subnet->base + i * step;
	char text[4 * 4 + sizeof("in-addr.arpa")];
	size_t len = 0;

	if (i >= UINT32_C(1) << (8 * bytes - subnet->prefix))
		return NULL;
	for (unsigned int k = bytes; k-- > 0;)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%u.", address >> (24 - 8 * k) & 255);
	snprintf(text + len, sizeof(text) - len, "in-addr.arpa");
	return xstrdup(text);
}
