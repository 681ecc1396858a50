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
 * Built-ins of the agent print the file of their name in the directory STUB_VMM_BUILTINS.  With
 * STUB_VMM_AGENT=PROGRAM that agent runs those which copy and compare files, and git runs, too: on this
 * machine, with the paths that they are given.  The stand-in does nothing else meanwhile.
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
#include <sys/wait.h>

#include "guest/frame.h"

#define SOCKETS_MAX 64
#define CLIENTS_MAX 64

struct client {
	int fd; /* -1 = free */
	bool qmp, flood;
	bool pending; /* exec is whole, and is to run on this machine */
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

static bool runs_here(const struct frame_exec *e)
{
	static const char *const builtins[] = { "put", "get", "get-list", "kind", "compare" };

	if (!getenv("STUB_VMM_AGENT") || !e->argv.n)
		return false;
	for (size_t i = 0; e->builtin && i < ARRAY_LEN(builtins); i++)
		if (!strcmp(e->argv.v[0], builtins[i]))
			return true;
	return !e->builtin && !strcmp(e->argv.v[0], "git");
}

static void on_exec(struct client *c, const struct frame *f)
{
	struct frame_exec e;

	buf_add(&c->exec, f->data, f->len);
	if (f->flags & FRAME_MORE)
		return;
	if (frame_exec(c->exec.data, c->exec.len, &e)) {
		c->pending = runs_here(&e);
		if (!c->pending)
			run_command(c, &e);
		frame_exec_release(&e);
	}
	if (!c->pending)
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

/* ------------------------------------------------------------------ programs of this machine */

struct running {
	pid_t pid;
	int in, out, err; /* our ends; -1 = closed */
};

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

__attribute__((noreturn)) static void become(const struct frame_exec *e, int in, int out, int err)
{
	struct strings argv = { 0 };

	if (e->builtin) {
		strings_add(&argv, getenv("STUB_VMM_AGENT"));
		strings_add(&argv, "builtin");
	}
	for (size_t i = 0; i < e->argv.n; i++)
		strings_add(&argv, e->argv.v[i]);
	for (size_t i = 0; i < e->env.n; i++)
		putenv(e->env.v[i]);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 ||
	    (e->cwd && chdir(e->cwd)))
		_exit(126);
	execvp(argv.v[0], argv.v);
	_exit(127);
}

static bool begin(const struct frame_exec *e, struct running *r)
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		return false;
	r->pid = fork();
	if (!r->pid)
		become(e, in[0], out[1], err[1]);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	r->in = in[1];
	r->out = out[0];
	r->err = err[0];
	return r->pid > 0;
}

/* Bytes of a program become a frame. */
static void carry(struct client *c, int *fd, enum frame_type type)
{
	struct buf out = BUF_INIT;
	char data[16384];
	ssize_t n = read(*fd, data, sizeof(data));

	if (n <= 0) {
		close_end(fd);
		return;
	}
	frame_add(&out, type, 0, data, (size_t)n);
	say_buf(c, &out);
}

/* Input for the program; false when its client has gone. */
static bool feed(struct client *c, struct running *r, bool more)
{
	ssize_t n = more ? recv(c->fd, buf_grow(&c->in, 65536), 65536, MSG_DONTWAIT) : 0;
	struct buf out = BUF_INIT;
	struct frame f;
	size_t used;

	if (more && n <= 0)
		return false;
	c->in.len += (size_t)n;
	while (frame_parse(c->in.data, c->in.len, &f, &used) == FRAME_COMPLETE) {
		if (f.type == FRAME_HELLO)
			return false;
		if (f.type == FRAME_STDIN) {
			if (r->in >= 0 && write(r->in, f.data, f.len) != (ssize_t)f.len)
				close_end(&r->in);
			frame_add_u32(&out, FRAME_CREDIT, (uint32_t)f.len);
		} else if (f.type == FRAME_STDIN_EOF) {
			close_end(&r->in);
		}
		buf_drop(&c->in, used);
	}
	say_buf(c, &out);
	return true;
}

static void run_here(struct client *c)
{
	struct frame_exec e;
	struct running r = { -1, -1, -1, -1 };
	struct buf out = BUF_INIT;
	bool here = frame_exec(c->exec.data, c->exec.len, &e) && begin(&e, &r);
	int status = 0;

	buf_clear(&c->exec);
	frame_add_u32(&out, FRAME_STARTED, 1);
	say_buf(c, &out);
	here = here && feed(c, &r, false);
	while (here && (r.out >= 0 || r.err >= 0)) {
		struct pollfd fds[] = { { c->fd, POLLIN, 0 }, { r.out, POLLIN, 0 },
					{ r.err, POLLIN, 0 } };

		poll(fds, 3, -1);
		if (fds[1].revents)
			carry(c, &r.out, FRAME_STDOUT);
		if (fds[2].revents)
			carry(c, &r.err, FRAME_STDERR);
		if (fds[0].revents)
			here = feed(c, &r, true);
	}
	close_end(&r.in);
	close_end(&r.out);
	close_end(&r.err);
	if (r.pid > 0 && !here)
		kill(r.pid, SIGKILL);
	if (r.pid > 0)
		waitpid(r.pid, &status, 0);
	frame_exec_release(&e);
	frame_add_exit(&out, WIFEXITED(status) ? FRAME_EXITED : FRAME_SIGNALLED,
		       (uint32_t)(WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status)), NULL);
	say_buf(c, &out);
}

/* ------------------------------------------------------------------------------ the main loop */

static void on_agent(struct client *c)
{
	struct frame f;
	size_t used;

	while (c->fd >= 0 && frame_parse(c->in.data, c->in.len, &f, &used) == FRAME_COMPLETE) {
		on_frame(c, &f);
		buf_drop(&c->in, used);
		if (c->pending)
			run_here(c);
		c->pending = false;
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
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		clients[i].fd = -1;
	open_sockets(argv);
	for (;;)
		turn();
}
