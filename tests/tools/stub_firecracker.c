/* SPDX-License-Identifier: MIT */
/*
 * stub_firecracker.c - stands in for Firecracker 1.16 where there is no KVM.  It takes the same
 * arguments, serves its API with the same rules (what may be asked for before and after the start, files
 * opened when they are named, ten connections, a length on every body, answers without a reason phrase,
 * sockets that stay when it ends) and has an agent behind its vsock that runs nothing:
 *
 *	exit N       ends with status N
 *	echo WORD... prints the words
 *	lie          has the console say that the kernel has halted
 *	halt         the same, and nobody answers any more
 *
 * STUB_FC_REQUESTS=FILE  gets a line for each request, and "connection" for each connection
 * STUB_FC_BROKEN=PATH    requests for PATH get the error that is no JSON
 * STUB_FC_SILENT=1       the vsock takes connections and says nothing
 * STUB_FC_VERSION=TEXT   what --version says
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/json.h"
#include "guest/frame.h"

#define API_CLIENTS   10
#define AGENT_CLIENTS 32
#define FIRST_PORT    1073741824u
#define LATE	      "The requested operation is not supported after starting the microVM."
#define EARLY	      "The requested operation is not supported before starting the microVM."

struct client {
	int fd; /* -1 = free */
	bool greeted;
	struct buf in, exec;
};

static struct client api[API_CLIENTS], agent[AGENT_CLIENTS];
static int api_socket = -1, vsock_socket = -1;
static bool started, halted, has_kernel, has_metrics;
static unsigned int presses; /* of Ctrl-Alt-Del */
static char *drives; /* JSON of what /vm/config has, owned */
static unsigned int next_port = FIRST_PORT;

static void note(const char *fmt, ...) PRINTF(1, 2);

static void note(const char *fmt, ...)
{
	const char *path = getenv("STUB_FC_REQUESTS");
	AUTO_FILE file = path ? fopen(path, "ae") : NULL;
	va_list ap;

	va_start(ap, fmt);
	if (file && (vfprintf(file, fmt, ap) < 0 || fflush(file)))
		exit(1);
	va_end(ap);
}

/* -1 with errno set when something is there already: it is never removed. */
static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 64) < 0) {
		fd_close(fd);
		return -1;
	}
	return fd;
}

static void say(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}

static void client_close(struct client *c)
{
	fd_close(c->fd);
	c->fd = -1;
	buf_release(&c->in);
	buf_release(&c->exec);
}

static void client_take(struct client *list, size_t n, int fd)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].fd < 0) {
			list[i] = (struct client){ .fd = fd, .in = BUF_INIT, .exec = BUF_INIT };
			return;
		}
	fd_close(fd);
}

/* ------------------------------------------------------------------------------------------ API */

static void answer(struct client *c, int status, const char *body)
{
	AUTO_BUF text = BUF_INIT;

	buf_addf(&text, "HTTP/1.1 %d \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n",
		 status);
	if (body)
		buf_addf(&text, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
			 strlen(body));
	buf_addf(&text, "\r\n%s", body ? body : "");
	say(c->fd, text.data, text.len);
}

static void refuse(struct client *c, const char *why)
{
	AUTO_BUF body = BUF_INIT;

	buf_adds(&body, "{\"fault_message\":");
	json_add_string(&body, why);
	buf_addc(&body, '}');
	answer(c, 400, body.data);
}

/* Does the file that member @key names open?  One that is not named does. */
static bool opens(struct json body, const char *key, int flags)
{
	AUTO_FREE char *path = NULL;
	AUTO_FD fd = -1;

	if (!json_get_string(body, key, &path))
		return true;
	fd = open(path, flags | O_CLOEXEC, 0600);
	return fd >= 0;
}

static const char *put_drive(struct json body)
{
	AUTO_FREE char *id = NULL;
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *before = drives;
	struct json read_only;
	bool only = false;
	struct buf text = BUF_INIT;

	drives = NULL;
	if (json_get(body, "is_read_only", &read_only))
		json_bool(read_only, &only);
	json_get_string(body, "drive_id", &id);
	json_get_string(body, "path_on_host", &path);
	buf_addf(&text, "%s%s{\"drive_id\":\"%s\",\"path_on_host\":", before ? before : "",
		 before ? "," : "", id ? id : "");
	json_add_string(&text, path ? path : "");
	buf_addc(&text, '}');
	drives = buf_steal(&text);
	return opens(body, "path_on_host", only ? O_RDONLY : O_RDWR)
		       ? NULL : "Unable to create the block device: No such file or directory.";
}

static const char *put_vsock(struct json body)
{
	AUTO_FREE char *path = NULL;

	if (!json_get_string(body, "uds_path", &path))
		return "missing field `uds_path`";
	vsock_socket = listen_on(path);
	return vsock_socket < 0 ? "Cannot create backend for vsock device: Address in use." : NULL;
}

