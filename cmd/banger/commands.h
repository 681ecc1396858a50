/* SPDX-License-Identifier: MIT */
/* commands.h - every command of banger; the order on help pages is that of commands.c. */
#ifndef BANGER_CMD_COMMANDS_H
#define BANGER_CMD_COMMANDS_H

#include "banger/command.h"

/* All commands, ended by NULL. */
extern const struct command *const commands[];

/* groups.c */
extern const struct command command_vm, command_image, command_kernel;
/* cmd_config.c, cmd_help.c, cmd_version.c */
extern const struct command command_config, command_help, command_version;

#endif
