/* SPDX-License-Identifier: MIT */
/*
 * vm.h - one VM: finding it, its state, and the operations of its life.
 *
 * States.  Nobody writes a state down: it is derived from what the user wanted (spec.json) and what
 * the kernel has (a process with the VM's control socket among its arguments).
 *
 *	created  never started           start, set, delete
 *	running  its VMM is there        stop, restart, kill, exec, delete (kills)
 *	stopped  its VMM is not there    start, set, delete
 *	failed   the last start failed   start, set, delete
 *
 * Every operation works on what it finds: stop of a stopped VM clears leftovers, delete works from
 * every state with any file missing or broken.
 */
#ifndef BANGER_VM_VM_H
#define BANGER_VM_VM_H

#include "base/progress.h"
#include "guest/client.h"
#include "store/config.h"
#include "store/store.h"
#include "store/vm_store.h"
#include "vmm/vmm.h"

enum vm_state { VM_CREATED, VM_RUNNING, VM_STOPPED, VM_FAILED, VM_STATES };

struct vm {
	const struct store *store;   /* borrowed */
	const struct config *config; /* borrowed */
	struct progress *progress;   /* borrowed; NULL = silent */
	struct vm_dir dir;	     /* locked in vm_lock() */
	struct vm_spec spec;	     /* zero when spec_fault is set */
	struct fault *spec_fault;    /* why spec.json cannot be used; owned; NULL = it can */
	struct vm_handles handles;   /* zero when lost */
	char *run_dir;		     /* owned; NULL = not known and not there */
	bool vmm_stays;		     /* teardown could not end the VMM */
};

void vm_release(struct vm *vm);
#define VM_INIT ((struct vm){ .dir = { .fd = -1, .lock = { -1 } } })
#define AUTO_VM __attribute__((cleanup(vm_release))) struct vm

/*
 * vm_resolve() - the name of the VM that @wanted means: exact name, exact id, then a unique prefix of
 * either, of an id at least four digits of it.  Takes no lock.  @name: out, owned.  F_NOT_FOUND,
 * F_AMBIGUOUS with the candidates.
 */
struct fault *vm_resolve(const struct store *s, const char *wanted, char **name) MUST_CHECK;

/* vm_open() - for observers: no lock, records that cannot be read are only noted. */
struct fault *vm_open(const struct store *s, const struct config *config, const char *name,
		      struct vm *vm) MUST_CHECK;
/*
 * vm_lock() - open and lock for @verb.  Broken records are only noted (spec_fault): operations
 * that need the spec call vm_need_spec().  F_NOT_FOUND, F_BUSY, F_CANCELLED.
 */
struct fault *vm_lock(const struct store *s, const struct config *config,
		      struct progress *progress, const char *name, const char *verb,
		      struct vm *vm) MUST_CHECK;
/*
 * vm_ended() - the operation on a VM that is locked has ended with @f (stolen; NULL = well): it is noted for
 * 'vm events'.  Return: @f; its message ends with the operation's id, by which 'vm events' has it, too.
 */
struct fault *vm_ended(struct vm *vm, struct fault *f) MUST_CHECK;
/* vm_need_spec() - the fault that reading spec.json gave; the VM keeps a copy. */
struct fault *vm_need_spec(struct vm *vm) MUST_CHECK;

/*
 * vm_find_process() - the VM's VMM process, by handles.json or, when that is lost or stale, by its
 * own arguments.  *@found tells; @id: out, owned, set when found.  F_SYS when it cannot be told.
 */
struct fault *vm_find_process(const struct vm *vm, bool *found, struct process_id *id) MUST_CHECK;
/* vm_owns_run_dir() - is there a run directory, and is it not that of another state directory? */
bool vm_owns_run_dir(const struct vm *vm);
enum vm_state vm_state(const struct vm *vm);
const char *vm_state_name(enum vm_state state);

/* ---------------------------------------------------------------------------- operations */

struct vm_create {
	const char *name;   /* NULL = generated */
	const char *image;  /* NULL = the configuration's */
	const char *kernel; /* NULL = the image's, else the configuration's */
	const char *locked; /* lock file that image and kernel must agree with; NULL = none */
	uint64_t vcpu, memory_bytes, disk_bytes, system_bytes; /* 0 = the configuration's */
	const char *net;       /* NULL = the configuration's */
	bool nat, no_nat;      /* neither: the configuration's */
	bool peers;
	const char *vmm;       /* NULL = the configuration's */
	const char *disk_mode; /* NULL = "auto" */
	const char *const *env;
	size_t n_env;
	const char *const *ports; /* "[BIND:]HOSTPORT:GUESTPORT" */
	size_t n_ports;
	const char *user, *workdir;
	bool run_entrypoint;
	const char *const *labels; /* "K=V" */
	size_t n_labels;
	const char *auto_stop, *ttl; /* durations as text; NULL = none of its own */
	bool ephemeral; /* it is to go when this process has ended, however that ends */
};

