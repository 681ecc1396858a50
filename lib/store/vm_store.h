/* SPDX-License-Identifier: MIT */
/*
 * vm_store.h - the directory of one VM: vms/<name>/.
 *
 * A VM appears by rename of a complete staging directory whose lock is already held, and goes by
 * rename to a hidden name, so no reader ever sees half of one.
 */
#ifndef BANGER_STORE_VM_STORE_H
#define BANGER_STORE_VM_STORE_H

#include "store/lock.h"
#include "store/name.h"
#include "store/store.h"
#include "store/vm_record.h"

#define VM_SPEC_FILE	"spec.json"
#define VM_HANDLES_FILE "handles.json"
#define VM_OP_FILE	"op.json"
#define VM_CONSOLE_FILE "console.log"
#define VM_CONSOLE_OLD_FILE "console.old"
#define VM_LOG_FILE	"vmm.log"
#define VM_METRICS_FILE "metrics.jsonl"
#define VM_METRICS_TOTAL_FILE "metrics.total"
#define VM_WORK_FILE	"work.ext4"
#define VM_ROOT_FILE	"root.img"
#define VM_COW_FILE	"root.cow"
#define VM_INITRD_FILE	"initrd.img"
#define VM_FORWARD_LOG	"forward.log"
/* A workspace's own lock, and the repository of what was copied in. */
#define VM_WORKSPACE_LOCK "workspace.lock"
#define VM_WORKSPACE_GIT  "workspace.git"
#define VM_HOST_KEY_FILE "ssh_host_ed25519_key"
#define VM_KNOWN_HOSTS_FILE "known_hosts"

struct vm_dir {
	char *name;	  /* owned */
	char *path;	  /* absolute, owned */
	int fd;		  /* owned */
	struct lock lock; /* held or LOCK_INIT */
	char operation[9], verb[24]; /* under way, by us: events.h; "" = none */
};
#define VM_DIR_INIT ((struct vm_dir){ NULL, NULL, -1, { -1 } })

void vm_dir_release(struct vm_dir *d);
#define AUTO_VM_DIR __attribute__((cleanup(vm_dir_release))) struct vm_dir

/* vm_dir_open() - without the lock, for observers.  F_NOT_FOUND. */
struct fault *vm_dir_open(const struct store *s, const char *name, struct vm_dir *d) MUST_CHECK;
/* vm_dir_lock() - open and lock.  F_NOT_FOUND (also when it was removed meanwhile), F_BUSY,
 * F_CANCELLED. */
struct fault *vm_dir_lock(const struct store *s, const char *name, const char *verb,
			  struct vm_dir *d) MUST_CHECK;
/* vm_dir_stage() - an empty directory for VM @name, hidden and locked.  End with
 * vm_dir_publish(), or vm_dir_discard(). */
struct fault *vm_dir_stage(const struct store *s, const char *name, struct vm_dir *d) MUST_CHECK;
/* vm_dir_publish() - the commit point of create.  F_EXISTS when the name is taken. */
struct fault *vm_dir_publish(const struct store *s, struct vm_dir *d) MUST_CHECK;
/*
 * vm_dir_discard() - remove a staged or published VM directory for good; the lock is held by @d.
 * Published ones are renamed to a hidden name first: the commit point of delete.
 */
struct fault *vm_dir_discard(const struct store *s, struct vm_dir *d) MUST_CHECK;

/*
 * vm_dir_rename() - give the directory another name; the caller holds the lock, and has written a
 * spec.json with both names.  F_EXISTS when the name is taken.
 */
struct fault *vm_dir_rename(const struct store *s, struct vm_dir *d, const char *name) MUST_CHECK;

/* Records.  Reading: F_NOT_FOUND, F_CORRUPT, F_NEWER.  Writing: caller holds the VM's lock. */
struct fault *vm_spec_read(const struct vm_dir *d, struct vm_spec *spec) MUST_CHECK;
struct fault *vm_spec_write(const struct vm_dir *d, const struct vm_spec *spec) MUST_CHECK;
struct fault *vm_handles_read(const struct vm_dir *d, struct vm_handles *handles) MUST_CHECK;
struct fault *vm_handles_write(const struct vm_dir *d, const struct vm_handles *h) MUST_CHECK;
/* vm_op_set() - note the operation under way; NULL @verb: none any more. */
struct fault *vm_op_set(const struct vm_dir *d, const char *verb, const char *stage) MUST_CHECK;
struct fault *vm_op_read(const struct vm_dir *d, struct vm_op *op) MUST_CHECK;

/* vm_run_path() - the directory for the sockets of the VM with id @id; owned. */
char *vm_run_path(const struct store *s, const char *id);

#endif
