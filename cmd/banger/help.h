/* SPDX-License-Identifier: MIT */
/* help.h - help pages made from the table of commands. */
#ifndef BANGER_CMD_HELP_H
#define BANGER_CMD_HELP_H

#include "banger/command.h"

/* help_page() - append the page of @c: a command, a group, or NULL for the landing page. */
void help_page(const struct command *c, struct buf *out);
/* option_synopsis() - append "-n, --name NAME" */
void option_synopsis(const struct option *o, struct buf *out);

#endif
