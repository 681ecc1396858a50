/* SPDX-License-Identifier: MIT */
/* commands.h - every command of banger; the order on help pages is that of commands.c. */
#ifndef BANGER_CMD_COMMANDS_H
#define BANGER_CMD_COMMANDS_H

#include "banger/command.h"

/* All commands, ended by NULL. */
extern const struct command *const commands[];

/* cmd_net.c */
extern const struct command command_net_warm, command_net_status;
/* groups.c */
extern const struct command command_vm, command_image, command_kernel, command_net, command_system;
/* cmd_completion.c */
extern const struct command command_completion, command_internal_complete;
/* cmd_image.c */
extern const struct command command_image_import, command_image_pull, command_image_list,
	command_image_show, command_image_delete;
/* cmd_image_bundle.c */
extern const struct command command_image_bundle, command_image_build;
/* cmd_image_lock.c */
extern const struct command command_image_lock;
/* cmd_image_prune.c */
extern const struct command command_image_prune, command_image_cache_prune;
/* cmd_image_register.c */
extern const struct command command_image_register, command_image_promote;
/* cmd_internal_console.c */
extern const struct command command_internal_console;
/* cmd_config.c */
extern const struct command command_config;
/* cmd_doctor.c */
extern const struct command command_doctor;
/* cmd_help.c */
extern const struct command command_help;
/* cmd_kernel.c */
extern const struct command command_kernel_import, command_kernel_pull, command_kernel_list,
	command_kernel_show, command_kernel_delete;
/* cmd_man.c */
extern const struct command command_internal_man;
/* cmd_vm_run.c */
extern const struct command command_vm_run, command_vm_create, command_vm_exec;
/* cmd_vm_life.c */
extern const struct command command_vm_start, command_vm_stop, command_vm_restart, command_vm_kill,
	command_vm_delete;
/* cmd_vm_reset.c */
extern const struct command command_vm_reset;
/* cmd_vm_health.c */
extern const struct command command_vm_ping, command_vm_health;
/* cmd_vm_list.c */
extern const struct command command_vm_list, command_vm_show, command_vm_logs;
/* cmd_vm_stats.c, cmd_top.c */
extern const struct command command_vm_stats, command_top;
/* cmd_vm_ports.c, cmd_vm_wait.c */
extern const struct command command_vm_ports, command_vm_wait;
/* cmd_vm_set.c */
extern const struct command command_vm_set;
/* cmd_ssh_config.c */
extern const struct command command_ssh_config;
/* cmd_vm_cp.c */
extern const struct command command_vm_cp;
/* cmd_vm_forward.c */
extern const struct command command_vm_forward, command_internal_forward;
/* cmd_vm_ssh.c */
extern const struct command command_vm_ssh, command_vm_proxy, command_internal_known_hosts;
/* cmd_vm_clone.c */
extern const struct command command_vm_rename, command_vm_clone;
/* cmd_vm_prune.c, cmd_df.c */
extern const struct command command_vm_prune, command_system_df;
/* cmd_watch.c */
extern const struct command command_watch;
/* cmd_vm_workspace.c */
extern const struct command command_vm_workspace, command_vm_workspace_prepare,
	command_vm_workspace_export;
/* cmd_vm_events.c */
extern const struct command command_vm_events;
/* cmd_gc.c */
extern const struct command command_gc;
/* cmd_system.c */
extern const struct command command_system_install, command_system_uninstall,
	command_system_status;
/* cmd_version.c */
extern const struct command command_version;

#endif
