/* SPDX-License-Identifier: MIT */
/* port_find.h - which device file is port "banger.N". */
#ifndef BANGER_AGENT_PORT_FIND_H
#define BANGER_AGENT_PORT_FIND_H

#include <stdint.h>

/* port_find_init() - report each port now, and later ones when the kernel announces them. */
void port_find_init(void (*found)(unsigned int index, const char *device));
/* port_find_tick() - look again when it is time; returns when that is next, or -1. */
int64_t port_find_tick(void);

#endif
