/* SPDX-License-Identifier: MIT */
/*
 * vmm.h - what a virtual machine monitor must be able to do for banger.
 *
 * A driver is a table of functions over a `struct vmm_machine`, the complete description of one
 * start.  Drivers keep no state: what they need later is found again from the machine's run
 * directory, and the process by the path of its control socket.
 */
#ifndef BANGER_VMM_VMM_H
#define BANGER_VMM_VMM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "guest/client.h"
#include "host/process.h"
#include "store/config.h"
#include "store/store.h"

#define VMM_WORDS "auto firecracker qemu"
#define NET_WORDS "auto user bridge none tap:" /* the last one as in net/own_tap.h */

struct vmm_disk {
	const char *path;    /* absolute */
	const char *format;  /* "raw" or "qcow2" */
	const char *backing; /* absolute path of the raw file below a qcow2, else NULL */
	const char *serial;  /* at most 20 bytes, tells disks apart in the guest */
	bool read_only;
};

#define VMM_DISKS_MAX 3

struct vmm_net {
	enum {
		VMM_NET_NONE,
		VMM_NET_USER, /* the VMM's own user-mode network */
		VMM_NET_TAP,  /* an interface that exists */
	} kind;
	const char *mac; /* of the NIC */
	const char *tap; /* name of the interface */
};

struct vmm_machine {
	const char *name;	 /* of the VM, for the process list */
	const char *id;		 /* of the VM: 32 hex digits */
	const char *run_dir;	 /* absolute; holds the sockets, mode 0700 */
	const char *kernel_path; /* uncompressed ELF */
	const char *initrd_path;
	int console; /* borrowed: the pipe for the guest's serial console, the VMM's standard output */
	const char *log_path;	  /* the VMM's own messages */
	const char *metrics_path; /* its counters, where it writes them to a file */
	unsigned int vcpu;
	uint64_t memory_bytes;
	struct vmm_disk disks[VMM_DISKS_MAX];
	size_t n_disks;
	struct vmm_net net;
	const char *tag;  /* of the state directory (store.h); NULL = not known */
	bool virtio_mmio; /* can the guest's kernel find virtio devices without PCI? */
};

/* What probe() found: which program, how it will run the guest. */
struct vmm_choice {
	const struct vmm_driver *driver;
	char *program; /* absolute path, owned */
	char *jailer;  /* the program that jails it, owned; NULL = it runs as this user */
	bool kvm;	 /* else emulation */
	char *note;	 /* owned; one honest sentence for the user, or NULL */
};
void vmm_choice_release(struct vmm_choice *choice);

/* Counters of a running machine, as far as the driver has them. */
struct vmm_block {
	char device[16]; /* "disk0": root, "disk1": work, "disk2": modules */
	uint64_t read_bytes, write_bytes, reads, writes;
};
#define VMM_VCPUS_MAX 256
struct vmm_stats {
	struct vmm_block blocks[VMM_DISKS_MAX];
	size_t n_blocks;
	uint64_t vcpu_threads[VMM_VCPUS_MAX]; /* thread ids of the VMM's process */
	size_t n_vcpus;
};
/* Of vmm_machine.disks, as vm/step_vmm.c fills it. */
enum { VMM_DISK_ROOT, VMM_DISK_WORK, VMM_DISK_MODULES };

