/* SPDX-License-Identifier: MIT */
/* network.h - addresses and routes, set without any tool of the image. */
#ifndef BANGER_AGENT_NETWORK_H
#define BANGER_AGENT_NETWORK_H

#include "guest/seed.h"

/* network_up() - lo, and the interface that @net describes. */
struct fault *network_up(const struct seed_net *net) MUST_CHECK;

#endif
