/* SPDX-License-Identifier: MIT */
/* commands.c - the order here is the order on help pages. */
#include "banger/commands.h"

const struct command *const commands[] = {
	&command_vm,
	&command_image,
	&command_image_import,
	&command_image_pull,
	&command_image_list,
	&command_image_show,
	&command_image_delete,
	&command_kernel,
	&command_kernel_import,
	&command_kernel_pull,
	&command_kernel_list,
	&command_kernel_show,
	&command_kernel_delete,
	&command_completion,
	&command_config,
	&command_help,
	&command_version,
	&command_internal_complete,
	&command_internal_man,
	NULL,
};
