/* SPDX-License-Identifier: MIT */
/* test_kernel_archive.c - a Debian archive signed with a key of our own, served and tampered with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/sha256.h"
#include "host/machine.h"
#include "host/spawn.h"
#include "kernel/debian.h"

#define DEB   "not really a package, but nobody looks at it here"

static char top_path[] = "/tmp/banger-arch-XXXXXX";
static int top, www, cache, listener;
static char *uri, *keyring, *other_keyring;

/* Run a tool in the test's directory; its output goes to file @out there. */
static void tool(const char *const *argv, const char *out)
{
	AUTO_FD fd = out ? openat(top, out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	struct spawn s = { SPAWN_INIT, .argv = argv, .cwd = top_path, .deadline_ms = 60000 };
	struct fault *f;

	s.out = out ? fd : SPAWN_NULL;
	f = spawn_run(&s, NULL, 0);
	if (f)
		print_error("%s\n", fault_message(f));
	assert_null(f);
}
#define TOOL(out, ...) tool((const char *const[]){ __VA_ARGS__, NULL }, out)

static void put(int dir, const char *name, const char *text, size_t len)
{
	assert_null(file_write_atomic(dir, name, text, len, 0600));
}

static void digest(const char *data, size_t len, char *hex)
{
	struct sha256 *h = sha256_new();

	sha256_update(h, data, len);
	sha256_finish(h, hex);
}

/* ---------------------------------------------------------------------------- the server */

/* Paths become names by turning '/' into '_'. */
static void answer(int fd, char *request)
{
	AUTO_BUF content = BUF_INIT;
	char *path = request + 5, *end = strstr(request, " HTTP/");
	struct fault *f;

	if (!end)
		return;
	*end = '\0';
	for (char *p = path; *p; p++)
		if (*p == '/')
			*p = '_';
	f = file_read(www, path, 1 << 20, &content);
	dprintf(fd, "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
		f ? "404 Not Found" : "200 OK", content.len);
	assert_null(file_write_all(fd, content.data, content.len, "answer"));
	fault_free(f);
}

static void *server(void *unused)
{
	(void)unused;
	for (;;) {
		char request[4096] = "";
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		if (recv(fd, request, sizeof(request) - 1, 0) > 0)
			answer(fd, request);
		close(fd);
	}
}

static void start_server(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	pthread_t thread;

	unsetenv("http_proxy");
	unsetenv("all_proxy");
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 16), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	uri = xasprintf("http://127.0.0.1:%d/debian", ntohs(address.sin_port));
	assert_int_equal(pthread_create(&thread, NULL, server, NULL), 0);
	pthread_detach(thread);
}

/* --------------------------------------------------------------------------- the archive */

static void make_key(const char *user, const char *keys)
{
	TOOL(NULL, "gpg", "--homedir", "gpg", "--batch", "--quiet", "--passphrase", "",
	     "--quick-gen-key", user, "ed25519", "sign", "never");
	TOOL(keys, "gpg", "--homedir", "gpg", "--batch", "--export", user);
}

static void write_index(void)
{
	AUTO_BUF text = BUF_INIT;
	char hex[SHA256_HEX_LEN + 1];

	digest(DEB, strlen(DEB), hex);
	buf_addf(&text,
		 "Package: linux-image-cloud-amd64\nVersion: 6.1-1\nFilename: pool/m.deb\nSize: 1\n"
		 "Depends: linux-image-6.1-cloud-amd64 (= 6.1-1)\nSHA256: %s\n\n"
		 "Package: linux-image-6.1-cloud-amd64\nVersion: 6.1-1\nFilename: pool/k.deb\n"
		 "Size: %zu\nSHA256: %s\n", hex, strlen(DEB), hex);
	put(top, "Packages", text.data, text.len);
	TOOL("Packages.gz", "gzip", "-nc", "Packages");
	put(www, "debian_pool_k.deb", DEB, strlen(DEB));
}

