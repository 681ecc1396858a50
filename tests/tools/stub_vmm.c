/* SPDX-License-Identifier: MIT */
/*
 * stub_vmm.c - stands in for QEMU where only the host's side of a VM's life is tested: it takes
 * QEMU's arguments, makes the same sockets, answers the control socket, and has an agent on each
 * port that powers off and "runs" commands without a guest:
 *
 *	exit N       ends with status N
 *	echo WORD... prints the words
 *	flood        prints without end
 *	nap MS N     keeps the whole stand-in busy for so long, then ends with status N
 *	lie BYTES    sends BYTES in place of a frame
 *
 * Built-ins of the agent print the file of their name in the directory STUB_VMM_BUILTINS.
 *
 * It starts in a millisecond, so life cycles can be tested by the hundred.  STUB_VMM_CONSOLE=N makes
 * it write N KiB to the console first.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "guest/frame.h"

#define SOCKETS_MAX 64
#define CLIENTS_MAX 64

struct client {
	int fd; /* -1 = free */
	bool qmp, flood;
	struct buf in, exec;
};

static struct pollfd listening[SOCKETS_MAX];
static size_t n_listening;
static struct client clients[CLIENTS_MAX];

/* The value of "<key>=" in a comma-separated option with doubled commas; NULL when it has none. */
static char *value_of(const char *option, const char *key)
{
	AUTO_FREE char *wanted = xasprintf(",%s=", key);
	const char *at = strstr(option, wanted);
	struct buf value = BUF_INIT;

	if (!at)
		return NULL;
	for (at += strlen(wanted); *at && (*at != ',' || at[1] == ','); at++)
		buf_addc(&value, *at == ',' ? *at++ : *at);
	return buf_steal(&value);
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 8) < 0) {
		fprintf(stderr, "stub: cannot listen on '%s'\n", path);
		exit(1);
	}
	return fd;
}

static void write_console(void)
{
	const char *kib = getenv("STUB_VMM_CONSOLE");

	printf("console of the stub\n");
	for (long i = 0; kib && i < strtol(kib, NULL, 10) * 16; i++)
		printf("%062ld\r\n", i);
	if (fflush(stdout))
		exit(1);
}

/* The control socket first, as QEMU does: it is found by its place in the list. */
static void open_sockets(char **argv)
{
	for (char **at = argv; *at; at++) {
		AUTO_FREE char *path = value_of(*at, "path");

		if (!strncmp(*at, "socket,id=", 10) && path && n_listening < SOCKETS_MAX)
			listening[n_listening++] = (struct pollfd){ listen_on(path), POLLIN, 0 };
		else if (!strncmp(*at, "stdio,id=console,", 17))
			write_console();
	}
}

static void say(struct client *c, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}

static void say_buf(struct client *c, struct buf *b)
{
	say(c, b->data, b->len);
	buf_release(b);
}

static void close_client(struct client *c)
{
	close(c->fd);
	buf_release(&c->in);
	buf_release(&c->exec);
	c->fd = -1;
}

static void accept_client(int fd, bool qmp)
{
	static const char greeting[] = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n";

	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (clients[i].fd >= 0)
			continue;
		clients[i] = (struct client){ .fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC),
					      .qmp = qmp, .in = BUF_INIT, .exec = BUF_INIT };
		if (clients[i].fd >= 0 && qmp)
			say(&clients[i], greeting, sizeof(greeting) - 1);
		return;
	}
}

static void on_qmp(struct client *c)
{
	static const char done[] = "{\"return\": {}}\r\n";
	char *end;

	while ((end = memchr(c->in.data, '\n', c->in.len))) {
		bool off = memmem(c->in.data, c->in.len, "system_powerdown", 16);

		say(c, done, sizeof(done) - 1);
		if (off)
			exit(0);
		buf_drop(&c->in, (size_t)(end - c->in.data) + 1);
	}
}

static void run_builtin(struct client *c, const char *name)
{
	const char *dir = getenv("STUB_VMM_BUILTINS");
	AUTO_FREE char *path = xasprintf("%s/%s", dir ? dir : "", name);
	AUTO_FILE file = fopen(path, "re");
	struct buf out = BUF_INIT;
	char data[4096];
	size_t n;

	frame_add_u32(&out, FRAME_STARTED, 1);
	while (file && (n = fread(data, 1, sizeof(data), file)) > 0)
		frame_add(&out, FRAME_STDOUT, 0, data, n);
	frame_add_exit(&out, FRAME_EXITED, file ? 0 : 127, NULL);
	say_buf(c, &out);
}

