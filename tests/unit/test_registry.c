/* SPDX-License-Identifier: MIT */
/* test_registry.c - references, platforms, challenges and credential files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/http.h"
#include "image/platform.h"
#include "image/reference.h"
#include "image/registry_challenge.h"
#include "image/registry_credentials.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX64

static void test_references(void **state)
{
	static const struct {
		const char *text, *whole, *host, *object, *name;
	} cases[] = {
		{"alpine", "docker.io/library/alpine:latest", "registry-1.docker.io", "latest",
		 "alpine"},
		{"python:3.12", "docker.io/library/python:3.12", "registry-1.docker.io", "3.12",
		 "python-3.12"},
		{"org/app", "docker.io/org/app:latest", "registry-1.docker.io", "latest", "org-app"},
		{"docker.io/alpine:3", "docker.io/library/alpine:3", "registry-1.docker.io", "3",
		 "alpine-3"},
		{"index.docker.io/alpine", "docker.io/library/alpine:latest", "registry-1.docker.io",
		 "latest", "alpine"},
		{"quay.io/org/app:1.2", "quay.io/org/app:1.2", "quay.io", "1.2", "org-app-1.2"},
		{"Quay.IO/app", "quay.io/app:latest", "quay.io", "latest", "app"},
		{"localhost/app", "localhost/app:latest", "localhost", "latest", "app"},
		{"localhost:5000/app", "localhost:5000/app:latest", "localhost:5000", "latest", "app"},
		{"[::1]:5000/app:x", "[::1]:5000/app:x", "[::1]:5000", "x", "app-x"},
		{"127.0.0.1:5000/a/b__c/d--e.f", "127.0.0.1:5000/a/b__c/d--e.f:latest",
		 "127.0.0.1:5000", "latest", "a-b__c-d--e.f"},
		{"app@" DIGEST, "docker.io/library/app@" DIGEST, "registry-1.docker.io", DIGEST,
		 "app-0123456789ab"},
		{"app:1@" DIGEST, "docker.io/library/app:1@" DIGEST, "registry-1.docker.io", DIGEST,
		 "app-1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_REFERENCE r = {0};
		AUTO_FREE char *whole = NULL, *name = NULL;
		AUTO_FAULT f = reference_parse(cases[i].text, &r);

		if (f)
			fail_msg("%s", fault_message(f));
		whole = reference_text(&r);
		name = reference_name(&r);
		assert_string_equal(whole, cases[i].whole);
		assert_string_equal(reference_host(&r), cases[i].host);
		assert_string_equal(reference_object(&r), cases[i].object);
		assert_string_equal(name, cases[i].name);
	}
}

static void test_bad_references(void **state)
{
	static const char *const cases[] = {
		"", ":", "@", "/", "a/", "/a", "a//b", "A", "a:", "a:-x", "a:x:y", "a b", "a\n", "a@x",
		"a@sha256:", "a@sha256:" HEX64 "0", "a@" DIGEST "@" DIGEST, "a..b", "a___b", "a-", "-a",
		"_a", "a._b", "host:/a", "host:0/a", "host:65536/a", "host:5x/a", "-host.x/a", "a.-b/c",
		"[::1/a", "[]/a", "[x]/a", "http://a", "../a", "a/../b", "a:..", "a?b", "a#b", "\xff",
		"user@host.x/a",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_REFERENCE r = {0};
		AUTO_FAULT f = reference_parse(cases[i], &r);

		if (!f)
			fail_msg("'%s' was taken", cases[i]);
		assert_int_equal(fault_kind(f), F_INVALID);
	}
}

static int rank(const char *have, const char *wanted)
{
	AUTO_PLATFORM a = {0}, b = {0};
	AUTO_FAULT f = platform_parse(have, &a);

	if (!f)
		f = platform_parse(wanted, &b);
	assert_null(f);
	return platform_rank(&a, &b);
}

static void test_platforms(void **state)
{
	AUTO_PLATFORM p = {0};
	AUTO_FAULT other = platform_parse("windows/amd64", &p);
	AUTO_FAULT bare = platform_parse("amd64", &p);
	AUTO_FAULT long_one = platform_parse("linux/arm/v7/x", &p);
	AUTO_FAULT empty = platform_parse("linux/", &p);

	(void)state;
	assert_int_equal(fault_kind(other), F_UNSUPPORTED);
	assert_int_equal(fault_kind(bare), F_INVALID);
	assert_int_equal(fault_kind(long_one), F_INVALID);
	assert_int_equal(fault_kind(empty), F_INVALID);
	assert_int_equal(rank("linux/amd64", "linux/arm64"), 0);
	assert_true(rank("linux/arm64", "linux/aarch64") > 0);
	assert_true(rank("linux/arm64", "linux/arm64") > rank("linux/arm64/v8", "linux/arm64"));
	assert_true(rank("linux/arm64/v8", "linux/arm64") > rank("linux/arm64/v9", "linux/arm64"));
	assert_true(rank("linux/amd64", "linux/amd64") > rank("linux/amd64/v3", "linux/amd64"));
	assert_int_equal(rank("linux/arm/v7", "linux/arm/v6"), 0);
	assert_int_equal(rank("linux/amd64", "linux/amd64/v3"), 0);
	assert_true(rank("linux/arm64", "linux/arm64/v8") > 0);
}

/* "scheme realm service scope;" for each; missing ones are "-". */
static void expect_challenges(const char *header, const char *expected)
{
	struct strings headers = {0};
	struct records list = {0};
	const struct challenge *c;
	AUTO_BUF got = BUF_INIT;

	strings_add(&headers, header);
	challenges_parse(&headers, &list);
	c = list.v;
	for (size_t i = 0; i < list.n; i++)
		buf_addf(&got, "%s %s %s %s;", c[i].scheme, c[i].realm ? c[i].realm : "-",
			 c[i].service ? c[i].service : "-", c[i].scope ? c[i].scope : "-");
	assert_string_equal(got.data, expected);
	strings_release(&headers);
	challenges_release(&list);
}

