/* SPDX-License-Identifier: MIT */
/* channel.h - what the two halves of the client share; nobody else includes it. */
#ifndef BANGER_GUEST_CHANNEL_H
#define BANGER_GUEST_CHANNEL_H

#include "guest/client.h"
#include "guest/frame.h"

struct guest {
	int fd, lock;	/* owned */
	struct buf in;	/* read and not yet used up */
	size_t taken;	/* of `in`: the frame handed out last */
	struct buf out; /* to be sent, from out_at on */
	size_t out_at;
	unsigned char nonce[FRAME_NONCE];
	uint16_t version; /* agreed on */
	int silence_ms;	  /* of nothing from the agent until one who watches asks, and again until they give up */
	unsigned int pings; /* of ours that were not answered yet */
};

int64_t channel_now_ms(void);
/* channel_send() - send as much of the queue as goes without waiting.  F_GUEST. */
struct fault *channel_send(struct guest *g) MUST_CHECK;
/* channel_receive() - read what there is, without waiting.  F_GUEST at the end of the stream. */
struct fault *channel_receive(struct guest *g) MUST_CHECK;
/* channel_next() - the next frame in what was read; its data is borrowed until the next call. */
struct fault *channel_next(struct guest *g, struct frame *f, bool *got) MUST_CHECK;
/* F_GUEST faults: the VM is gone, and the agent sent @what. */
struct fault *channel_gone(void) MUST_CHECK;
struct fault *channel_garbage(const char *what) MUST_CHECK;
/* F_GUEST with the text of an ERROR frame. */
struct fault *channel_refusal(const struct frame *f) MUST_CHECK;
/* channel_printable() - a guest's text without control bytes; owned. */
char *channel_printable(const char *text);

#endif
