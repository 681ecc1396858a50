/* SPDX-License-Identifier: MIT */
/*
 * ssh_server.h - the built-in "ssh" of the agent: its standard streams are those of the guest's ssh
 * server.  Compiled into both sides.
 *
 *	ssh		connect
 *	ssh KEY		let the public key KEY (a line of authorized_keys) in, and connect
 *	ssh --ask	only tell whether there is a server
 */
#ifndef BANGER_GUEST_SSH_SERVER_H
#define BANGER_GUEST_SSH_SERVER_H

#define SSH_SERVER	"ssh"
#define SSH_SERVER_ASK	"--ask"
#define SSH_SERVER_NONE 3 /* exit status: there is no server */

#endif