static void test_challenges(void **state)
{
	(void)state;
	expect_challenges("Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:x:pull,push\"",
			  "bearer https://a/t s repository:x:pull,push;");
	expect_challenges("BASIC Realm = \"a \\\"b\\\"\"", "basic a \"b\" - -;");
	expect_challenges("Basic realm=\"x\", Bearer realm=https://y , scope=z, Negotiate",
			  "basic x - -;bearer https://y - z;negotiate - - -;");
	expect_challenges("Bearer realm=one,realm=two", "bearer one - -;");
	expect_challenges(",, ,Basic,", "basic - - -;");
	/* What cannot be understood ends it. */
	expect_challenges("Bearer realm=\"unfinished", "bearer - - -;");
	expect_challenges("Bearer realm=", "bearer - - -;");
	expect_challenges("Bearer realm=\"x\\", "bearer - - -;");
	expect_challenges("NTLM aGVsbG8=", "ntlm - - -;");
	expect_challenges("", "");
	expect_challenges("=\"", "");
}

static void test_challenge_limits(void **state)
{
	AUTO_BUF many = BUF_INIT, big = BUF_INIT;
	struct strings headers = {0};
	struct records list = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_addf(&many, "S%d a=b, ", i);
	strings_add(&headers, many.data);
	challenges_parse(&headers, &list);
	assert_int_equal(list.n, CHALLENGES_KEPT);
	challenges_release(&list);
	strings_release(&headers);
	buf_adds(&big, "Bearer realm=\"");
	for (int i = 0; i < CHALLENGE_VALUE_MAX + 100; i++)
		buf_addc(&big, 'x');
	buf_addc(&big, '"');
	expect_challenges(big.data, "bearer - - -;");
}

/* "user password token helper server", missing ones "-"; "fault" for a fault. */
static void expect_credentials(const char *text, const char *reference, const char *expected)
{
	struct credentials c = {0};
	AUTO_REFERENCE r = {0};
	AUTO_FREE char *helper = NULL, *server = NULL, *got = NULL;
	AUTO_FAULT f = reference_parse(reference, &r);

	assert_null(f);
	f = credentials_parse(text, strlen(text), "'file'", &r, &c, &helper, &server);
	if (f) {
		assert_string_equal(expected, "fault");
		assert_null(strstr(fault_message(f), "secret"));
		return;
	}
	got = xasprintf("%s %s %s %s %s", c.user ? c.user : "-", c.password ? c.password : "-",
			c.identity_token ? c.identity_token : "-", helper ? helper : "-",
			server ? server : "-");
	assert_string_equal(got, expected);
	credentials_release(&c);
}

