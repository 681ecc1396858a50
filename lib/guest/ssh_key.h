/* SPDX-License-Identifier: MIT */
/*
 * ssh_key.h - keys for ssh: the host key that a VM has for all its life, and the client's key.
 *
 * The host key is made together with the VM, in two files of its directory: the private key, which the
 * seed of each start takes into the guest, and a known_hosts file with the one line that pins it.  So
 * the first connection is as sure as the tenth, no list has to be kept, and nothing is left of it
 * when the VM's directory goes.
 *
 * The client's key is the person's: the one that the setting defaults.ssh_key_path names, else
 * ssh/id_ed25519 in the state directory, or, under sudo, in their own home.  It is authorized anew for
 * each connection, through the agent, so it can change at any time.
 */
#ifndef BANGER_GUEST_SSH_KEY_H
#define BANGER_GUEST_SSH_KEY_H

#include "base/buf.h"
#include "base/fault.h"
#include "store/config.h"
#include "store/store.h"

/* What a VM is called in ssh: "<name>" SSH_DOMAIN. */
#define SSH_DOMAIN ".vm"

/*
 * ssh_host_key_ensure() - make the host key of VM @name in its directory @dir (borrowed), unless it
 * has one.  Lock held, or not published yet.
 */
struct fault *ssh_host_key_ensure(int dir, const char *name) MUST_CHECK;
/* ssh_host_key_read() - append the private key's text.  F_NOT_FOUND. */
struct fault *ssh_host_key_read(int dir, struct buf *out) MUST_CHECK;
/*
 * ssh_known_hosts_line() - append the line of known_hosts for host @host, from the file in @dir.
 * F_NOT_FOUND when the VM is of a banger that made no keys; F_CORRUPT.
 */
struct fault *ssh_known_hosts_line(int dir, const char *host, struct buf *out) MUST_CHECK;

struct ssh_identity {
	char *path;   /* absolute, of the private key; owned */
	char *public; /* the public key's line without its newline; owned */
};
void ssh_identity_release(struct ssh_identity *identity);
#define AUTO_SSH_IDENTITY                                                                          \
	__attribute__((cleanup(ssh_identity_release))) struct ssh_identity

/*
 * ssh_identity_get() - the client's key.  @make: make banger's own when there is none yet; else
 * *@identity stays empty.  Several processes may make it at the same time: one of them wins.
 * Return: F_NOT_FOUND, F_INVALID naming the setting when it is the user's own and cannot be read;
 * F_CORRUPT, F_SYS.
 */
struct fault *ssh_identity_get(const struct store *s, const struct config *config, bool make,
			       struct ssh_identity *identity) MUST_CHECK;

#endif
