/* SPDX-License-Identifier: MIT */
/*
 * ssh_client.h - running OpenSSH's client against a VM, and the words that its configuration needs.
 *
 * The user's own configuration and known_hosts are not read and never written: host key, client key and
 * way to the guest are all given here.
 */
#ifndef BANGER_GUEST_SSH_CLIENT_H
#define BANGER_GUEST_SSH_CLIENT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/fault.h"

struct ssh_client {
	const char *vm;		 /* its name */
	const char *program;	 /* absolute path of banger */
	const char *state_dir;	 /* absolute */
	const char *known_hosts; /* absolute path of the VM's file */
	const char *key_path;	 /* private key */
	const char *user;	 /* in the guest */
	bool tty;		 /* ask for a terminal also for a command */
	const char *const *argv; /* NULL-terminated command; NULL = a login shell */
};

/*
 * ssh_client_run() - run ssh on this process's standard streams until it ends.
 * @status: out, the exit status of the command in the guest: 0..255, 126, 127 or 128+n as a shell says.
 * Signals that arrive meanwhile are passed on to ssh.
 * Return: F_MISSING without ssh; F_GUEST when the guest shows another host key, or goes away; F_DENIED
 * when it refuses the client's key; F_TIMEOUT; F_CANCELLED; F_INVALID when a path cannot be told to ssh.
 */
struct fault *ssh_client_run(const struct ssh_client *c, int *status) MUST_CHECK;

/* ssh_add_word() - append @text as one word of a POSIX shell's command line. */
void ssh_add_word(struct buf *b, const char *text);
/* ssh_add_command() - append @argv, NULL-terminated, so that a shell runs exactly these words. */
void ssh_add_command(struct buf *b, const char *const *argv);
/*
 * ssh_add_path() - append @path as a value in ssh_config(5): quoted, and no % in it is expanded.
 * F_INVALID when it has characters that no quoting helps with.
 */
struct fault *ssh_add_path(struct buf *b, const char *path) MUST_CHECK;
/*
 * ssh_add_proxy_command() - append the value of ProxyCommand that leads to VM @vm, "%n" for the one that
 * is named.  @sudo: through sudo, as the state directory is root's.
 */
void ssh_add_proxy_command(struct buf *b, const char *program, const char *state_dir,
			   const char *vm, bool sudo);

#endif