static void test_credentials(void **state)
{
	static const char two[] = "{\"auths\": {\"quay.io\": {\"auth\": \"YTpi\"}, "
				  "\"quay.io/org\": {\"auth\": \"Yzpk\"}, "
				  "\"https://index.docker.io/v1/\": {\"auth\": \"dTpw\"}}}";

	(void)state;
	expect_credentials(two, "quay.io/app", "a b - - -");
	expect_credentials(two, "quay.io/org/app", "c d - - -");
	expect_credentials(two, "quay.io/organisation/app", "a b - - -");
	expect_credentials(two, "alpine", "u p - - -");
	expect_credentials(two, "quay.io.evil.x/app", "- - - - -");
	expect_credentials(two, "quay.io:444/app", "- - - - -");
	expect_credentials("{\"auths\": {\"x.y\": {\"auth\": \"YTpiOmM=\"}}}", "x.y/a", "a b:c - - -");
	expect_credentials("{\"auths\": {\"x.y\": {\"username\": \"a\", \"password\": \"b\"}}}", "x.y/a",
			   "a b - - -");
	expect_credentials("{\"auths\": {\"x.y\": {\"identitytoken\": \"t\"}}}", "x.y/a",
			   "- - t - -");
	expect_credentials("{\"auths\": {\"x.y\": {}}, \"credsStore\": \"desktop\"}", "x.y/a",
			   "- - - desktop x.y");
	expect_credentials("{\"credsStore\": \"s\"}", "alpine",
			   "- - - s https://index.docker.io/v1/");
	expect_credentials("{\"credHelpers\": {\"x.y\": \"h\"}, \"credsStore\": \"s\"}", "x.y/a",
			   "- - - h x.y");
	expect_credentials("{}", "x.y/a", "- - - - -");
}

static void test_bad_credentials(void **state)
{
	(void)state;
	expect_credentials("[]", "x.y/a", "fault");
	expect_credentials("{\"auths\": secret}", "x.y/a", "fault");
	expect_credentials("{\"auths\": {\"x.y\": {\"auth\": \"secret!\"}}}", "x.y/a", "fault");
	expect_credentials("{\"auths\": {\"x.y\": {\"auth\": \"c2VjcmV0\"}}}", "x.y/a", "fault");
	expect_credentials("{\"auths\": {\"x.y\": {\"auth\": \"YQA6Yg==\"}}}", "x.y/a", "fault");
	expect_credentials("{\"auths\": {\"x.y\": \"secret\"}}", "x.y/a", "- - - - -");
	expect_credentials("{\"auths\": [1, 2]}", "x.y/a", "- - - - -");
	expect_credentials("{\"credsStore\": 5}", "x.y/a", "fault");
	expect_credentials("{\"credsStore\": \"../x\"}", "x.y/a", "fault");
	expect_credentials("{\"credsStore\": \"\"}", "x.y/a", "fault");
}

static void test_basic(void **state)
{
	static const struct {
		const char *user, *password, *expected;
	} cases[] = {
		{"user", "secret", "Basic dXNlcjpzZWNyZXQ="},
		{"a", "b", "Basic YTpi"},
		{"a", "bc", "Basic YTpiYw=="},
		{"\xc3\xbc", "", "Basic w7w6"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct credentials c = {xstrdup(cases[i].user), xstrdup(cases[i].password), NULL};
		AUTO_FREE char *got = credentials_basic(&c);

		assert_string_equal(got, cases[i].expected);
		credentials_release(&c);
	}
}

static void test_addresses(void **state)
{
	(void)state;
	assert_true(http_is_loopback("localhost"));
	assert_true(http_is_loopback("127.9.9.9"));
	assert_true(http_is_loopback("::1"));
	assert_false(http_is_loopback("127.0.0.1.evil.x"));
	assert_false(http_is_loopback("localhost.evil.x"));
	assert_false(http_is_loopback("128.0.0.1"));
	assert_true(http_same_origin("https://A.b/x", "https://a.B:443/y?z"));
	assert_false(http_same_origin("https://a.b/x", "http://a.b/x"));
	assert_false(http_same_origin("https://a.b/x", "https://a.b:444/x"));
	assert_false(http_same_origin("https://a.b/x", "https://a.b@evil.x/"));
	assert_false(http_same_origin("https://a.b/x", "https://a.b.evil.x/"));
	assert_false(http_same_origin("nonsense", "nonsense"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_bad_references),
		cmocka_unit_test(test_platforms),
		cmocka_unit_test(test_challenges),
		cmocka_unit_test(test_challenge_limits),
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_bad_credentials),
		cmocka_unit_test(test_basic),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