static const char *action(struct json body)
{
	AUTO_FREE char *type = NULL;

	json_get_string(body, "action_type", &type);
	if (type && !strcmp(type, "InstanceStart")) {
		if (started)
			return LATE;
		if (!has_kernel)
			return "Cannot start microvm without kernel configuration.";
		started = true;
		printf("console of the stub\n");
		return fflush(stdout) ? "console" : NULL;
	}
	if (!started)
		return EARLY;
	/* Nobody reads the keyboard; it keeps 16 bytes, and one press is four. */
	if (type && !strcmp(type, "SendCtrlAltDel") && ++presses > 4)
		return "The i8042 device has an error: Internal buffer is full.";
	return NULL;
}

/* A PUT before the start: NULL, or why not. */
static const char *configure(const char *path, struct json body)
{
	if (!strcmp(path, "/boot-source")) {
		has_kernel = opens(body, "kernel_image_path", O_RDONLY) &&
			     opens(body, "initrd_path", O_RDONLY);
		return has_kernel ? NULL : "The kernel file cannot be opened: No such file or "
					   "directory (os error 2).";
	}
	if (!strcmp(path, "/metrics")) {
		if (has_metrics)
			return "Reinitialization of metrics not allowed.";
		has_metrics = opens(body, "metrics_path", O_RDWR | O_CREAT);
		return has_metrics ? NULL : "Cannot open the metrics file.";
	}
	if (!strncmp(path, "/drives/", 8))
		return put_drive(body);
	return strcmp(path, "/vsock") ? NULL : put_vsock(body);
}

static void on_request(struct client *c, const char *method, const char *path, const char *body,
		       size_t len)
{
	struct json_doc *doc = NULL;
	const char *broken = getenv("STUB_FC_BROKEN");
	const char *why = NULL;
	AUTO_FAULT bad = NULL;

	note("%s %s %.*s\n", method, path, (int)len, body);
	if (broken && !strcmp(broken, path)) {
		answer(c, 400, "{ \"error\": \"Invalid header.\nAll previous unanswered requests will "
			       "be dropped.\" }");
		return;
	}
	if (!strcmp(method, "GET")) {
		AUTO_FREE char *text = xasprintf("{\"drives\":[%s]}", drives ? drives : "");

		answer(c, 200, text);
		return;
	}
	if (!len) {
		answer(c, 400, "{\"fault_message\":\"Empty PUT request.\"}");
		return;
	}
	bad = json_parse(body, len, "request", &doc);
	if (bad)
		why = "Invalid request: expected value";
	else if (!strcmp(path, "/actions"))
		why = action(json_root(doc));
	else if (!strcmp(method, "PATCH"))
		why = started ? NULL : EARLY;
	else
		why = started ? LATE : configure(path, json_root(doc));
	json_free(doc);
	if (why)
		refuse(c, why);
	else
		answer(c, 204, NULL);
}

/* A body without its length is no body. */
static size_t body_length(const char *headers)
{
	const char *at = strcasestr(headers, "\r\ncontent-length:");

	return at ? strtoul(at + 17, NULL, 10) : 0;
}

static void on_api(struct client *c)
{
	char *end;

	while ((end = memmem(c->in.data, c->in.len, "\r\n\r\n", 4))) {
		size_t head = (size_t)(end - c->in.data) + 4, len;
		char method[16], path[256];

		*end = '\0';
		len = body_length(c->in.data);
		if (c->in.len < head + len) {
			*end = '\r';
			return;
		}
		if (strcasestr(c->in.data, "\r\nexpect:"))
			note("expect\n");
		if (sscanf(c->in.data, "%15s %255s", method, path) == 2)
			on_request(c, method, path, c->in.data + head, len);
		buf_drop(&c->in, head + len);
	}
}

static void accept_api(void)
{
	static const char full[] = "HTTP/1.1 503 \r\nServer: Firecracker API\r\nConnection: close\r\n"
				   "Content-Length: 40\r\n\r\n"
				   "{ \"error\": \"Too many open connections\" }";
	int fd = accept4(api_socket, NULL, NULL, SOCK_CLOEXEC);
	size_t used = 0;

	if (fd < 0)
		return;
	note("connection\n");
	for (size_t i = 0; i < API_CLIENTS; i++)
		used += api[i].fd >= 0;
	if (used < API_CLIENTS) {
		client_take(api, API_CLIENTS, fd);
		return;
	}
	say(fd, full, sizeof(full) - 1);
	fd_close(fd);
}

/* ---------------------------------------------------------------------------------------- agent */

static void run_command(struct client *c, const struct frame_exec *e, struct buf *out)
{
	uint32_t status = 0;

	frame_add_u32(out, FRAME_STARTED, 1);
	if (e->argv.n > 1 && !strcmp(e->argv.v[0], "exit"))
		status = (uint32_t)strtoul(e->argv.v[1], NULL, 10);
	halted = e->argv.n && !strcmp(e->argv.v[0], "halt");
	if ((halted || (e->argv.n && !strcmp(e->argv.v[0], "lie"))) &&
	    (printf("[    1.000000] reboot: System halted\r\n") < 0 || fflush(stdout)))
		exit(1);
	for (size_t i = 1; i < e->argv.n && !strcmp(e->argv.v[0], "echo"); i++) {
		frame_add(out, FRAME_STDOUT, 0, e->argv.v[i], strlen(e->argv.v[i]));
		frame_add(out, FRAME_STDOUT, 0, "\n", 1);
	}
	frame_add_exit(out, FRAME_EXITED, status, NULL);
	buf_clear(&c->exec);
}

