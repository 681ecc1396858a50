/* SPDX-License-Identifier: MIT */
/* man.h - manual pages in mdoc(7), made from the table of commands and the table of settings. */
#ifndef BANGER_CMD_MAN_H
#define BANGER_CMD_MAN_H

#include "banger/command.h"

/* banger(1): the whole program. */
void man_program(struct buf *out);
/* banger-vm-run(1): one command or group. */
void man_command(const struct command *c, struct buf *out);
/* banger.conf(5): the settings. */
void man_config(struct buf *out);
/* "banger-vm-run"; owned. */
char *man_name(const struct command *c);

#endif
