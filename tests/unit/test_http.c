/* SPDX-License-Identifier: MIT */
/* test_http.c - http.h against a small server that misbehaves on purpose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/http.h"

#define BODY_BYTES 100000

static int listener, port;
static char body[BODY_BYTES];
static int asked[8]; /* requests by the digit at the end of the path */

static void say(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static void head(int fd, const char *status, const char *field, size_t length)
{
	AUTO_BUF text = BUF_INIT;

	buf_addf(&text, "HTTP/1.1 %s\r\nConnection: close\r\n%s", status, field);
	if (length != SIZE_MAX)
		buf_addf(&text, "Content-Length: %zu\r\n", length);
	buf_adds(&text, "\r\n");
	say(fd, text.data, text.len);
}

/* The whole body, or what a Range header asks for. */
static void serve_range(int fd, const char *request)
{
	const char *range = strstr(request, "Range: bytes=");
	size_t from = range ? strtoul(range + 13, NULL, 10) : 0;

	head(fd, range ? "206 Partial Content" : "200 OK", "", BODY_BYTES - from);
	say(fd, body + from, BODY_BYTES - from);
}

static void serve_endless(int fd)
{
	head(fd, "200 OK", "", SIZE_MAX);
	for (int i = 0; i < 1000; i++)
		say(fd, body, sizeof(body));
}

/* "GET /<what><n> HTTP/1.1"; @time: which request of this path it is, from 1. */
static void serve(int fd, const char *request, int time)
{
	const char *path = request + 5;

	if (!strncmp(path, "whole", 5)) {
		serve_range(fd, request);
	} else if (!strncmp(path, "broken-then-rest", 16) && time < 3) {
		head(fd, "200 OK", "", BODY_BYTES);
		say(fd, body, 40000);
	} else if (!strncmp(path, "broken-then-rest", 16)) {
		serve_range(fd, request);
	} else if (!strncmp(path, "broken-then-whole", 17)) {
		head(fd, "200 OK", "", BODY_BYTES);
		say(fd, body, time < 2 ? 40000 : BODY_BYTES);
	} else if (!strncmp(path, "broken-then-short", 17)) {
		head(fd, "200 OK", "", time < 2 ? BODY_BYTES : 10);
		say(fd, body, time < 2 ? 40000 : 10);
	} else if (!strncmp(path, "busy", 4) && time < 3) {
		head(fd, "503 Service Unavailable", "", 0);
	} else if (!strncmp(path, "busy", 4)) {
		serve_range(fd, request);
	} else if (!strncmp(path, "endless", 7)) {
		serve_endless(fd);
	} else if (!strncmp(path, "again", 5)) {
		head(fd, "302 Found", "Location: /again\r\n", 0);
	} else if (!strncmp(path, "moved", 5)) {
		head(fd, "301 Moved", "Location: /whole7\r\n", 0);
	} else if (!strncmp(path, "local", 5)) {
		head(fd, "302 Found", "Location: file:///etc/hostname\r\n", 0);
	} else if (!strncmp(path, "empty", 5)) {
		head(fd, "204 No Content", "", SIZE_MAX);
	} else if (!strncmp(path, "silent", 6)) {
		kill(getpid(), SIGINT);
		poll(NULL, 0, 3000);
	} else {
		head(fd, !strncmp(path, "secret", 6) ? "403 Forbidden" : "404 Not Found", "", 0);
	}
}

static void *server(void *unused)
{
	(void)unused;
	for (;;) {
		char request[4096] = "";
		const char *end;
		int fd = accept(listener, NULL, NULL), which;

		if (fd < 0)
			return NULL;
		if (recv(fd, request, sizeof(request) - 1, 0) > 0 &&
		    (end = strstr(request, " HTTP/"))) {
			which = end[-1] >= '0' && end[-1] <= '7' ? end[-1] - '0' : 0;
			serve(fd, request, ++asked[which]);
		}
		shutdown(fd, SHUT_WR);
		close(fd);
	}
}

static int start(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	pthread_t thread;

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)(i * 31 >> 3);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 16), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&thread, NULL, server, NULL), 0);
	pthread_detach(thread);
	return 0;
}

static struct fault *get(const char *path, uint64_t max, struct buf *out)
{
	AUTO_FREE char *url = xasprintf("http://127.0.0.1:%d/%s", port, path);

	memset(asked, 0, sizeof(asked));
	return http_get_buf(url, max, NULL, out);
}

static void expect_body(const char *path)
{
	AUTO_BUF out = BUF_INIT;

	assert_null(get(path, BODY_BYTES, &out));
	assert_int_equal(out.len, BODY_BYTES);
	assert_memory_equal(out.data, body, BODY_BYTES);
}

static void expect_fault(const char *path, enum fault_kind kind)
{
	AUTO_BUF out = BUF_INIT;
	AUTO_FAULT f = get(path, BODY_BYTES, &out);

	assert_non_null(f);
	assert_int_equal(fault_kind(f), kind);
	assert_true(out.len <= BODY_BYTES);
}

static void test_whole(void **state)
{
	(void)state;
	expect_body("whole1");
	expect_body("moved1");
}

static void test_goes_on_where_it_broke_off(void **state)
{
	(void)state;
	expect_body("broken-then-rest1");
	assert_int_equal(asked[1], 3);
	expect_body("broken-then-whole2");
	assert_int_equal(asked[2], 2);
}

static void test_tries_again_when_busy(void **state)
{
	(void)state;
	expect_body("busy1");
	assert_int_equal(asked[1], 3);
}

static void test_body_that_changed(void **state)
{
	(void)state;
	expect_fault("broken-then-short1", F_NETWORK);
}

static void test_refused(void **state)
{
	(void)state;
	expect_fault("absent1", F_NOT_FOUND);
	assert_int_equal(asked[1], 1);
	expect_fault("secret1", F_DENIED);
	expect_fault("empty1", F_NETWORK);
}

static void test_too_long(void **state)
{
	AUTO_BUF out = BUF_INIT;
	AUTO_FAULT f = get("whole1", BODY_BYTES - 1, &out);

	(void)state;
	assert_int_equal(fault_kind(f), F_CORRUPT);
	expect_fault("endless1", F_CORRUPT);
}

static void test_redirects(void **state)
{
	(void)state;
	expect_fault("again1", F_NETWORK);
	assert_true(asked[0] + asked[1] <= 6);
	expect_fault("local1", F_NETWORK);
}

static void test_addresses(void **state)
{
	AUTO_BUF out = BUF_INIT;
	AUTO_FAULT local = http_get_buf("file:///etc/hostname", 1000, NULL, &out);
	AUTO_FAULT closed = http_get_buf("http://127.0.0.1:1/", 1000, NULL, &out);

	(void)state;
	assert_int_equal(fault_kind(local), F_INVALID);
	assert_int_equal(fault_kind(closed), F_NETWORK);
	assert_int_equal(out.len, 0);
}

/* The last one: the signal stays seen. */
static void test_interrupt(void **state)
{
	int64_t begin = clock_now_ms();

	(void)state;
	cancel_install();
	expect_fault("silent1", F_CANCELLED);
	assert_true(clock_now_ms() - begin < 2900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_goes_on_where_it_broke_off),
		cmocka_unit_test(test_tries_again_when_busy),
		cmocka_unit_test(test_body_that_changed),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_redirects),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_interrupt),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
