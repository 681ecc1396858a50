/* SPDX-License-Identifier: MIT */
/* firecracker.h - parts of the Firecracker driver; nobody else includes it but their tests. */
#ifndef BANGER_VMM_FIRECRACKER_H
#define BANGER_VMM_FIRECRACKER_H

#include "guest/vsock.h"
#include "vmm/vmm.h"

/* Names in the run directory. */
#define FC_API_SOCKET	"api"
#define FC_VSOCK_SOCKET GUEST_VSOCK_NAME

/* fc_version_check() - is the one that says @said on --version new enough?  F_TOOL, F_UNSUPPORTED. */
struct fault *fc_version_check(const char *said) MUST_CHECK;

/*
 * fc_clear_socket() - remove the socket that an earlier process left at @path.  F_BUSY when somebody
 * listens there; F_SYS.  VM's lock held.
 */
struct fault *fc_clear_socket(const char *path) MUST_CHECK;

/*
 * fc_metrics_read() - the disks' counters out of the metrics file at @path.  Each line has what came
 * since the line before, so all are summed; a line that is cut or broken is left out.  F_SYS.
 */
struct fault *fc_metrics_read(const char *path, struct vmm_stats *out) MUST_CHECK;

#endif
