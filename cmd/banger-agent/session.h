/* SPDX-License-Identifier: MIT */
/* session.h - ending everything that a command has started (its process session). */
#ifndef BANGER_AGENT_SESSION_H
#define BANGER_AGENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* session_doom() - hang up on all processes of session @sid now, kill the rest a little later. */
void session_doom(pid_t sid);
/* session_tick() - kill whose time has come; returns when it wants to be called again, or -1. */
int64_t session_tick(void);

/* process_each() - call @visit for every process but the kernel's, pid 1 and our own. */
void process_each(void (*visit)(pid_t pid, pid_t sid, void *context), void *context);

#endif
