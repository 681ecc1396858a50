/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <string.h>

#include "guest/seed.h"

static struct seed sample(void)
{
	struct seed s = { .run_entrypoint = true, .time_ns = UINT64_C(1790000000123456789) };

	s.hostname = xstrdup("brave-otter");
	s.root_disk = xstrdup("serial=banger-root");
	s.channel = xstrdup("virtio");
	s.net.mac = xstrdup("02:00:00:00:00:01");
	s.net.address = xstrdup("10.0.2.15");
	s.net.prefix = 24;
	strings_add(&s.net.dns, "10.0.2.3");
	strings_add(&s.env, "A=\"quoted\"\n");
	strings_add(&s.entrypoint, "/bin/server");
	return s;
}

static void record_round_trip(void **state)
{
	struct seed in = sample(), out;
	AUTO_BUF text = BUF_INIT;
	struct fault *f;

	(void)state;
	record_write(&seed_type, &in, &text);
	f = record_read(&seed_type, text.data, text.len, "seed", &out);
	assert_null(f);
	assert_string_equal(out.hostname, in.hostname);
	assert_string_equal(out.net.address, "10.0.2.15");
	assert_int_equal(out.net.prefix, 24);
	assert_null(out.net.gateway);
	assert_string_equal(out.net.dns.v[0], "10.0.2.3");
	assert_string_equal(out.env.v[0], "A=\"quoted\"\n");
	assert_true(out.run_entrypoint);
	assert_true(out.time_ns == in.time_ns);
	record_release(&seed_type, &in);
	record_release(&seed_type, &out);
}

static void seed_without_root_is_refused(void **state)
{
	static const char text[] = "{\"version\":1,\"channel\":\"virtio\"}";
	struct seed out;
	struct fault *f = record_read(&seed_type, text, strlen(text), "seed", &out);

	(void)state;
	assert_non_null(f);
	assert_int_equal(fault_kind(f), F_CORRUPT);
	assert_non_null(strstr(fault_message(f), "root_disk"));
	fault_free(f);
}

/* Walk the archive by its own lengths: newc header, name, data, each padded to 4. */
static void archive_holds_agent_and_seed(void **state)
{
	struct seed in = sample(), out = { 0 };
	AUTO_BUF a = BUF_INIT;
	bool agent = false, dir = false, seed = false, end = false;
	size_t at = 0;

	(void)state;
	seed_archive(&in, NULL, &a);
	while (at + 110 < a.len && !end) {
		char number[9] = "";
		size_t size, name_len;
		const char *name = a.data + at + 110, *data;

		assert_memory_equal(a.data + at, "070701", 6);
		memcpy(number, a.data + at + 54, 8);
		size = strtoul(number, NULL, 16);
		memcpy(number, a.data + at + 94, 8);
		name_len = strtoul(number, NULL, 16);
		data = a.data + ((at + 110 + name_len + 3) & ~(size_t)3);
		if (!strcmp(name, "init")) {
			agent = !memcmp(data, "\x7f" "ELF", 4);
			assert_memory_equal(a.data + at + 14, "000081ed", 8);
		} else if (!strcmp(name, "banger")) {
			dir = !seed;
		} else if (!strcmp(name, SEED_FILE)) {
			assert_null(record_read(&seed_type, data, size, name, &out));
			seed = dir;
		}
		end = !strcmp(name, "TRAILER!!!");
		at = ((size_t)(data - a.data) + size + 3) & ~(size_t)3;
	}
	assert_true(agent && dir && seed && end);
	assert_int_equal(a.len % 512, 0);
	assert_string_equal(out.hostname, "brave-otter");
	record_release(&seed_type, &in);
	record_release(&seed_type, &out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_round_trip),
		cmocka_unit_test(seed_without_root_is_refused),
		cmocka_unit_test(archive_holds_agent_and_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
