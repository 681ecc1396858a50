/* SPDX-License-Identifier: MIT */
/*
 * client.h - the host's side of the agent protocol (frame.h has the wire format).
 *
 * The guest is hostile: every length, type and status that it sends is checked, a violation is an
 * F_GUEST fault, and no call waits longer than its time limit.
 */
#ifndef BANGER_GUEST_CLIENT_H
#define BANGER_GUEST_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"

struct guest;

enum guest_transport {
	GUEST_VIRTIO, /* unix sockets <directory>/agent.0 .. agent.15, one client each */
	GUEST_VSOCK,  /* one unix socket <directory>/vsock for any number: guest/vsock.h */
};
#define GUEST_PORTS 16

struct guest_address {
	enum guest_transport transport;
	const char *directory; /* absolute path of the VM's socket directory */
};

/*
 * guest_connect() - claim a free port and say hello.
 * @deadline_ms: gives up after so long; until then it retries, as the guest may still be booting.
 * @alive: called between tries with @context; returns false when the VM's process is gone, which
 * ends the waiting with F_GUEST.  NULL = not asked.
 * Return: NULL; F_TIMEOUT; F_GUEST; F_BUSY when all ports have a client; F_CANCELLED.
 */
struct fault *guest_connect(const struct guest_address *address, int deadline_ms,
			    bool (*alive)(void *context), void *context,
			    struct guest **out) MUST_CHECK;
void guest_close(struct guest *g);
/* guest_went_away() - does @f, F_GUEST, say that the connection ended, and not what was said on it? */
bool guest_went_away(const struct fault *f);

#define GUEST_ERR_TEXT_MAX 4096

struct guest_exec {
	const char *const *argv; /* NULL-terminated; argv[0] NULL = the user's login shell */
	const char *const *env;	 /* "K=V", NULL-terminated, added last; NULL = none */
	bool builtin;		 /* argv[0] is a part of the agent: guest/frame.h */
	const char *user;	 /* NULL = root */
	const char *cwd;	 /* NULL = the seed's working directory, or the user's home */
	bool tty;		 /* allocate a pty; then there is no separate stderr */
	uint16_t rows, columns;	 /* of the pty */
	int in;			 /* read from here; -1 = no standard input (the guest sees EOF) */
	int out, err;		 /* written to; -1 = thrown away */
	struct buf *err_text;	 /* gets the first GUEST_ERR_TEXT_MAX bytes of stderr, @err none */
	int resize_fd;		 /* readable when the terminal's size changed; -1 = never */
	void (*size)(void *context, uint16_t *rows, uint16_t *columns); /* asked after a resize */
	void *size_context;
	int64_t timeout_ms;	 /* kept on the host; 0 = none */
	bool watched;		 /* F_GUEST when the agent says nothing for minutes, not even PONG */
	bool signals_end;	 /* SIGINT and SIGTERM end the wait at once, none is passed on */
};

struct guest_status {
	enum {
		GUEST_EXITED,	   /* code: 0..255 */
		GUEST_SIGNALLED,   /* code: signal number */
		GUEST_NOT_FOUND,   /* argv[0] is not there: status 127 */
		GUEST_NOT_EXECUTABLE, /* 126 */
		GUEST_TIMED_OUT,   /* 124 */
		GUEST_FAILED,	   /* user or cwd does not exist, fork failed; see message: 125 */
	} how;
	int code;
	char *message; /* owned; the guest's reason for the last four, printable; may be NULL */
};

/*
 * guest_exec_run() - run a command and pump its streams until it has ended and all output is
 * written.  SIGINT and SIGTERM seen by cancel.h are passed to the guest's process group when there
 * is no tty; a second one, or any with a tty, gives up.  After a time-out or a fault the command
 * may still run: guest_close() makes the agent kill it, and nothing else may be done with @g.
 * A reader of @out or @err that goes away ends it as SIGPIPE ends a command here.
 * Return: NULL and *@status; F_GUEST when the VM goes away; F_CANCELLED; F_SYS when @out fails.
 */
struct fault *guest_exec_run(struct guest *g, const struct guest_exec *e,
			     struct guest_status *status) MUST_CHECK;
/* The exit status of design.md section 4: 0..255, 124, 125, 126, 127, 128+n. */
int guest_exit_code(const struct guest_status *status);

/* guest_sync() - flush the guest's file systems to its disks. */
struct fault *guest_sync(struct guest *g, int deadline_ms) MUST_CHECK;
/*
 * guest_power_off() - sync, stop the image's init in its own way, power off.  Returns once the
 * agent has answered that it began; the end is seen by the VM's process going away.
 */
struct fault *guest_power_off(struct guest *g, int deadline_ms) MUST_CHECK;
/* guest_set_time() - set the guest's clock (ns since the epoch) when it is off by over 0.5 s. */
struct fault *guest_set_time(struct guest *g, uint64_t time_ns, int deadline_ms) MUST_CHECK;
/* guest_ping() - one round trip. */
struct fault *guest_ping(struct guest *g, int deadline_ms) MUST_CHECK;

#endif
