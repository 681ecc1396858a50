/* SPDX-License-Identifier: MIT */
/*
 * frame.h - the agent protocol on the wire.  Compiled into the host's client and the agent.
 *
 * Theory of operation
 *
 * A channel is a byte stream with one client at a time: a virtio-serial port.  On it travel frames:
 *
 *	byte 0     FRAME_TAG, never zero
 *	byte 1     type (enum frame_type)
 *	byte 2     flags (enum frame_flags)
 *	byte 3     zero
 *	byte 4..7  length of what follows, little endian, at most FRAME_DATA_MAX
 *
 * Zero bytes between frames are padding.  All numbers are little endian; a text is a u32 length and
 * that many bytes without a NUL.
 *
 * A port knows no connections.  When a client goes away and the next one comes, bytes of the former
 * may be under way in both directions, cut at any place, and the guest may not notice the change at
 * all.  So each client begins with HELLO, which carries a random nonce, and throws away whatever it
 * reads until it has seen HELLO_ACK with that nonce.  The agent takes a HELLO between two frames as
 * the end of the former session.  When the agent is in the middle of a frame of the former client,
 * it would take the HELLO for that frame's data and not answer; a client that waits for too long
 * therefore sends RESYNC_PADDING zero bytes, more than the longest frame, and HELLO again.  What is
 * left of the cut frame swallows zeros, the others are padding.  An agent that has lost the
 * place (a byte that is neither zero nor FRAME_TAG between frames, or an impossible header) or that
 * knows that its client has gone throws bytes away until it finds the fixed first bytes of a HELLO.
 *
 * After the HELLO_ACK:
 *
 *	client                          agent
 *	EXEC (one or several, MORE)     STARTED, or EXIT when it could not start
 *	STDIN, STDIN_EOF                CREDIT: so many more bytes of STDIN may be sent
 *	RESIZE, SIGNAL                  STDOUT, STDERR
 *	                                EXIT, once, after the last STDOUT and STDERR
 *	OPERATION                       (its log has the id from then on)
 *	SYNC, POWER_OFF, SET_TIME       OK or ERROR, each in the order asked
 *	PING                            PONG with the same data
 *
 * An EXEC whose `builtin` is set runs no program of the image but a part of the agent, as a process of
 * its own with the same streams, user, directory and end: what copies files, opens connections and
 * reads /proc in the guest needs no other frames than a command does.
 *
 * One command at a time; after EXIT another EXEC may follow on the same session.  The client has at
 * most FRAME_STDIN_WINDOW bytes of STDIN unacknowledged, so the agent can always read its port and
 * a SIGNAL is never stuck behind input that nobody reads.  The other way the port itself holds the
 * agent back.  When the client goes away before EXIT, the agent kills the command's whole session.
 */
#ifndef BANGER_GUEST_FRAME_H
#define BANGER_GUEST_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"

#define FRAME_TAG	   0xb6
#define FRAME_HEADER	   8
#define FRAME_DATA_MAX	   65536
#define FRAME_STDIN_WINDOW (256 * 1024)
#define FRAME_EXEC_MAX	   (4 * 1024 * 1024) /* a whole command: all parts of EXEC */
#define FRAME_MESSAGE_MAX  4096
#define RESYNC_PADDING	   (FRAME_HEADER + FRAME_DATA_MAX)

#define FRAME_OPERATION_MAX 32 /* hex digits */

/* The version spoken, and the oldest one that is still understood.  2 has FRAME_OPERATION. */
#define FRAME_VERSION	     2
#define FRAME_VSOCK_PORT     5226 /* where the agent listens on a vsock */
#define FRAME_VERSION_OLDEST 1

#define FRAME_NONCE 16

enum frame_type {
	FRAME_HELLO = 1,  /* client: struct frame_hello */
	FRAME_HELLO_ACK,  /* agent: struct frame_hello; version 0 = none in common */
	FRAME_EXEC,	  /* client: struct frame_exec in one or more parts */
	FRAME_STDIN,	  /* client: bytes */
	FRAME_STDIN_EOF,  /* client: nothing */
	FRAME_RESIZE,	  /* client: u16 rows, u16 columns */
	FRAME_SIGNAL,	  /* client: u32 signal number, to the process group */
	FRAME_SYNC,	  /* client: nothing */
	FRAME_POWER_OFF,  /* client: nothing */
	FRAME_SET_TIME,	  /* client: u64 ns since the epoch */
	FRAME_PING,	  /* client: any bytes */
	FRAME_STARTED,	  /* agent: u32 pid */
	FRAME_STDOUT,	  /* agent: bytes */
	FRAME_STDERR,	  /* agent: bytes */
	FRAME_EXIT,	  /* agent: struct frame_exit */
	FRAME_CREDIT,	  /* agent: u32 bytes of STDIN that it has disposed of */
	FRAME_OK,	  /* agent: nothing */
	FRAME_ERROR,	  /* agent: text */
	FRAME_PONG,	  /* agent: the bytes of PING */
	FRAME_OPERATION,  /* client, version 2: text, the id that its frames belong to; no answer */
	FRAME_TYPES,
};

