/* SPDX-License-Identifier: MIT */
/* set.h - changing what a VM is.  Its identity, image and the way it was made stay as they are. */
#ifndef BANGER_VM_SET_H
#define BANGER_VM_SET_H

#include "vm/vm.h"

struct vm_change {
	uint64_t vcpu, memory_bytes, disk_bytes; /* 0 = unchanged */
	const char *const *labels;		 /* "K=V" sets, "K-" removes */
	size_t n_labels;
	const char *auto_stop; /* duration, "0" = never; NULL = unchanged */
	const char *const *ports; /* "[BIND:]HOSTPORT:GUESTPORT", in the place of what there is */
	size_t n_ports;
	bool no_ports; /* take those that there are away */
	const char *ttl;       /* duration, "0" = no limit; NULL = unchanged */
	bool nat, no_nat;      /* neither: unchanged */
};

/*
 * vm_change() - all of it, or nothing but a larger disk.  The caller holds the VM's lock.
 * CPUs, memory and ports need a VM that does not run.  The work disk only grows, also while the VM runs: its
 * file first, then, through the agent, its file system; where no agent answers the file system grows at
 * the next start.  @outcome: out, owned, in words.
 * Return: NULL; F_STATE with what to do; F_INVALID; F_UNSUPPORTED when the VMM cannot grow disks
 * while it runs; F_TOOL, F_GUEST, F_NO_SPACE, F_SYS.
 */
struct fault *vm_change(struct vm *vm, const struct vm_change *change, char **outcome) MUST_CHECK;

#endif
