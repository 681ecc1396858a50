/* SPDX-License-Identifier: MIT */
/* ports.h - who listens in a guest, as its agent tells.  For observers: nothing is written. */
#ifndef BANGER_VM_PORTS_H
#define BANGER_VM_PORTS_H

#include "guest/report.h"
#include "vm/vm.h"

struct vm_port {
	char *vm;
	char *protocol;		  /* "tcp", "udp" */
	uint64_t port;
	struct strings addresses; /* numeric; the same process may listen on several */
	char *process;		  /* NULL = not known */
	uint64_t pid;		  /* 0 = not known */
	char *user;
	bool local;		  /* only the guest itself can reach it */
	struct strings published; /* "127.0.0.1:8080": where this host forwards to it */
	char *endpoint;		  /* the first of these, else "web.vm:80"; NULL when local */
	char *url;		  /* "http://<endpoint>/" when it answers as a web server; else NULL */
};
extern const struct record_type vm_port_type;

/*
 * vm_ports() - the listeners of a running VM: by port, one for each protocol, port and process.
 * @probe: try HTTP and HTTPS on each TCP port.  @out: records of struct vm_port, appended to.
 * F_STATE, F_TIMEOUT, F_GUEST; F_CORRUPT when the agent's answer is none.
 */
struct fault *vm_ports(struct vm *vm, int wait_ms, bool probe, struct records *out) MUST_CHECK;

/* guest_listens() - does a TCP port of the machine listen?  @g has no command under way. */
struct fault *guest_listens(struct guest *g, unsigned int port, int wait_ms, bool *yes) MUST_CHECK;

/*
 * guest_probe() - what a TCP port says to @request: the first bytes in @reply, none when it does not
 * answer within @wait_ms.  @g must be closed afterwards.
 */
struct fault *guest_probe(struct guest *g, unsigned int port, const void *request, size_t len,
			  int wait_ms, struct buf *reply) MUST_CHECK;

#endif
