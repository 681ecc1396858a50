/* SPDX-License-Identifier: MIT */
/* test_dns.c - the zone's answers byte for byte, and the server on real sockets. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "net/dns_server.h"

enum { A = 1, NS = 2, SOA = 6, PTR = 12, AAAA = 28, AXFR = 252, ANY = 255 };

static bool address_of(void *context, const char *label, uint32_t *address)
{
	(void)context;
	*address = 0xac1e0005;
	return !strcmp(label, "web");
}

static bool name_of(void *context, uint32_t address, char label[DNS_LABEL_MAX + 1])
{
	(void)context;
	memcpy(label, "web", 4);
	return address == 0xac1e0005;
}

static const struct dns_zone zone = { { 0xac1e0001, 0xac1e0000, 24 }, address_of, name_of, NULL };

static void add16(struct buf *b, unsigned int value)
{
	buf_addc(b, (char)(value >> 8));
	buf_addc(b, (char)value);
}

static void add_name(struct buf *b, const char *name)
{
	while (*name) {
		size_t len = strcspn(name, ".");

		buf_addc(b, (char)len);
		buf_add(b, name, len);
		name += len + (name[len] == '.');
	}
	buf_addc(b, '\0');
}

static void make_query(struct buf *b, const char *name, unsigned int type)
{
	buf_clear(b);
	buf_add(b, "\x12\x34\x01\x00\0\x01\0\0\0\0\0\0", 12);
	add_name(b, name);
	add16(b, type);
	add16(b, 1);
}

struct seen {
	unsigned int flags, answers, authorities, extras;
	size_t len;
	uint8_t bytes[DNS_ANSWER_MAX];
};

static struct seen look(const struct buf *query, const struct dns_zone *z)
{
	struct seen s = { 0 };

	s.len = dns_answer(z, (const uint8_t *)query->data, query->len, s.bytes);
	if (!s.len)
		return s;
	assert_true(s.len >= 12 && s.len <= sizeof(s.bytes));
	assert_memory_equal(s.bytes, "\x12\x34", 2);
	s.flags = (unsigned int)s.bytes[2] << 8 | s.bytes[3];
	s.answers = s.bytes[7];
	s.authorities = s.bytes[9];
	s.extras = s.bytes[11];
	return s;
}

static struct seen ask_zone(const struct dns_zone *z, const char *name, unsigned int type)
{
	AUTO_BUF q = BUF_INIT;

	make_query(&q, name, type);
	return look(&q, z);
}

static struct seen ask(const char *name, unsigned int type)
{
	return ask_zone(&zone, name, type);
}

#define AUTHORITATIVE 0x8500 /* and "recursion desired" as it was asked */
#define NXDOMAIN      3
#define REFUSED	      5

#define IS(what_, flags_, answers_, authorities_)                                                   \
	do {                                                                                       \
		struct seen s_ = what_;                                                            \
		assert_int_equal(s_.flags, flags_);                                                \
		assert_int_equal(s_.answers, answers_);                                            \
		assert_int_equal(s_.authorities, authorities_);                                    \
	} while (0)

static void test_names(void **state)
{
	static const uint8_t web[] = "\x12\x34\x85\x00\0\x01\0\x01\0\0\0\0\x03WeB\x02Vm\0\0\x01\0\x01"
				     "\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\xac\x1e\0\x05";
	struct seen s = ask("WeB.Vm", A);

	(void)state;
	assert_int_equal(s.len, sizeof(web) - 1);
	assert_memory_equal(s.bytes, web, s.len);
	IS(ask("web.vm", ANY), AUTHORITATIVE, 1, 0);
	IS(ask("web.vm", AAAA), AUTHORITATIVE, 0, 1);
	IS(ask("nobody.vm", A), AUTHORITATIVE | NXDOMAIN, 0, 1);
	IS(ask("sub.web.vm", A), AUTHORITATIVE | NXDOMAIN, 0, 1);
	IS(ask("-.vm", A), AUTHORITATIVE | NXDOMAIN, 0, 1);
	IS(ask("vm", SOA), AUTHORITATIVE, 1, 0);
	IS(ask("vm", NS), AUTHORITATIVE, 1, 0);
	IS(ask("vm", ANY), AUTHORITATIVE, 2, 0);
	IS(ask("vm", A), AUTHORITATIVE, 0, 1);
	IS(ask("vm", AXFR), 0x8100 | REFUSED, 0, 0);
	IS(ask("", NS), 0x8100 | REFUSED, 0, 0);
	IS(ask("www.example", A), 0x8100 | REFUSED, 0, 0);
	IS(ask("web.avm", A), 0x8100 | REFUSED, 0, 0);
}