enum frame_flags {
	FRAME_MORE = 1, /* EXEC: the next frame is an EXEC that goes on where this one ends */
};

struct frame {
	enum frame_type type;
	uint8_t flags;
	const char *data; /* borrowed from the parsed bytes */
	size_t len;
};

enum frame_result {
	FRAME_INCOMPLETE, /* more bytes are needed */
	FRAME_COMPLETE,	  /* *@out is set */
	FRAME_MALFORMED,  /* these bytes are no frame */
};

/*
 * frame_parse() - take the first frame out of @len bytes at @data.
 * @used: out, the bytes to drop: padding and, when complete, the frame.
 */
enum frame_result frame_parse(const char *data, size_t len, struct frame *out, size_t *used);

/* frame_add() - append a frame.  @len is at most FRAME_DATA_MAX. */
void frame_add(struct buf *b, enum frame_type type, unsigned int flags, const void *data,
	       size_t len);
/* Frames without data, with one u32, and with one text (cut to FRAME_MESSAGE_MAX). */
void frame_add_empty(struct buf *b, enum frame_type type);
void frame_add_u32(struct buf *b, enum frame_type type, uint32_t value);
void frame_add_text(struct buf *b, enum frame_type type, const char *text);

/* The inverse; false when the data is not exactly that.  *@text is owned. */
bool frame_u32(const struct frame *f, uint32_t *value);
bool frame_u64(const struct frame *f, uint64_t *value);
bool frame_text(const struct frame *f, char **text);

struct frame_hello {
	unsigned char nonce[FRAME_NONCE];
	uint16_t version; /* HELLO: the newest that the client knows; HELLO_ACK: the one to speak */
	uint16_t other;	  /* HELLO: the oldest of the client; HELLO_ACK: the newest of the agent */
};

/* @type: FRAME_HELLO or FRAME_HELLO_ACK. */
void frame_add_hello(struct buf *b, enum frame_type type, const struct frame_hello *hello);
bool frame_hello(const struct frame *f, struct frame_hello *out);
/*
 * frame_find_hello() - how many bytes at @data to drop until a @type frame begins or may begin.
 * @nonce: NULL = any.  *@found: a frame with its first 16 bytes (32 with a nonce) is there.
 */
size_t frame_find_hello(const char *data, size_t len, enum frame_type type,
			const unsigned char *nonce, bool *found);

struct frame_exec {
	bool tty, want_stdin;
	bool builtin; /* argv[0] names a part of the agent: cmd/banger-agent/builtin.c */
	uint16_t rows, columns;
	char *user; /* owned; NULL = root */
	char *cwd;  /* owned; NULL = default */
	struct strings argv, env;
};

/* frame_add_exec() - append EXEC frames; false when it is longer than FRAME_EXEC_MAX. */
bool frame_add_exec(struct buf *b, const struct frame_exec *exec);
/* frame_exec() - from the joined data of all parts.  *@out is released on failure. */
bool frame_exec(const char *data, size_t len, struct frame_exec *out);
void frame_exec_release(struct frame_exec *exec);

enum frame_exit_kind {
	FRAME_EXITED,	      /* code: 0..255 */
	FRAME_SIGNALLED,      /* code: signal number, 1..127 */
	FRAME_NOT_FOUND,      /* the program is not there */
	FRAME_NOT_EXECUTABLE, /* it is there and cannot be run */
	FRAME_FAILED,	      /* everything else: user, directory, memory */
};

struct frame_exit {
	enum frame_exit_kind kind;
	uint32_t code;
	char *message; /* owned; the reason for the last three, else empty */
};

void frame_add_exit(struct buf *b, enum frame_exit_kind kind, uint32_t code, const char *message);
bool frame_exit(const struct frame *f, struct frame_exit *out);

/* RESIZE */
void frame_add_resize(struct buf *b, uint16_t rows, uint16_t columns);
bool frame_resize(const struct frame *f, uint16_t *rows, uint16_t *columns);
/* SET_TIME */
void frame_add_u64(struct buf *b, enum frame_type type, uint64_t value);

#endif
