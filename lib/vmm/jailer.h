/* SPDX-License-Identifier: MIT */
/*
 * jailer.h - Firecracker as root: each VM's process in a jail of its own, by Firecracker's jailer.
 *
 * Theory of operation.  The jail is "jail" in the VM's directory, so on the file system of its disks:
 * they, the boot archive and the log are linked into it, block devices made anew, nothing is copied.
 * Kernels that are on another file system are bound (host/bind.h).
 * The jailer makes its root the process's root, gives it a user and group that nobody else on the host
 * has, and puts it into the control group banger/<id of the jail> with limits; we make that before, so that
 * it has the state directory's tag.  The user's number
 * comes from the VM's id: 0x70000000 and 28 bits of it, a range that systemd leaves free.  What the
 * process opens it names as seen from inside; links in the run directory lead to its two sockets.
 *
 * Directories above the jail's root belong to root, so what the process may do in its own cannot
 * mislead who removes it; and that follows no link.
 */
#ifndef BANGER_VMM_JAILER_H
#define BANGER_VMM_JAILER_H

#include <sys/types.h>

#include "host/process.h"
#include "vmm/firecracker_config.h"

#define JAIL_DIR    "jail"    /* in the VM's directory */
#define JAIL_PREFIX "banger-" /* of a jail's id: then the VM's short id */
#define JAIL_GROUP  "banger"  /* parent of the control groups */

/* jailer_uid() - of the VM with @id, 32 hex digits. */
uid_t jailer_uid(const char *id);

struct jail {
	char *id;   /* owned; for --id */
	char *base; /* owned; "jail" in the VM's directory */
	uid_t uid;
	/* Owned; by the names of the inside. */
	char *disks[VMM_DISKS_MAX];
	struct fc_paths paths; /* borrows from disks */
};

/*
 * jail_make() - make the jail's root with all that @m needs in it, in the directory that holds
 * m->log_path; @program: Firecracker's.  Links to its sockets go to the run directory.
 * Return: NULL and *@jail; F_BUSY when the user's number is taken; F_STATE when a copy of the state
 * directory has the VM, too, and runs it; F_INVALID, F_SYS.
 */
struct fault *jail_make(const struct vmm_machine *m, const char *program, struct jail *jail) MUST_CHECK;
void jail_release(struct jail *jail);

/* jail_arguments() - the whole command line.  @out: zeroed, owned. */
void jail_arguments(const struct jail *jail, const struct vmm_machine *m, const char *jailer,
		    const char *program, struct strings *out);

/*
 * jail_find() - the process in the jail of the VM in directory @vm_dir.  That of another state directory's
 * VM with the same id, as when one is a copy of the other, is not found: its control group tells.
 */
struct fault *jail_find(const char *vm_dir, bool *found, struct process_id *process) MUST_CHECK;

/*
 * jail_remove() - after its process has gone: the control group, unless it is another state directory's,
 * and the jail.  @vm_dir: borrowed descriptor.  Absent is success.
 */
struct fault *jail_remove(int vm_dir) MUST_CHECK;

#endif