/* Sign a Release file for what Packages.gz is now.  @users: one or two keys. */
static void sign(const char *first, const char *second)
{
	AUTO_BUF text = BUF_INIT;
	AUTO_BUF index = BUF_INIT;
	AUTO_BUF signed_text = BUF_INIT;
	char hex[SHA256_HEX_LEN + 1];

	assert_null(file_read(top, "Packages.gz", 1 << 20, &index));
	put(www, "debian_dists_bookworm_main_binary-amd64_Packages.gz", index.data, index.len);
	digest(index.data, index.len, hex);
	buf_addf(&text, "Origin: Debian\nCodename: bookworm\nVersion: 12.1\nSHA256:\n %s %zu "
		 "main/binary-amd64/Packages.gz\n", hex, index.len);
	put(top, "Release", text.data, text.len);
	TOOL("InRelease", "gpg", "--homedir", "gpg", "--batch", "--clearsign", "-u", first, "-u",
	     second, "-o", "-", "Release");
	assert_null(file_read(top, "InRelease", 1 << 20, &signed_text));
	put(www, "debian_dists_bookworm_InRelease", signed_text.data, signed_text.len);
}

static int start(void **state)
{
	int unused;

	(void)state;
	assert_non_null(mkdtemp(top_path));
	assert_null(dir_open(AT_FDCWD, top_path, &top));
	assert_null(dir_make(top, "www", 0700, &www));
	assert_null(dir_make(top, "cache", 0700, &cache));
	assert_null(dir_make(top, "gpg", 0700, &unused));
	close(unused);
	keyring = xasprintf("%s/ours.gpg", top_path);
	other_keyring = xasprintf("%s/other.gpg", top_path);
	make_key("ours", "ours.gpg");
	make_key("other", "other.gpg");
	write_index();
	start_server();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	TOOL(NULL, "gpgconf", "--homedir", "gpg", "--kill", "all");
	close(www);
	close(cache);
	close(top);
	assert_null(tree_remove(AT_FDCWD, top_path));
	free(uri);
	free(keyring);
	free(other_keyring);
	return 0;
}

/* From the signature to the package's bytes. */
static struct fault *fetch(const char *suite, struct buf *out)
{
	const char *const keyrings[] = { "/nonexistent/keys.gpg", keyring, NULL };
	const struct debian_archive a = { .uri = uri, .suite = suite, .keyrings = keyrings,
					  .cache = cache };
	struct debian_release release = { 0 };
	struct debian_package package = { 0 };
	AUTO_FD fd = -1;
	struct fault *f = debian_release_fetch(&a, "amd64", &release);

	if (!f)
		f = debian_kernel_find(&a, &release, "linux-image-cloud-amd64", &package);
	if (!f)
		f = debian_package_fetch(&a, &package, &fd);
	if (!f)
		f = file_read_fd(fd, 1 << 20, "package", out);
	debian_release_release(&release);
	debian_package_release(&package);
	return f;
}

static void expect_package(void)
{
	AUTO_BUF got = BUF_INIT;
	struct fault *f = fetch("bookworm", &got);

	if (f)
		print_error("%s\n", fault_message(f));
	assert_null(f);
	assert_string_equal(got.data, DEB);
}

static void expect_corrupt(const char *reason)
{
	struct strings left = { 0 };
	AUTO_BUF got = BUF_INIT;
	AUTO_FAULT f = fetch("bookworm", &got);

	assert_non_null(f);
	assert_int_equal(fault_kind(f), F_CORRUPT);
	if (!strstr(fault_message(f), reason))
		fail_msg("'%s' does not say '%s'", fault_message(f), reason);
	assert_null(dir_names(cache, "cache", &left));
	assert_int_equal(left.n, 0);
	strings_release(&left);
}