static void test_addresses(void **state)
{
	static const uint8_t rdata[] = "\0\x08\x03web\x02vm";
	struct seen s = ask("5.0.30.172.in-addr.arpa", PTR);

	(void)state;
	IS(s, AUTHORITATIVE, 1, 0);
	assert_memory_equal(s.bytes + s.len - sizeof(rdata), rdata, sizeof(rdata));
	IS(ask("5.0.30.172.IN-ADDR.arpa", A), AUTHORITATIVE, 0, 1);
	IS(ask("6.0.30.172.in-addr.arpa", PTR), AUTHORITATIVE | NXDOMAIN, 0, 1);
	IS(ask("1.5.0.30.172.in-addr.arpa", PTR), AUTHORITATIVE | NXDOMAIN, 0, 1);
	IS(ask("x.0.30.172.in-addr.arpa", PTR), AUTHORITATIVE | NXDOMAIN, 0, 1);
	IS(ask("05.0.30.172.in-addr.arpa", PTR), AUTHORITATIVE | NXDOMAIN, 0, 1);
	IS(ask("0.30.172.in-addr.arpa", SOA), AUTHORITATIVE, 1, 0);
	IS(ask("0.30.172.in-addr.arpa", PTR), AUTHORITATIVE, 0, 1);
	IS(ask("30.172.in-addr.arpa", SOA), 0x8100 | REFUSED, 0, 0);
	IS(ask("5.1.30.172.in-addr.arpa", PTR), 0x8100 | REFUSED, 0, 0);
	IS(ask("in-addr.arpa", SOA), 0x8100 | REFUSED, 0, 0);
	IS(ask("arpa", SOA), 0x8100 | REFUSED, 0, 0);
}

/* A prefix that is no whole number of bytes is several zones. */
static void test_subnets(void **state)
{
	struct dns_zone wide = zone, narrow = zone;
	char *text;

	(void)state;
	wide.subnet = (struct subnet){ 0xac1e0001, 0xac1e0000, 15 };
	narrow.subnet = (struct subnet){ 0xac1e0005, 0xac1e0004, 30 };
	IS(ask_zone(&wide, "30.172.in-addr.arpa", SOA), AUTHORITATIVE, 1, 0);
	IS(ask_zone(&wide, "9.31.172.in-addr.arpa", SOA), AUTHORITATIVE, 0, 1);
	IS(ask_zone(&wide, "5.0.30.172.in-addr.arpa", PTR), AUTHORITATIVE, 1, 0);
	IS(ask_zone(&wide, "5.0.32.172.in-addr.arpa", PTR), 0x8100 | REFUSED, 0, 0);
	IS(ask_zone(&narrow, "5.0.30.172.in-addr.arpa", PTR), AUTHORITATIVE, 1, 0);
	IS(ask_zone(&narrow, "6.0.30.172.in-addr.arpa", PTR), AUTHORITATIVE, 0, 1);
	IS(ask_zone(&narrow, "9.0.30.172.in-addr.arpa", PTR), 0x8100 | REFUSED, 0, 0);
	text = dns_reverse_zone(&wide.subnet, 1);
	assert_string_equal(text, "31.172.in-addr.arpa");
	free(text);
	assert_null(dns_reverse_zone(&wide.subnet, 2));
	text = dns_reverse_zone(&narrow.subnet, 3);
	assert_string_equal(text, "7.0.30.172.in-addr.arpa");
	free(text);
	assert_null(dns_reverse_zone(&narrow.subnet, 4));
	text = dns_reverse_zone(&zone.subnet, 0);
	assert_string_equal(text, "0.30.172.in-addr.arpa");
	free(text);
	assert_null(dns_reverse_zone(&zone.subnet, 1));
}

static void test_extended(void **state)
{
	AUTO_BUF q = BUF_INIT;
	struct seen s;

	(void)state;
	make_query(&q, "web.vm", A);
	q.data[11] = 1;
	buf_add(&q, "\0\0\x29\x04\xd0\0\0\0\0\0\x04", 11);
	buf_add(&q, "\0\x0a\0\0", 4);
	s = look(&q, &zone);
	IS(s, AUTHORITATIVE, 1, 0);
	assert_int_equal(s.extras, 1);
	assert_memory_equal(s.bytes + s.len - 11, "\0\0\x29\x04\xd0\0\0\0\0\0\0", 11);
	q.data[q.len - 9] = 1; /* a later version */
	s = look(&q, &zone);
	IS(s, 0x8100, 0, 0);
	assert_memory_equal(s.bytes + s.len - 11, "\0\0\x29\x04\xd0\x01\0\0\0\0\0", 11);
}

