/* SPDX-License-Identifier: MIT */
#include "vmm/qmp.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/unix_socket.h"

#define LINE_MAX_BYTES (1 << 20)
#define RETRY_MS       2

struct qmp {
	int fd;
	int pidfd; /* borrowed; -1 = not watched */
	struct buf input;
	bool negotiated;
};

/* Wait for @fd (-1: just the pause) at most until @deadline; F_TOOL when the process ends. */
static struct fault *wait_for(int fd, int pidfd, int pause, int64_t deadline)
{
	struct pollfd fds[3] = {
		{ .fd = pidfd, .events = POLLIN },
		{ .fd = cancel_fd(), .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};
	int left = clock_left(deadline);

	if (left == 0)
		return fault_new(F_TIMEOUT, "QEMU did not answer on its control socket in time");
	if (fd < 0 && pause < left)
		left = pause;
	if (poll(fds, 3, left) < 0 && errno != EINTR)
		return fault_sys(F_SYS, "waiting for QEMU");
	TRY(cancel_check());
	return fds[0].revents ? fault_new(F_TOOL, "QEMU ended at once") : NULL;
}

static struct fault *connect_until(const char *path, int pidfd, int64_t deadline, int *fd)
{
	for (;;) {
		*fd = unix_connect(path);
		if (*fd >= 0)
			return NULL;
		if (errno != ENOENT && errno != ECONNREFUSED && errno != EAGAIN)
			return fault_sys(F_SYS, "connecting to '%s'", path);
		TRY(wait_for(-1, pidfd, RETRY_MS, deadline));
	}
}

/* The next line as a document; events and other lines are the caller's to skip. */
static struct fault *read_line(struct qmp *q, int64_t deadline, struct json_doc **doc)
{
	for (;;) {
		char *end = memchr(q->input.data, '\n', q->input.len);
		ssize_t n;

		if (end) {
			size_t len = (size_t)(end - q->input.data);
			struct fault *f = json_parse(q->input.data, len, "an answer of QEMU", doc);

			buf_drop(&q->input, len + 1);
			return f;
		}
		if (q->input.len > LINE_MAX_BYTES)
			return fault_new(F_CORRUPT, "QEMU sent an endless line");
		n = recv(q->fd, buf_grow(&q->input, 4096), 4096, MSG_DONTWAIT);
		if (n > 0) {
			q->input.len += (size_t)n;
			q->input.data[q->input.len] = '\0';
		} else if (n == 0) {
			return fault_new(F_TOOL, "QEMU closed its control socket");
		} else if (errno != EAGAIN && errno != EINTR) {
			return fault_sys(F_SYS, "reading from QEMU");
		} else {
			TRY(wait_for(q->fd, q->pidfd, 0, deadline));
		}
	}
}

struct fault *qmp_open(const char *path, int wait_ms, int pidfd, struct qmp **out)
{
	int64_t deadline = clock_deadline(wait_ms);
	struct json_doc *greeting = NULL;
	struct json ignored;
	struct qmp *q;
	struct fault *f;
	int fd = -1;

	TRY(connect_until(path, pidfd, deadline, &fd));
	q = xcalloc(1, sizeof(*q));
	*q = (struct qmp){ .fd = fd, .pidfd = pidfd, .input = BUF_INIT };
	f = read_line(q, deadline, &greeting);
	if (!f && !json_get(json_root(greeting), "QMP", &ignored))
		f = fault_new(F_CORRUPT, "'%s' does not speak QEMU's protocol", path);
	json_free(greeting);
	if (f) {
		qmp_close(q);
		return f;
	}
	*out = q;
	return NULL;
}

void qmp_close(struct qmp *q)
{
	if (!q)
		return;
	fd_close(q->fd);
	buf_release(&q->input);
	free(q);
}

static struct fault *send_command(struct qmp *q, const char *command, const char *arguments)
{
	AUTO_FREE char *line = xasprintf("{\"execute\":\"%s\"%s%s}\n", command,
					 arguments ? ",\"arguments\":" : "",
					 arguments ? arguments : "");
	size_t len = strlen(line);

	/* Far smaller than a socket's buffer, so it is sent whole or not at all. */
	if (send(q->fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
		return fault_sys(F_SYS, "sending '%s' to QEMU", command);
	return NULL;
}

static struct fault *await_answer(struct qmp *q, const char *command, int64_t deadline,
				  struct json_doc **answer)
{
	for (;;) {
		struct json_doc *doc = NULL;
		struct json part;
		AUTO_FREE char *reason = NULL;
		bool done, failed;

		TRY(read_line(q, deadline, &doc));
		done = json_get(json_root(doc), "return", &part);
		failed = !done && json_get(json_root(doc), "error", &part);
		if (failed && !json_get_string(part, "desc", &reason))
			reason = xstrdup("no reason given");
		if (done && answer) {
			*answer = doc;
			return NULL;
		}
		json_free(doc);
		if (failed)
			return fault_new(F_TOOL, "QEMU refused '%s': %s", command, reason);
		if (done)
			return NULL; /* everything else was an event */
	}
}

static struct fault *negotiate(struct qmp *q, int64_t deadline)
{
	if (q->negotiated)
		return NULL;
	TRY(send_command(q, "qmp_capabilities", NULL));
	TRY(await_answer(q, "qmp_capabilities", deadline, NULL));
	q->negotiated = true;
	return NULL;
}

struct fault *qmp_query(struct qmp *q, const char *command, const char *arguments, int wait_ms,
			struct json_doc **doc)
{
	int64_t deadline = clock_deadline(wait_ms);

	TRY(negotiate(q, deadline));
	TRY(send_command(q, command, arguments));
	return await_answer(q, command, deadline, doc);
}