/* Replace @from by the equally long @to in file @name of the server. */
static void tamper(const char *name, const char *from, const char *to)
{
	AUTO_BUF content = BUF_INIT;
	char *at;

	assert_null(file_read(www, name, 1 << 20, &content));
	at = memmem(content.data, content.len, from, strlen(from));
	assert_non_null(at);
	memcpy(at, to, strlen(to));
	put(www, name, content.data, content.len);
}

static void test_all_is_well(void **state)
{
	(void)state;
	sign("ours", "ours");
	expect_package();
}

static void test_one_of_two_keys_is_known(void **state)
{
	(void)state;
	sign("other", "ours");
	expect_package();
}

static void test_unknown_key(void **state)
{
	(void)state;
	sign("other", "other");
	expect_corrupt("signature");
}

static void test_tampered_release(void **state)
{
	(void)state;
	sign("ours", "ours");
	tamper("debian_dists_bookworm_InRelease", "12.1", "13.1");
	expect_corrupt("signature");
}

static void test_unsigned_release(void **state)
{
	AUTO_BUF text = BUF_INIT;

	(void)state;
	assert_null(file_read(top, "Release", 1 << 20, &text));
	put(www, "debian_dists_bookworm_InRelease", text.data, text.len);
	expect_corrupt("signature");
	put(www, "debian_dists_bookworm_InRelease", "", 0);
	expect_corrupt("signature");
}

/* What stands before the signed part was not signed. */
static void test_text_before_the_signed_part(void **state)
{
	AUTO_BUF text = BUF_INIT;

	(void)state;
	sign("ours", "ours");
	buf_adds(&text, "Codename: bookworm\nVersion: 99\n\n");
	assert_null(file_read(www, "debian_dists_bookworm_InRelease", 1 << 20, &text));
	put(www, "debian_dists_bookworm_InRelease", text.data, text.len);
	expect_package();
}

static void test_tampered_index(void **state)
{
	(void)state;
	sign("ours", "ours");
	tamper("debian_dists_bookworm_main_binary-amd64_Packages.gz", "\x1f\x8b", "\x1f\x8c");
	expect_corrupt("digest");
}

static void test_tampered_package(void **state)
{
	(void)state;
	sign("ours", "ours");
	tamper("debian_pool_k.deb", "not really", "NOT really");
	expect_corrupt("digest");
	put(www, "debian_pool_k.deb", DEB, strlen(DEB) - 1);
	expect_corrupt("bytes");
	put(www, "debian_pool_k.deb", DEB DEB, 2 * strlen(DEB));
	expect_corrupt("longer");
	put(www, "debian_pool_k.deb", DEB, strlen(DEB));
	expect_package();
}

static void test_absent_suite(void **state)
{
	AUTO_BUF got = BUF_INIT;
	AUTO_FAULT f = fetch("trixie", &got);

	(void)state;
	assert_int_equal(fault_kind(f), F_NOT_FOUND);
}

static void test_no_keys(void **state)
{
	const char *const keyrings[] = { "/nonexistent/keys.gpg", NULL };
	const struct debian_archive a = { .uri = uri, .suite = "bookworm", .keyrings = keyrings,
					  .cache = cache };
	struct debian_release release;
	AUTO_FAULT f = debian_release_fetch(&a, "amd64", &release);

	(void)state;
	assert_int_equal(fault_kind(f), F_MISSING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_is_well),
		cmocka_unit_test(test_one_of_two_keys_is_known),
		cmocka_unit_test(test_unknown_key),
		cmocka_unit_test(test_tampered_release),
		cmocka_unit_test(test_unsigned_release),
		cmocka_unit_test(test_text_before_the_signed_part),
		cmocka_unit_test(test_tampered_index),
		cmocka_unit_test(test_tampered_package),
		cmocka_unit_test(test_absent_suite),
		cmocka_unit_test(test_no_keys),
	};
	AUTO_FREE char *gpg = machine_find_program("gpg");
	AUTO_FREE char *gpgv = machine_find_program("gpgv");

	if (!gpg || !gpgv) {
		printf("1..0 # skip gpg and gpgv are needed\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, start, stop);
}
