/* SPDX-License-Identifier: MIT */
#include "vmm/firecracker_api.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/http.h"
#include "base/text.h"
#include "base/unix_socket.h"

#define LOOK_MS	   2	/* between tries to connect */
#define REASON_MAX 1000 /* bytes of a reason that are shown */

struct fc_api {
	struct http_client *http;
};

bool fc_socket_is_dead(const char *path)
{
	AUTO_FD fd = unix_connect(path);

	return fd < 0 && (errno == ECONNREFUSED || errno == ENOENT);
}

/* Wait a little; *@ended: the process behind @pidfd has. */
static struct fault *look_again(int pidfd, bool *ended)
{
	struct pollfd fds[2] = { { .fd = pidfd, .events = POLLIN },
				 { .fd = cancel_fd(), .events = POLLIN } };

	if (poll(fds, 2, LOOK_MS) < 0 && errno != EINTR)
		return fault_sys(F_SYS, "waiting for Firecracker");
	*ended = pidfd >= 0 && fds[0].revents;
	return cancel_check();
}

/* The socket is there as soon as it is bound, so a connection is what tells that it listens. */
static struct fault *wait_for_server(const char *path, int wait_ms, int pidfd)
{
	int64_t deadline = clock_deadline(wait_ms);
	bool ended = false;

	for (;;) {
		AUTO_FD fd = unix_connect(path);

		if (fd >= 0)
			return NULL;
		if (errno != ENOENT && errno != ECONNREFUSED && errno != EAGAIN)
			return fault_sys(F_SYS, "connecting to '%s'", path);
		if (!wait_ms)
			return fault_new(F_STATE, "no Firecracker listens at '%s'", path);
		if (!clock_left(deadline))
			return fault_new(F_TIMEOUT, "Firecracker did not open its API socket in "
					 "time");
		TRY(look_again(pidfd, &ended));
		if (ended)
			return fault_new(F_TOOL, "Firecracker ended at once");
	}
}

struct fault *fc_api_open(const char *path, int wait_ms, int pidfd, struct fc_api **out)
{
	struct http_client *http = NULL;

	TRY(wait_for_server(path, wait_ms, pidfd));
	TRY(http_client_open_unix(path, &http));
	*out = xcalloc(1, sizeof(**out));
	(*out)->http = http;
	return NULL;
}

void fc_api_close(struct fc_api *api)
{
	if (!api)
		return;
	http_client_close(api->http);
	free(api);
}

/* The text of the JSON string that follows key @key, however badly it is written; NULL = none. */
static char *value_of(const char *body, const char *key)
{
	const char *at = strstr(body, key);
	struct buf text = BUF_INIT;

	at = at ? strchr(at + strlen(key), ':') : NULL;
	at = at ? strchr(at, '"') : NULL;
	if (!at)
		return NULL;
	for (at++; *at && *at != '"'; at++) {
		if (*at == '\\' && at[1])
			at++;
		buf_addc(&text, *at);
	}
	return buf_steal(&text);
}

char *fc_api_reason(const char *body, size_t len)
{
	AUTO_FREE char *whole = xstrndup(body, strnlen(body, len));
	AUTO_FREE char *value = value_of(whole, "\"fault_message\"");
	AUTO_BUF out = BUF_INIT;
	char *text;

	if (!value)
		value = value_of(whole, "\"error\"");
	text = value ? value : whole;
	for (char *c = text; *c; c++)
		if (*c == '\n' || *c == '\r' || *c == '\t')
			*c = ' ';
	text_add_printable(&out, text, strnlen(text, REASON_MAX));
	while (out.len && (out.data[out.len - 1] == ' ' || out.data[out.len - 1] == '.'))
		out.data[--out.len] = '\0';
	if (!out.len)
		buf_adds(&out, "it gave no reason");
	return buf_steal(&out);
}

static struct fault *refusal(long status, const struct buf *body, const char *what)
{
	AUTO_FREE char *reason = fc_api_reason(body->data, body->len);

	if (status == 503)
		return fault_hint(fault_new(F_BUSY, "Firecracker has too many connections to its "
					    "API socket"),
				  "Wait until other programs that talk to it have ended.");
	return fault_new(F_TOOL, "Firecracker refused %s: %s", what, reason);
}

struct fault *fc_api_set(struct fc_api *api, const char *method, const char *path, const char *body,
			 int timeout_ms, const char *what)
{
	const struct http_call call = { method, path, body, timeout_ms };
	AUTO_BUF answer = BUF_INIT;
	long status = 0;

	TRY(fault_wrap(http_call(api->http, &call, &status, &answer), "asking Firecracker for %s",
		       what));
	return status == 204 || status == 200 ? NULL : refusal(status, &answer, what);
}

struct fault *fc_api_get(struct fc_api *api, const char *path, int timeout_ms,
			 struct json_doc **doc)
{
	const struct http_call call = { "GET", path, NULL, timeout_ms };
	AUTO_BUF answer = BUF_INIT;
	long status = 0;

	TRY(fault_wrap(http_call(api->http, &call, &status, &answer), "asking Firecracker"));
	if (status != 200)
		return refusal(status, &answer, path);
	return json_parse(answer.data, answer.len, "Firecracker's answer", doc);
}
