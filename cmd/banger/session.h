/* SPDX-License-Identifier: MIT */
/* session.h - a command or shell in a guest, connected to this process's terminal or pipes. */
#ifndef BANGER_CMD_SESSION_H
#define BANGER_CMD_SESSION_H

#include "banger/command.h"
#include "guest/client.h"

struct session {
	const char *const *argv; /* NULL-terminated; NULL = the login shell */
	const char **env;	 /* "K=V", NULL-terminated, owned by the caller */
	const char *user, *cwd;	 /* NULL = default */
	bool input;		 /* pass standard input */
	bool tty;		 /* a pty; the terminal here goes into raw mode */
	int64_t timeout_ms;	 /* 0 = none */
};

/* session_from() - read --env, --user, --workdir, -i, -t, --timeout and "-- CMD" of an invocation.
 * F_USAGE when there is neither a command nor a terminal or -i. */
struct fault *session_from(const struct invocation *inv, struct session *s) MUST_CHECK;
void session_release(struct session *s);

/* session_run() - run it; the terminal is as before afterwards, whatever happens. */
struct fault *session_run(const struct session *s, struct guest *guest,
			  struct guest_status *status) MUST_CHECK;

/*
 * session_status() - the exit status for @status (released); says on standard error why, where the
 * number alone would leave somebody guessing.
 */
int session_status(const struct invocation *inv, const struct session *s,
		   struct guest_status *status);

/* The options that session_from() reads, for option tables. */
#define SESSION_OPTIONS                                                                            \
	{ .letter = 'i', .name = "interactive", .help = "pass standard input to the command" },    \
	{ .letter = 't', .name = "tty", .help = "give the command a terminal" },                   \
	{ .letter = 'e', .name = "env", .value = "KEY=VALUE", .repeat = true,                      \
	  .help = "set an environment variable in the guest" },                                    \
	{ .letter = 'u', .name = "user", .value = "USER", .preset = "root",                        \
	  .help = "run as this user: name, uid, or either with :group" },                          \
	{ .letter = 'w', .name = "workdir", .value = "DIR",                                        \
	  .help = "run in this directory of the guest" },                                          \
	{ .name = "timeout", .value = "DURATION", .type = OPTION_DURATION,                         \
	  .help = "kill the command after so long, exit status 124" }

#endif
