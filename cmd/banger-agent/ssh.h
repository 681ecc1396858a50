/* SPDX-License-Identifier: MIT */
/*
 * ssh.h - what the image's ssh server needs to speak for this machine.
 *
 * The host key goes to /etc/ssh where the image has that, so that its own server on port 22 is the same
 * host, else to the agent's tmpfs.  Everything else stays on the tmpfs: neither the image's settings nor
 * what its user keeps in /root is changed.
 */
#ifndef BANGER_AGENT_SSH_H
#define BANGER_AGENT_SSH_H

#include "guest/seed.h"

#define SSH_DIR	       AGENT_DIR "/ssh"
#define SSH_HOST_KEY   SSH_DIR "/host_key" /* the key, or a link to it */
#define SSH_AUTHORIZED SSH_DIR "/authorized_keys"

/* ssh_place() - put the host key of the seed where the ssh server will find it. */
struct fault *ssh_place(const struct seed *seed) MUST_CHECK;

#endif
