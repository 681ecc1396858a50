/* SPDX-License-Identifier: MIT */
/* firecracker_config.h - what a Firecracker process is told before it starts its guest. */
#ifndef BANGER_VMM_FIRECRACKER_CONFIG_H
#define BANGER_VMM_FIRECRACKER_CONFIG_H

#include "vmm/firecracker_api.h"
#include "vmm/vmm.h"

/* The context identifier that the guest has on its own vsock: the host tells VMs apart by socket. */
#define FC_GUEST_CID 3
#define FC_VCPU_MAX  32

/* The same files under the names that Firecracker is to open them by. */
struct fc_paths {
	const char *kernel, *initrd, *metrics, *vsock;
	const char *disks[VMM_DISKS_MAX];
};

/* fc_configure() - all requests in the order of the documentation, one for each thing, so that a fault
 * names what is wrong with which path; the last one starts the guest.  Faults of fc_api_set(). */
struct fault *fc_configure(struct fc_api *api, const struct vmm_machine *m,
			   const struct fc_paths *paths) MUST_CHECK;

#endif
