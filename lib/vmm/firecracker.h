/* SPDX-License-Identifier: MIT */
/* firecracker.h - parts of the Firecracker driver; nobody else includes it but their tests. */
#ifndef BANGER_VMM_FIRECRACKER_H
#define BANGER_VMM_FIRECRACKER_H

#include "guest/vsock.h"
#include "store/store.h"
#include "vmm/vmm.h"

/* Names in the run directory. */
#define FC_API_SOCKET	"api"
#define FC_VSOCK_SOCKET GUEST_VSOCK_NAME

/* fc_version_check() - is the one that says @said on --version new enough?  F_TOOL, F_UNSUPPORTED. */
struct fault *fc_version_check(const char *said) MUST_CHECK;

/*
 * fc_ask_version() - append what @program says of itself, one line; @kind: "firecracker" or "jailer".  Asked
 * once for each file: what it said is kept by this process and in the state directory's cache.
 * F_SYS, F_TOOL, F_TIMEOUT.
 */
struct fault *fc_ask_version(const struct store *s, const char *kind, const char *program,
			     struct buf *said) MUST_CHECK;

/*
 * fc_clear_socket() - remove the socket that an earlier process left at @path.  F_BUSY when somebody
 * listens there; F_SYS.  VM's lock held.
 */
struct fault *fc_clear_socket(const char *path) MUST_CHECK;

/*
 * fc_metrics_read() - the disks' counters of the VM in directory @vm_dir (borrowed).  Each line of the
 * metrics file has what came since the line before, so all are summed; a line that is cut or broken is
 * left out.  F_SYS, F_UNSUPPORTED, F_CORRUPT.
 */
struct fault *fc_metrics_read(int vm_dir, struct vmm_stats *out) MUST_CHECK;

/*
 * fc_metrics_fold() - put the sum of the lines so far into the file beside it when they are many, and
 * give the room of those that were summed up before back.  One caller at a time.  No metrics: success.
 */
struct fault *fc_metrics_fold(int vm_dir) MUST_CHECK;

#endif
