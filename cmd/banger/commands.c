/* SPDX-License-Identifier: MIT */
#include "banger/commands.h"

const struct command *const commands[] = {
	&command_config,
	&command_help,
	&command_version,
	NULL,
};
