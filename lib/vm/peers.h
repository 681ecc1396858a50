/* SPDX-License-Identifier: MIT */
/*
 * peers.h - guests that may talk to each other (--peers) know each other's names.
 *
 * A guest is told all of them at its start, in the seed.  Later changes are sent to the guests that run:
 * the whole list each time, made and sent under locks/peers.lock, so that the last one that a guest gets is
 * the newest.  A guest that cannot be reached then is marked, and told when somebody next connects to it.
 *
 * VMs that do not run are in the list as well: their addresses are theirs until they are deleted.
 */
#ifndef BANGER_VM_PEERS_H
#define BANGER_VM_PEERS_H

#include "vm/vm.h"

/* peers_list() - "ADDRESS NAME" of every VM that @vm may talk to, in order of names. */
struct fault *peers_list(const struct vm *vm, struct strings *out) MUST_CHECK;

/*
 * peers_announce() - tell the running ones that peer @name is there now, or no longer, or another one.
 * Best effort: what fails is only logged.  No lock of another VM than @name may be held.
 */
void peers_announce(const struct store *s, const struct config *config, const char *name);

/*
 * peers_catch_up() - send @vm, to which @g is a connection, the list if it missed one.
 * Return: false when it failed, and @g can only be closed.
 */
bool peers_catch_up(const struct vm *vm, struct guest *g);

#endif
