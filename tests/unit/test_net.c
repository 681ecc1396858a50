/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <net/if.h>
#include <string.h>

#include "host/netlink.h"
#include "net/net.h"
#include "net/rules.h"
#include "net/subnet.h"

static void subnets(void **state)
{
	static const char *const bad[] = { "", "172.30.0.1", "172.30.0.1/", "172.30.0.1/7",
					   "172.30.0.1/31", "172.30.0.0/24", "172.30.0.255/24",
					   "172.30.0.256/24", "172.30.0.1/24x", "host/24", "::1/64" };
	struct subnet s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_FAULT f = subnet_parse(bad[i], &s);

		if (!f)
			print_error("'%s' was taken\n", bad[i]);
		assert_non_null(f);
	}
	assert_null(subnet_parse("172.30.0.1/24", &s));
	assert_int_equal(s.base, 0xac1e0000);
	assert_int_equal(s.gateway, 0xac1e0001);
	assert_int_equal(subnet_size(&s), 256);
	assert_true(subnet_overlaps(&s, 0xac1e0063, 32));
	assert_true(subnet_overlaps(&s, 0xac1e0000, 16));
	assert_true(subnet_overlaps(&s, 0, 0));
	assert_false(subnet_overlaps(&s, 0xac1e0100, 24));
	assert_false(subnet_overlaps(&s, 0x0a000000, 8));
}

static void addresses(void **state)
{
	AUTO_FREE char *text = address_text(0xac1e00fe);
	uint32_t address = 0;

	(void)state;
	assert_string_equal(text, "172.30.0.254");
	assert_true(address_parse(text, &address));
	assert_int_equal(address, 0xac1e00fe);
	assert_false(address_parse("172.30.0", &address));
	assert_false(address_parse("", &address));
}

static void indices_of_links(void **state)
{
	(void)state;
	assert_int_equal(link_index("lo"), if_nametoindex("lo"));
	assert_int_equal(link_index("no-such-link"), 0);
	assert_int_equal(link_index(""), 0);
	assert_int_equal(link_index("a-name-that-is-too-long-for-a-link"), 0);
	assert_true(link_exists("lo"));
	assert_false(link_exists("lo0000"));
}

static void names_come_from_the_id(void **state)
{
	AUTO_FREE char *mac = net_mac("0123456789abcdef0123456789abcdef");
	AUTO_FREE char *tap = net_tap("0123456789abcdef0123456789abcdef");

	(void)state;
	assert_string_equal(mac, "02:01:23:45:67:89");
	assert_string_equal(tap, "bgr01234567");
}

/* As nft 1.0.6 lists it, in parts. */
#define HEAD "{\"nftables\":[{\"metainfo\":{\"json_schema_version\":1}},"
#define SETS                                                                                       \
	"{\"set\":{\"family\":\"inet\",\"name\":\"nat\",\"table\":\"banger\",\"elem\":[\"10.0.0.9\"]}}," \
	"{\"set\":{\"family\":\"inet\",\"name\":\"peers\",\"table\":\"banger\"}},"                  \
	"{\"set\":{\"family\":\"bridge\",\"name\":\"talkers\",\"table\":\"banger\"}},"              \
	"{\"map\":{\"family\":\"inet\",\"name\":\"out\",\"table\":\"banger\",\"elem\":"             \
	"[[\"10.0.0.9\",\"from_aabbccdd\"]]}},"                                                     \
	"{\"map\":{\"family\":\"inet\",\"name\":\"in\",\"table\":\"banger\",\"elem\":"              \
	"[[\"10.0.0.9\",\"to_aabbccdd\"]]}},"                                                       \
	"{\"set\":{\"family\":\"bridge\",\"name\":\"guests\",\"table\":\"banger\",\"elem\":"        \
	"[{\"concat\":[\"bgraabbccdd\",\"02:aa:bb:cc:dd:ee\",\"10.0.0.9\"]}]}}"