static void is_ignored(const struct buf *q)
{
	assert_int_equal(look(q, &zone).len, 0);
}

static void test_malformed(void **state)
{
	AUTO_BUF q = BUF_INIT;

	(void)state;
	make_query(&q, "web.vm", A);
	for (size_t len = q.len; len-- > 0;) {
		struct buf part = { q.data, len, 0 };

		is_ignored(&part);
	}
	buf_addc(&q, '\0');
	is_ignored(&q); /* more than the query */
	make_query(&q, "web.vm", A);
	q.data[2] |= (char)0x80;
	is_ignored(&q); /* an answer */
	q.data[2] = 0x21;
	IS(look(&q, &zone), 0xa104, 0, 0); /* another operation: not implemented */
	make_query(&q, "web.vm", A);
	q.data[12] = (char)0xc0;
	is_ignored(&q); /* a pointer, to itself */
	make_query(&q, "web.vm", A);
	for (int i = 5; i <= 9; i += 2) {
		char was = q.data[i];

		q.data[i] = 2;
		is_ignored(&q);
		q.data[i] = was;
	}
	q.data[11] = 1;
	is_ignored(&q); /* the record is missing */
	buf_add(&q, "\0\0\x29\x04\xd0\0\0\0\0\0\x04", 11);
	is_ignored(&q); /* and here its data is */
	make_query(&q, "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.vm", A);
	IS(look(&q, &zone), AUTHORITATIVE | NXDOMAIN, 0, 1);
	buf_clear(&q);
	buf_add(&q, "\x12\x34\x01\0\0\x01\0\0\0\0\0\0", 12);
	for (int i = 0; i < 140; i++)
		buf_add(&q, "\x01w", 2);
	buf_add(&q, "\0\0\x01\0\x01", 5);
	is_ignored(&q); /* a name of more than 255 bytes */
}

/* ------------------------------------------------------------------------------------ sockets */

static int connect_to(const struct dns_server *server, int type)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)dns_server_port(server)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = 30 };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void receive(int fd, size_t len)
{
	uint8_t bytes[2 * (2 + DNS_ANSWER_MAX)];

	assert_true(len <= sizeof(bytes));
	assert_int_equal(recv(fd, bytes, len, MSG_WAITALL), len);
	assert_memory_equal(bytes + len - 4, "\xac\x1e\0\x05", 4);
}

static void test_server(void **state)
{
	struct dns_server *server = NULL, *second = NULL;
	AUTO_BUF q = BUF_INIT, twice = BUF_INIT;
	struct fault *f = dns_server_start(&zone, 0, &server);
	int udp, tcp, others[20];
	char byte;

	(void)state;
	assert_null(f);
	make_query(&q, "web.vm", A);
	f = dns_server_start(&zone, dns_server_port(server), &second);
	assert_int_equal(fault_kind(f), F_BUSY);
	fault_free(f);
	udp = connect_to(server, SOCK_DGRAM);
	assert_int_equal(send(udp, "no query", 8, 0), 8);
	assert_int_equal(send(udp, q.data, q.len, 0), q.len);
	receive(udp, 40);
	tcp = connect_to(server, SOCK_STREAM);
	for (int i = 0; i < 2; i++) {
		add16(&twice, (unsigned int)q.len);
		buf_add(&twice, q.data, q.len);
	}
	/* In pieces, and two at once. */
	assert_int_equal(send(tcp, twice.data, 1, 0), 1);
	assert_int_equal(send(tcp, twice.data + 1, twice.len - 1, 0), twice.len - 1);
	receive(tcp, 2 * 42);
	/* Connections that say nothing are in nobody's way. */
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		others[i] = connect_to(server, SOCK_STREAM);
	fd_close(tcp);
	tcp = connect_to(server, SOCK_STREAM);
	assert_int_equal(send(tcp, twice.data, twice.len, 0), twice.len);
	receive(tcp, 2 * 42);
	assert_int_equal(send(tcp, "\xff\xff", 2, 0), 2);
	assert_int_equal(recv(tcp, &byte, 1, 0), 0); /* too long: closed */
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		fd_close(others[i]);
	fd_close(tcp);
	fd_close(udp);
	dns_server_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	 cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_subnets),	 cmocka_unit_test(test_extended),
		cmocka_unit_test(test_malformed), cmocka_unit_test(test_server),
	};

	return cmocka_run_group_tests_name("dns", tests, NULL, NULL);
}