static void on_frame(struct client *c, const struct frame *f)
{
	AUTO_BUF out = BUF_INIT;
	struct frame_hello hello;
	struct frame_exec e;

	if (f->type == FRAME_HELLO && frame_hello(f, &hello)) {
		hello.version = hello.other = FRAME_VERSION;
		frame_add_hello(&out, FRAME_HELLO_ACK, &hello);
	} else if (f->type == FRAME_EXEC) {
		buf_add(&c->exec, f->data, f->len);
		if (!(f->flags & FRAME_MORE) && frame_exec(c->exec.data, c->exec.len, &e)) {
			run_command(c, &e, &out);
			frame_exec_release(&e);
		}
	} else if (f->type == FRAME_PING) {
		frame_add(&out, FRAME_PONG, 0, f->data, f->len);
	} else if (f->type == FRAME_SYNC || f->type == FRAME_POWER_OFF) {
		frame_add_empty(&out, FRAME_OK);
	}
	say(c->fd, out.data, out.len);
	if (f->type == FRAME_POWER_OFF)
		exit(0);
}

/* The whole line must come at once. */
static void on_connect_line(struct client *c)
{
	AUTO_FREE char *ok = xasprintf("OK %u\n", next_port++);
	unsigned int port;

	if (sscanf(c->in.data, "CONNECT %u\n", &port) != 1 || !memchr(c->in.data, '\n', c->in.len) ||
	    port != FRAME_VSOCK_PORT) {
		client_close(c);
		return;
	}
	c->greeted = true;
	buf_drop(&c->in, (size_t)(strchr(c->in.data, '\n') - c->in.data) + 1);
	say(c->fd, ok, strlen(ok));
}

static void on_agent(struct client *c)
{
	struct frame f;
	size_t used;

	if (halted || getenv("STUB_FC_SILENT"))
		return;
	if (!c->greeted)
		on_connect_line(c);
	while (c->fd >= 0 && frame_parse(c->in.data, c->in.len, &f, &used) == FRAME_COMPLETE) {
		on_frame(c, &f);
		buf_drop(&c->in, used);
	}
}

/* ----------------------------------------------------------------------------------------- loop */

static void serve(struct client *list, size_t n, struct pollfd *fds, void (*on)(struct client *c))
{
	for (size_t i = 0; i < n; i++) {
		struct client *c = &list[i];
		ssize_t got;

		if (c->fd < 0 || !fds[i].revents)
			continue;
		got = recv(c->fd, buf_grow(&c->in, 65536), 65536, MSG_DONTWAIT);
		if (got <= 0) {
			client_close(c);
			continue;
		}
		c->in.len += (size_t)got;
		c->in.data[c->in.len] = '\0';
		on(c);
	}
}

static void turn(void)
{
	struct pollfd fds[2 + API_CLIENTS + AGENT_CLIENTS];
	int fd;

	fds[0] = (struct pollfd){ api_socket, POLLIN, 0 };
	/* Before the guest has its driver nobody takes connections. */
	fds[1] = (struct pollfd){ started ? vsock_socket : -1, POLLIN, 0 };
	for (size_t i = 0; i < API_CLIENTS; i++)
		fds[2 + i] = (struct pollfd){ api[i].fd, POLLIN, 0 };
	for (size_t i = 0; i < AGENT_CLIENTS; i++)
		fds[2 + API_CLIENTS + i] = (struct pollfd){ agent[i].fd, POLLIN, 0 };
	if (poll(fds, ARRAY_LEN(fds), -1) < 0)
		return;
	serve(api, API_CLIENTS, fds + 2, on_api);
	serve(agent, AGENT_CLIENTS, fds + 2 + API_CLIENTS, on_agent);
	if (fds[0].revents)
		accept_api();
	if (fds[1].revents && (fd = accept4(vsock_socket, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		client_take(agent, AGENT_CLIENTS, fd);
}

int main(int argc, char **argv)
{
	const char *version = getenv("STUB_FC_VERSION");
	const char *path = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--version")) {
			printf("Firecracker v%s\n\n", version ? version : "1.16.1");
			return 0;
		}
		if (!strcmp(argv[i], "--api-sock") && i + 1 < argc)
			path = argv[i + 1];
	}
	for (size_t i = 0; i < API_CLIENTS; i++)
		api[i].fd = -1;
	for (size_t i = 0; i < AGENT_CLIENTS; i++)
		agent[i].fd = -1;
	api_socket = path ? listen_on(path) : -1;
	if (api_socket < 0) {
		fprintf(stderr, "Failed to open the API socket at: %s. Check that it is not already "
			"used.\n", path ? path : "");
		return 1;
	}
	for (;;)
		turn();
}
