/* SPDX-License-Identifier: MIT */
/*
 * ssh_config.h - names that end in .vm for the user's own ssh client, and for all that runs it: scp,
 * rsync, git, editors.
 *
 * Two files, both the user's and written as them: one that is all ours, with a "Host *.vm", and
 * ~/.ssh/config, which gets an Include of the former in a fenced block before everything else.  Only
 * there is it read for every host: after the first Host line it would belong to that host.
 */
#ifndef BANGER_GUEST_SSH_CONFIG_H
#define BANGER_GUEST_SSH_CONFIG_H

#include <stdbool.h>

#include "base/fault.h"
#include "host/user.h"
#include "store/config.h"
#include "store/store.h"

struct ssh_config {
	struct user user;
	char *own;     /* absolute path of our file; owned */
	char *theirs;  /* absolute path of ~/.ssh/config; owned */
	char *include; /* the line for it, without its newline; owned */
};
void ssh_config_release(struct ssh_config *c);
#define AUTO_SSH_CONFIG __attribute__((cleanup(ssh_config_release))) struct ssh_config

/* ssh_config_find() - where the files are, there or not.  F_MISSING when nobody has a home. */
struct fault *ssh_config_find(struct ssh_config *c) MUST_CHECK;
/* ssh_config_state() - is our file there (*@own), is it included (*@included)?  F_CORRUPT, F_SYS. */
struct fault *ssh_config_state(const struct ssh_config *c, bool *own, bool *included) MUST_CHECK;
/*
 * ssh_config_install() - write our file, make the client's key, include it.  *@changed: false when the
 * user's file had the Include already.
 * ssh_config_uninstall() - the inverse; everything else in the user's file keeps its bytes.
 * Return: F_CORRUPT when half a block is in the user's file; F_INVALID, F_SYS, F_DENIED.
 */
struct fault *ssh_config_install(const struct ssh_config *c, const struct store *s,
				 const struct config *config, bool *changed) MUST_CHECK;
struct fault *ssh_config_uninstall(const struct ssh_config *c, bool *changed) MUST_CHECK;

#endif