static void run_command(struct client *c, const struct frame_exec *e)
{
	const char *what = e->argv.n ? e->argv.v[0] : "";
	struct buf out = BUF_INIT;

	if (e->builtin) {
		run_builtin(c, what);
		return;
	}

	if (!strcmp(what, "lie")) {
		buf_adds(&out, e->argv.n > 1 ? e->argv.v[1] : "");
		say_buf(c, &out);
		return;
	}
	frame_add_u32(&out, FRAME_STARTED, 1);
	for (size_t i = 1; !strcmp(what, "echo") && i < e->argv.n; i++) {
		frame_add(&out, FRAME_STDOUT, 0, e->argv.v[i], strlen(e->argv.v[i]));
		frame_add(&out, FRAME_STDOUT, 0, "\n", 1);
	}
	c->flood = !strcmp(what, "flood");
	if (!strcmp(what, "nap") && e->argv.n > 2) {
		usleep((useconds_t)strtoul(e->argv.v[1], NULL, 10) * 1000);
		frame_add_exit(&out, FRAME_EXITED, (uint32_t)strtoul(e->argv.v[2], NULL, 10), NULL);
	} else if (!c->flood)
		frame_add_exit(&out, FRAME_EXITED,
			       !strcmp(what, "exit") && e->argv.n > 1
				       ? (uint32_t)strtoul(e->argv.v[1], NULL, 10) : 0, NULL);
	say_buf(c, &out);
}

static void on_exec(struct client *c, const struct frame *f)
{
	struct frame_exec e;

	buf_add(&c->exec, f->data, f->len);
	if (f->flags & FRAME_MORE)
		return;
	if (frame_exec(c->exec.data, c->exec.len, &e)) {
		run_command(c, &e);
		frame_exec_release(&e);
	}
	buf_clear(&c->exec);
}

static void on_frame(struct client *c, const struct frame *f)
{
	struct buf out = BUF_INIT;
	struct frame_hello hello;
	uint32_t number;

	if (f->type == FRAME_HELLO && frame_hello(f, &hello)) {
		hello.version = hello.other = FRAME_VERSION;
		frame_add_hello(&out, FRAME_HELLO_ACK, &hello);
	} else if (f->type == FRAME_EXEC) {
		on_exec(c, f);
	} else if (f->type == FRAME_SIGNAL && c->flood && frame_u32(f, &number)) {
		c->flood = false;
		frame_add_exit(&out, FRAME_SIGNALLED, number, NULL);
	} else if (f->type == FRAME_PING) {
		frame_add(&out, FRAME_PONG, 0, f->data, f->len);
	} else if (f->type == FRAME_SYNC || f->type == FRAME_POWER_OFF) {
		frame_add_empty(&out, FRAME_OK);
	}
	say_buf(c, &out);
	if (f->type == FRAME_POWER_OFF)
		exit(0);
}

static void on_agent(struct client *c)
{
	struct frame f;
	size_t used;

	while (c->fd >= 0 && frame_parse(c->in.data, c->in.len, &f, &used) == FRAME_COMPLETE) {
		on_frame(c, &f);
		buf_drop(&c->in, used);
	}
}

static void serve(struct client *c)
{
	ssize_t n = recv(c->fd, buf_grow(&c->in, 65536), 65536, MSG_DONTWAIT);

	if (n <= 0) {
		close_client(c);
		return;
	}
	c->in.len += (size_t)n;
	c->in.data[c->in.len] = '\0';
	if (c->qmp)
		on_qmp(c);
	else
		on_agent(c);
}

static void flood(struct client *c)
{
	static const char noise[4096] = { 'x' };
	struct buf out = BUF_INIT;

	frame_add(&out, FRAME_STDOUT, 0, noise, sizeof(noise));
	say_buf(c, &out);
}

static void turn(void)
{
	struct pollfd fds[SOCKETS_MAX + CLIENTS_MAX];

	memcpy(fds, listening, sizeof(listening));
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		fds[n_listening + i] = (struct pollfd){ clients[i].fd,
							clients[i].flood ? POLLIN | POLLOUT : POLLIN,
							0 };
	if (poll(fds, n_listening + CLIENTS_MAX, -1) < 0)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (fds[n_listening + i].revents & ~POLLOUT)
			serve(&clients[i]);
		else if (fds[n_listening + i].revents)
			flood(&clients[i]);
	}
	for (size_t i = 0; i < n_listening; i++)
		if (fds[i].revents)
			accept_client(fds[i].fd, i == 0);
}

int main(int argc, char **argv)
{
	(void)argc;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		clients[i].fd = -1;
	open_sockets(argv);
	for (;;)
		turn();
}