/*
 * vm_create() - check everything that can be checked, fetch image and kernel when they are missing,
 * then make the VM.  @announce: called once before anything is made, with what will be made; may be
 * NULL.  @name: out, owned.
 * Return: NULL; F_INVALID, F_EXISTS, F_NOT_FOUND, F_MISSING, F_UNSUPPORTED, F_NO_SPACE ...  Nothing
 * is left behind by a failure but the images and kernels that were fetched.
 */
struct fault *vm_create(const struct store *s, const struct config *config,
			struct progress *progress, const struct vm_create *wanted,
			void (*announce)(void *context, const struct vm_spec *spec), void *context,
			char **name) MUST_CHECK;

/* vm_create_goes_out() - will a guest made so reach more than this host?  A guess: nothing is checked. */
bool vm_create_goes_out(const struct config *config, const struct vm_create *wanted);
/* vm_draw_id() - a new id whose beginning no other VM has. */
struct fault *vm_draw_id(const struct store *s, struct vm_spec *spec) MUST_CHECK;
/* vm_sizes_check() - CPUs, memory and disks are in range on this host.  F_INVALID. */
struct fault *vm_sizes_check(const struct vm_spec *spec) MUST_CHECK;

/*
 * vm_is_halted() - did the VMM halt the running VM because the host had no place for what it wrote to its
 * disks?  Asks the VMM, waiting at most 2 s; false when it cannot be known.  No lock needed.
 */
bool vm_is_halted(const struct vm *vm);

enum vm_started { VM_STARTED, VM_WAS_RUNNING, VM_RESUMED /* it was halted, see vm_is_halted() */ };
/*
 * vm_start() - start a VM that is locked.  Running already is success; one that is halted goes on.
 * F_MISSING, F_UNSUPPORTED found before anything is made; F_TOOL with what the VMM said.  On any
 * fault everything is undone and the reason is kept in spec.last_error.
 */
struct fault *vm_start(struct vm *vm, enum vm_started *how) MUST_CHECK;

/* vm_claim_address() - lease an address for a VM in the making, if its network is a bridge. */
struct fault *vm_claim_address(const struct store *s, const struct config *config,
			       struct vm_spec *spec) MUST_CHECK;
/* vm_filter() - set the rules of a VM that runs on the bridge anew, with @nat. Lock held. */
struct fault *vm_filter(struct vm *vm, bool nat) MUST_CHECK;
/* vm_release_address() - give it up: the VM was not made, or is gone. */
struct fault *vm_release_address(const struct store *s, const struct vm_spec *spec) MUST_CHECK;

enum vm_stopped { VM_WAS_STOPPED, VM_POWERED_OFF, VM_KILLED };

/*
 * vm_stop() - agent syncs and powers off; after @timeout_ms, or at once when no agent answers, the
 * VMM is killed.  *@how tells which.  All leftovers are cleared in every case.
 */
struct fault *vm_stop(struct vm *vm, int timeout_ms, enum vm_stopped *how) MUST_CHECK;
/* vm_kill() - send @number to the VMM, and SIGKILL if it is not gone soon; clear leftovers. */
struct fault *vm_kill(struct vm *vm, int number, enum vm_stopped *how) MUST_CHECK;
/* vm_delete() - kill, clear leftovers and remove the directory.  @vm is released by it. */
struct fault *vm_delete(struct vm *vm) MUST_CHECK;

/*
 * vm_is_orphan() - was it made for a process ('vm run --rm') that has surely ended?  `banger gc` and
 * 'vm prune' remove it then.
 */
bool vm_is_orphan(const struct vm *vm);
/* vm_keep() - it stays, whatever becomes of that process.  Lock held. */
struct fault *vm_keep(struct vm *vm) MUST_CHECK;

/* vm_guest_address() - where a running VM's agent is; borrows from @vm. */
struct guest_address vm_guest_address(const struct vm *vm);

/* vm_touch() - note that a user used the VM just now. Lock held. */
struct fault *vm_touch(struct vm *vm) MUST_CHECK;

/*
 * vm_connect() - reach the agent of a running VM, waiting at most @wait_ms (the guest may be
 * booting).  No lock needed.  F_STATE when it is not running, or is halted; F_TIMEOUT and F_GUEST with
 * a hint at the log.
 */
struct fault *vm_connect(struct vm *vm, int wait_ms, struct guest **guest) MUST_CHECK;
/* vm_reach() - the same for observers: the guest is not told what it missed (vm/peers.h). */
struct fault *vm_reach(struct vm *vm, int wait_ms, struct guest **guest) MUST_CHECK;

/*
 * vm_explain() - the reason of a guest that went away or is silent, F_GUEST, when there is one: F_STATE
 * when it is halted (vm_is_halted()), the agent's end when the machine runs on, else a panic on its
 * console is added.
 */
struct fault *vm_explain(const struct vm *vm, struct fault *f) MUST_CHECK;

/* vm_teardown() - undo every start step, whatever is there; never stops early. Lock held. */
struct fault *vm_teardown(struct vm *vm) MUST_CHECK;

/* vm_signal_number() - "TERM", "sigkill" ... of the eight that kill accepts.  F_INVALID. */
struct fault *vm_signal_number(const char *name, int *number) MUST_CHECK;

#endif
