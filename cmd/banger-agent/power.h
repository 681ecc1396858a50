/* SPDX-License-Identifier: MIT */
/* power.h - turning the machine off. */
#ifndef BANGER_AGENT_POWER_H
#define BANGER_AGENT_POWER_H

#include <stdbool.h>

/*
 * power_off_begin() - in a process of its own: sync, ask the image's init to power off, and when
 * that has not happened after POWER_LIMIT_S, do it.  When the agent is pid 1: end all processes,
 * unmount, power off.  Return: false when no process could be started.
 */
bool power_off_begin(void);
#define POWER_LIMIT_S 60

/* power_off_now() - sync and turn the machine off. */
void power_off_now(void) __attribute__((noreturn));

#endif
