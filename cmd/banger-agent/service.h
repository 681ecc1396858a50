/* SPDX-License-Identifier: MIT */
/* service.h - the image's entry point, when the image has no init that could run it. */
#ifndef BANGER_AGENT_SERVICE_H
#define BANGER_AGENT_SERVICE_H

#include <sys/types.h>

#include "guest/seed.h"

/* service_start() - run seed's entry point with its output on the console, if it wants that. */
void service_start(const struct seed *seed);
/* service_reaped() - a child has ended; when it was the entry point, the console is told how. */
void service_reaped(pid_t pid, int wait_status);

#endif