static void what_nft_lists_is_understood(void **state)
{
	static const char text[] = HEAD SETS
		",{\"chain\":{\"family\":\"ip\",\"table\":\"filter\",\"name\":\"FORWARD\",\"hook\":"
		"\"forward\",\"policy\":\"drop\"}},{\"rule\":{\"family\":\"inet\",\"table\":\"banger\"}},"
		"{\"rule\":{\"family\":\"ip\",\"table\":\"filter\"}}]}";
	struct rules_guest g = { "aabbccdd", "bgraabbccdd", "02:aa:bb:cc:dd:ee", "10.0.0.9", true,
				 false, NULL };
	struct rules_seen seen;

	(void)state;
	assert_null(rules_read(text, strlen(text), &g, &seen));
	assert_true(seen.guest);
	assert_int_equal(seen.rules, 1);
	assert_int_equal(seen.taps.n, 1);
	assert_string_equal(seen.taps.v[0], "bgraabbccdd");
	assert_string_equal(seen.foreign, "ip filter FORWARD");
	rules_seen_release(&seen);
	for (int i = 0; i < 4; i++) {
		struct rules_guest other = g;

		other.nat = i != 0;
		other.peers = i == 1;
		other.address = i == 2 ? "10.0.0.8" : g.address;
		other.mac = i == 3 ? "02:aa:bb:cc:dd:ef" : g.mac;
		assert_null(rules_read(text, strlen(text), &other, &seen));
		assert_false(seen.guest);
		rules_seen_release(&seen);
	}
}

static void elements_are_listed_with_their_tags(void **state)
{
	static const char text[] = "{\"nftables\":[{\"set\":{\"family\":\"bridge\",\"name\":\"guests\","
		"\"table\":\"banger\",\"elem\":[{\"concat\":[\"bgr1\",\"02:1\",\"1.2.3.4\"]},{\"elem\":{\"val\":"
		"{\"concat\":[\"bgr2\",\"02:2\",\"1.2.3.5\"]},\"comment\":\"state 1-2\"}},{\"elem\":{\"val\":"
		"{\"concat\":[\"bgr3\"]},\"comment\":\"hello\"}},7]}},{\"set\":{\"name\":\"guests\","
		"\"table\":\"theirs\",\"elem\":[\"x\"]}}]}";
	static const char empty[] = "{\"nftables\":[]}";
	const struct rules_element *e;
	struct records list;
	bool there;

	(void)state;
	assert_null(rules_list(text, strlen(text), &there, &list));
	assert_true(there);
	assert_int_equal(list.n, 4);
	e = list.v;
	assert_string_equal(e[0].tap, "bgr1");
	assert_string_equal(e[0].address, "1.2.3.4");
	assert_null(e[0].tag);
	assert_string_equal(e[1].mac, "02:2");
	assert_string_equal(e[1].tag, "1-2");
	assert_string_equal(e[2].tap, "bgr3");
	assert_string_equal(e[2].address, "");
	assert_null(e[2].tag);
	assert_string_equal(e[3].tap, "");
	rules_list_release(&list);
	assert_null(rules_list(empty, strlen(empty), &there, &list));
	assert_false(there);
	assert_int_equal(list.n, 0);
}

static void what_nft_lists_may_be_anything(void **state)
{
	static const char *const texts[] = { "", "[]", "{}", "{\"nftables\":3}",
					     "{\"nftables\":[1,{},{\"set\":2}]}",
					     ("{\"nftables\":[{\"set\":{\"table\":\"banger\","
					      "\"name\":\"guests\",\"elem\":[1,[],{\"concat\":{}}]}}"
					      "]}") };
	struct rules_guest g = { "a", "b", "c", "d", false, false, NULL };
	struct rules_seen seen;
	struct records list;
	bool there;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		fault_free(rules_list(texts[i], strlen(texts[i]), &there, &list));
		rules_list_release(&list);
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO_FAULT f = rules_read(texts[i], strlen(texts[i]), &g, &seen);

		assert_false(!f && seen.guest);
		rules_seen_release(&seen);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subnets),
		cmocka_unit_test(addresses),
		cmocka_unit_test(indices_of_links),
		cmocka_unit_test(names_come_from_the_id),
		cmocka_unit_test(what_nft_lists_is_understood),
		cmocka_unit_test(elements_are_listed_with_their_tags),
		cmocka_unit_test(what_nft_lists_may_be_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