struct vmm_driver {
	const char *name;
	bool qcow2;    /* reads qcow2 disks */
	bool user_net; /* has a user-mode network */
	unsigned int vcpu_max; /* the most CPUs of a VM; 0 = more than banger gives it */
	bool serials;  /* disks have the serial given to them; else they are vda, vdb ... in order */
	enum guest_transport transport; /* of the agent's channel */
	/*
	 * probe() - can it run here?  @s: what programs said before is in its cache.  F_MISSING with the
	 * package to install, F_UNSUPPORTED.
	 */
	struct fault *(*probe)(const struct store *s, const struct config *config,
			       struct vmm_choice *choice);
	/*
	 * find() - the running VMM that was launched with this run directory or, when @run_dir is
	 * NULL, with this boot archive: by its arguments, when what was written down is lost.
	 */
	struct fault *(*find)(const char *run_dir, const char *initrd_path, bool *found,
			      struct process_id *process);
	/*
	 * launch() - start the VMM detached: own session, no descriptors of ours, output to
	 * log_path.  Returns when the guest is running or the VMM has failed.  *@process: out.
	 * F_TOOL with the end of its log when it ended at once.
	 */
	struct fault *(*launch)(const struct vmm_choice *choice, const struct vmm_machine *machine,
				struct process_id *process);
	/* clean() - remove what launch() made in the VM's directory @vm_dir (a borrowed descriptor) once
	 * the process has gone.  Absent is success.  NULL = nothing to do. */
	struct fault *(*clean)(int vm_dir);
	/* tidy() - now and then while it runs: keep what it writes to the VM's directory within bounds.
	 * NULL = nothing to do. */
	struct fault *(*tidy)(int vm_dir);
	/*
	 * halted() - did the VMM halt the running machine because the host had no place for what it wrote?
	 * Nothing of it is lost; resume() lets it go on.  Both wait at most @wait_ms.  NULL = the driver
	 * never does that.
	 */
	struct fault *(*halted)(const char *run_dir, int wait_ms, bool *halted);
	struct fault *(*resume)(const char *run_dir, int wait_ms);
	/* power_button() - ask the guest politely through virtual hardware. */
	struct fault *(*power_button)(const char *run_dir);
	/* stats() - ask the running VMM, waiting at most @wait_ms.  NULL = the driver cannot. */
	struct fault *(*stats)(const char *run_dir, int wait_ms, struct vmm_stats *out);
	/*
	 * grow_disk() - disk number @index of the running machine, a raw file, gets @bytes: the file
	 * grows if it is smaller, and the guest is told.  NULL = the driver cannot.
	 */
	struct fault *(*grow_disk)(const char *run_dir, size_t index, uint64_t bytes, int wait_ms);
};

extern const struct vmm_driver vmm_qemu;

extern const struct vmm_driver vmm_firecracker;

/* What a VM cannot do without. */
struct vmm_need {
	bool user_net; /* the VMM's user-mode network */
	bool qcow2;    /* its root disk is one already */
	uint64_t vcpu; /* how many CPUs */
};

/*
 * vmm_choose() - the driver for @wanted, one of VMM_WORDS, on this host: "auto" takes Firecracker where
 * its program and KVM are there and it can do what is needed, else QEMU.
 * F_UNSUPPORTED when the one that is wanted cannot do it; F_INVALID when the run directory's name is none
 * for sockets; F_MISSING and others of probe().
 */
struct fault *vmm_choose(const struct store *s, const char *wanted, const struct vmm_need *need,
			 const struct config *config, struct vmm_choice *choice) MUST_CHECK;
/* vmm_find() - a driver by the name in handles.json; QEMU's when unknown. */
const struct vmm_driver *vmm_find(const char *name);
/* vmm_find_process() - vmm_driver.find() of driver @name or, when @name is NULL, of all. */
struct fault *vmm_find_process(const char *name, const char *run_dir, const char *initrd_path,
			       bool *found, struct process_id *process) MUST_CHECK;

/* vmm_clean() - clean() of all drivers, as it may not be known any more which one it was. */
struct fault *vmm_clean(int vm_dir) MUST_CHECK;
/* Bytes of the VMM's messages, from which on only the newest MiB is kept: before it is a hole. */
#define VMM_LOG_MAX (4u << 20)
/* vmm_tidy() - tidy() of all drivers, and the log of messages. */
struct fault *vmm_tidy(int vm_dir) MUST_CHECK;
/* vmm_owner() - the user that the VMM of the VM with @id will run as: who has to own its tap. */
uid_t vmm_owner(const struct vmm_choice *choice, const char *id);

#endif
