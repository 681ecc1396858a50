/* SPDX-License-Identifier: MIT */
/*
 * proxy.h - a byte stream to a port or to the ssh server of a guest, through its agent: with every VMM
 * and without any network.
 */
#ifndef BANGER_VM_PROXY_H
#define BANGER_VM_PROXY_H

#include "vm/vm.h"

#define PROXY_SSH 0 /* as @port: the ssh server, wherever it is */

/*
 * vm_proxy() - connect @in and @out (borrowed) to @port of the guest, until one side ends it.
 * @key: PROXY_SSH: a public key to let in; NULL = none.  Waits at most @wait_ms for the agent.
 * Return: NULL; F_STATE, F_TIMEOUT, F_BUSY, F_GUEST as vm_connect(); F_UNSUPPORTED when the guest has no
 * ssh server; F_GUEST when nothing answers at the port.
 */
struct fault *vm_proxy(struct vm *vm, unsigned int port, const char *key, int in, int out,
		       int wait_ms) MUST_CHECK;

/* vm_proxy_ask() - F_UNSUPPORTED when the guest has no ssh server; the same faults otherwise. */
struct fault *vm_proxy_ask(struct vm *vm, int wait_ms) MUST_CHECK;

#endif
