/* SPDX-License-Identifier: MIT */
#include "store/config.h"

#include "base/text.h"

struct fault *config_load(struct config *config)
{
	*config = (struct config){
		.default_image = xstrdup("debian-bookworm"),
		.default_kernel = xstrdup("debian-12"),
		.vmm = xstrdup("auto"),
		.qemu_bin = xstrdup("qemu-system-x86_64"),
		.vcpu = 2,
		.memory_bytes = GIB,
		.disk_size_bytes = 8 * GIB,
		.system_overlay_bytes = 8 * GIB,
	};
	return NULL;
}

void config_release(struct config *config)
{
	free(config->default_image);
	free(config->default_kernel);
	free(config->vmm);
	free(config->qemu_bin);
	*config = (struct config){ 0 };
}
