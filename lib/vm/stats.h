/* SPDX-License-Identifier: MIT */
/*
 * stats.h - what a VM uses, seen from outside and, as far as one believes it, from inside.
 *
 * For observers: no lock, nothing is written.  A part that cannot be read is null, and `unavailable`
 * says why; that is never a fault.
 */
#ifndef BANGER_VM_STATS_H
#define BANGER_VM_STATS_H

#include "guest/report.h"
#include "vm/vm.h"

struct vm_stats_vcpu {
	uint64_t index, thread, cpu_ms;
};

struct vm_stats_disk {
	char *device; /* "root", "work", "modules" */
	uint64_t read_bytes, write_bytes, reads, writes;
};

struct vm_stats_gap {
	char *part, *reason;
};

struct vm_stats {
	char *name, *id, *state;
	char *vmm, *accel; /* NULL when it does not run */
	char *touched;	   /* when a user last used it */
	struct maybe pid, uptime_s;
	struct maybe cpu_ms;	  /* host CPU time of the VMM, all threads */
	struct maybe cpu_permille; /* of one CPU, since the former look or, without one, the start */
	uint64_t vcpus, memory_bytes; /* as configured */
	struct records vcpu_threads;  /* struct vm_stats_vcpu */
	struct maybe rss_bytes, pss_bytes;
	struct maybe root_size_bytes, root_allocated_bytes, cow_used_bytes;
	struct maybe work_size_bytes, work_allocated_bytes;
	struct records disks;		/* struct vm_stats_disk */
	struct maybe rx_bytes, tx_bytes; /* as the guest sees them */
	struct maybe io_bytes;		/* read and written by the VMM, whatever it was */
	struct guest_stats guest;
	struct records unavailable; /* struct vm_stats_gap */
	uint64_t start_ticks;	    /* of the process; not printed */
	int64_t taken_ms;	    /* monotonic; not printed */
};
extern const struct record_type vm_stats_type;

struct vm_stats_ask {
	bool guest;	/* ask the agent */
	int guest_ms;	/* how long it may take */
	bool pss;	/* costs the kernel a walk through the memory */
	int vmm_ms;	/* how long the VMM may take; 0 = do not ask */
};

/* vm_stats_take() - fill *@out, to be released with record_release(&vm_stats_type). */
void vm_stats_take(struct vm *vm, const struct vm_stats_ask *ask, struct vm_stats *out);

/* vm_stats_since() - cpu_permille of @now since @before, when both are of the same process. */
void vm_stats_since(struct vm_stats *now, const struct vm_stats *before);

/* vm_last_used() - when a user last used it, by its records and its sessions; 0 = not known. */
time_t vm_last_used(const struct vm *vm);

#endif
