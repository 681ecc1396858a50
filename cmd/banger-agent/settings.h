/* SPDX-License-Identifier: MIT */
/* settings.h - the files in the image that say who the machine is. */
#ifndef BANGER_AGENT_SETTINGS_H
#define BANGER_AGENT_SETTINGS_H

#include "guest/seed.h"

/* settings_apply() - host name, /etc/hosts, /etc/resolv.conf, clock.  Failures are only told. */
void settings_apply(const struct seed *seed);
/* settings_peers() - "ADDRESS NAME" of the machines that this one may talk to, into /etc/hosts. */
struct fault *settings_peers(const struct strings *peers) MUST_CHECK;

#endif
