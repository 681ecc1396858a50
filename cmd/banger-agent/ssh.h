/* SPDX-License-Identifier: MIT */
/*
 * ssh.h - what the image's ssh server needs to speak for this machine.
 *
 * All of it lies on the tmpfs of the agent: neither the image's own settings nor what its user keeps
 * in /root is changed, and a machine that is copied takes no key along.
 */
#ifndef BANGER_AGENT_SSH_H
#define BANGER_AGENT_SSH_H

#include "guest/seed.h"

#define SSH_DIR	       AGENT_DIR "/ssh"
#define SSH_HOST_KEY   SSH_DIR "/host_key"
#define SSH_AUTHORIZED SSH_DIR "/authorized_keys"

/* ssh_place() - put the host key of the seed where the ssh server will find it. */
struct fault *ssh_place(const struct seed *seed) MUST_CHECK;

#endif
