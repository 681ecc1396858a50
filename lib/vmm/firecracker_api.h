/* SPDX-License-Identifier: MIT */
/*
 * firecracker_api.h - talking to a Firecracker process through its API socket.
 *
 * One connection is kept for a whole command: the server takes ten at most, and answers them one
 * after the other.
 */
#ifndef BANGER_VMM_FIRECRACKER_API_H
#define BANGER_VMM_FIRECRACKER_API_H

#include "base/buf.h"
#include "base/fault.h"
#include "base/json.h"

struct fc_api;

/*
 * fc_api_open() - connect to the socket at @path, waiting at most @wait_ms until somebody listens.
 * @pidfd: of the process that will, -1 = not known; when it ends so does the waiting.
 * Return: NULL; F_TOOL when the process ended; F_TIMEOUT; F_STATE when nobody listens and @wait_ms
 * is 0; F_MISSING without libcurl; F_CANCELLED.
 */
struct fault *fc_api_open(const char *path, int wait_ms, int pidfd, struct fc_api **out) MUST_CHECK;
void fc_api_close(struct fc_api *api); /* NULL allowed */

/* fc_api_set() - send @body with @method to @path.  @what: for messages, what is set by it.
 * Return: NULL; F_TOOL with Firecracker's reason; F_BUSY when it has too many connections;
 * F_TIMEOUT; F_NETWORK; F_CANCELLED. */
struct fault *fc_api_set(struct fc_api *api, const char *method, const char *path, const char *body,
			 int timeout_ms, const char *what) MUST_CHECK;
/* fc_api_get() - *@doc: out, owned. */
struct fault *fc_api_get(struct fc_api *api, const char *path, int timeout_ms,
			 struct json_doc **doc) MUST_CHECK;

/*
 * fc_api_reason() - the reason in the body of an answer that is an error, printable, on one line.
 * The body need not be JSON: one kind of error has a raw newline in a string.  Owned.
 */
char *fc_api_reason(const char *body, size_t len);

/* fc_socket_is_dead() - is @path a socket that nobody listens at, or nothing? */
bool fc_socket_is_dead(const char *path);

#endif
