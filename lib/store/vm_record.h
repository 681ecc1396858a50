/* SPDX-License-Identifier: MIT */
/*
 * vm_record.h - the records of one VM.
 *
 * spec.json says what the VM is and what its user wants; it is never derived from the kernel.
 * handles.json says what the kernel held for it at its last start; losing it loses nothing, since
 * everything in it can be found again from the id.  op.json tells which operation is under way.
 */
#ifndef BANGER_STORE_VM_RECORD_H
#define BANGER_STORE_VM_RECORD_H

#include "base/json.h"
#include "host/process.h"

/* What was copied in from the host; state-layout.md tells how a broken copy is seen. */
struct vm_workspace {
	char *source;	  /* absolute directory on the host; NULL = there is no workspace */
	char *guest_path;
	char *mode;	  /* "shallow_overlay", "full_copy", "metadata_only" */
	char *head;	  /* the host's commit; NULL = it had none */
	char *branch;	  /* in the guest; NULL = none */
	char *base;	  /* commit in workspace.git: what the guest was given; NULL = not complete yet */
	char *incoming;	  /* commit in workspace.git: a copy under way, or one that was cut off */
	bool incoming_again; /* it began after another one that was cut off */
	char *prepared;	  /* RFC 3339 */
	char *exported;	  /* tree that was brought out last; NULL = none was */
	uint64_t settled; /* session_stamp() when nothing was unexported; 0 = not known */
	bool untracked;	  /* untracked files went along */
	bool no_submodules; /* the files of submodules did not */
	bool repository;  /* the guest was given a repository */
};

struct vm_spec {
	char *name;
	char *id;	/* 32 hex digits */
	char *created;	/* RFC 3339 */
	char *image;	/* image name */
	char *image_digest; /* manifest digest at create; NULL = the image has none */
	char *kernel;	/* kernel name */
	uint64_t vcpu;	/* 1..256 */
	uint64_t memory_bytes;
	uint64_t disk_bytes;   /* work disk, mounted at /root */
	uint64_t system_bytes; /* root disk */
	char *net;	       /* "user", "bridge", "none", "tap:..." (net/own_tap.h) */
	char *address;	       /* IPv4, leased until the VM is deleted; NULL without a bridge */
	bool nat;	       /* on the bridge: may go out through the host */
	bool peers;	       /* on the bridge: may talk to other VMs that have this */
	char *vmm;	       /* "auto", "firecracker", "qemu" */
	char *disk_mode;       /* how the root disk was made: "dm", "reflink", "qcow2", "copy" */
	struct strings env;    /* "K=V", for everything that runs in the guest */
	struct strings ports;  /* "[BIND:]HOSTPORT:GUESTPORT", forwarded while it runs */
	char *user;	       /* default user of exec; NULL = root */
	char *workdir;	       /* default directory of exec; NULL = the image's */
	bool run_entrypoint;   /* start the image's entry point where it has no init */
	char *wanted;	       /* "running", "stopped": what the last successful command wanted */
	char *last_error;      /* why the last start failed; NULL = it did not */
	char *touched;	       /* RFC 3339, last command of a user; sessions: store/session.h */
	struct strings labels; /* "K=V", sorted, each K once */
	char *auto_stop;       /* stop when idle for so long, "2h"; "0" = never; NULL = configured */
	char *renamed_from;    /* a rename under way: this name is still good; else NULL */
	char *machine_id;      /* 32 hex digits for /etc/machine-id: of a clone; NULL = the image's */
	struct vm_workspace workspace;
	struct process_id ephemeral; /* 'vm run --rm' made it: it goes when this has ended; pid 0 = it stays */
	char *ttl;	       /* stop so long after each start, "8h"; NULL = no limit */
};

struct vm_handles {
	char *id;	       /* of the VM: spec.json may be the file that is lost */
	char *run_dir;	       /* directory of the sockets: it hangs on XDG_RUNTIME_DIR */
	struct process_id vmm; /* the VMM's process */
	struct process_id console; /* what keeps the console: vm/console.h */
	char *driver;	       /* "firecracker", "qemu" */
	char *accel;	       /* "kvm", "tcg" */
	char *started;	       /* RFC 3339 */
	struct strings steps;  /* names of the start steps that were begun, in order */
};

struct vm_op {
	char *id;    /* as in events.jsonl; NULL = unknown */
	char *verb;  /* "start" */
	char *stage; /* step name */
	char *since; /* RFC 3339 */
	struct process_id by;
};

extern const struct record_type vm_spec_type;
extern const struct record_type vm_handles_type;
extern const struct record_type vm_op_type;

#endif
