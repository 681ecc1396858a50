/* SPDX-License-Identifier: MIT */
/*
 * forward.h - TCP ports of this host that lead to ports inside a guest.
 *
 * Theory of operation.  A forwarder is a process that listens on the host and gives each connection that
 * it accepts to a 'banger vm proxy' of its own, which carries it through the guest's agent: so it works with
 * every VMM and without a network.  The agent has GUEST_PORTS channels; FORWARD_CONNECTIONS of them may
 * be used at once, and further connections wait in the kernel's queue.
 *
 * A forwarder ends with the VM's process, which it watches.  One in the background is found again by its
 * arguments, FORWARD_OPTION and the VM's directory, and ended by teardown; that there may be one is on
 * disk (vms/<name>/forward.log) before it is started.
 */
#ifndef BANGER_VM_FORWARD_H
#define BANGER_VM_FORWARD_H

#include "vm/vm.h"

#define FORWARD_OPTION	    "--forwarder-of"
/* What one in the background prints when it listens, before its lines; else what went wrong. */
#define FORWARD_READY	    "ready\n"
#define FORWARD_CONNECTIONS 12
#define FORWARDS_MAX	    64

/*
 * forward_check() - is each of @specs "[BIND:]HOSTPORT:GUESTPORT", BIND an IPv4 address or an IPv6 address in
 * brackets, and none there twice?  Ports are 1 to 65535; HOSTPORT 0 = any, when @any_port.
 * forward_check_free() - can all of them be listened on just now?
 * Return: F_INVALID; F_BUSY naming the address that is taken; F_DENIED.
 */
struct fault *forward_check(const struct strings *specs, bool any_port) MUST_CHECK;
struct fault *forward_check_free(const struct strings *specs) MUST_CHECK;

struct forward_listener {
	/* Called once, when all are listening; @lines: "127.0.0.1:8080 -> web:80". */
	struct fault *(*ready)(void *context, const struct strings *lines);
	/* A whole sentence about something that went wrong or has to wait. */
	void (*tell)(void *context, const char *sentence);
	void *context;
};

/*
 * forward_serve() - listen and carry connections until the VM's process ends.  @vm: open, need not be locked.
 * Return: NULL when the VM has stopped; F_STATE when it does not run; F_BUSY; F_CANCELLED.  No connection is
 * left in any case.
 */
struct fault *forward_serve(const struct vm *vm, const struct strings *specs,
			    const struct forward_listener *listener) MUST_CHECK;

/*
 * forward_start() - start a forwarder in the background; returns when it listens.  @lines: out, owned, as
 * above, may be NULL.  The VM's lock is held.
 */
struct fault *forward_start(const struct vm *vm, const struct strings *specs,
			    struct strings *lines) MUST_CHECK;
/* forward_stop() - end all forwarders of the VM that run in the background.  *@n: how many. */
struct fault *forward_stop(const struct vm *vm, unsigned int *n) MUST_CHECK;

#endif
