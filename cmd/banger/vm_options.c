/* SPDX-License-Identifier: MIT */
#include "banger/vm_options.h"

#include "base/text.h"

void vm_options_read(const struct invocation *inv, struct vm_create *w)
{
	*w = (struct vm_create){
		.name = option_value(inv, "name"),
		.image = option_value(inv, "image"),
		.kernel = option_value(inv, "kernel"),
		.locked = option_value(inv, "locked"),
		.vcpu = option_number(inv, "vcpu", 0),
		.memory_bytes = option_number(inv, "memory", 0),
		.disk_bytes = option_number(inv, "disk-size", 0),
		.system_bytes = option_number(inv, "system-overlay-size", 0),
		.net = option_value(inv, "net"),
		.nat = option_given(inv, "nat"),
		.no_nat = option_given(inv, "no-nat"),
		.peers = option_given(inv, "peers"),
		.vmm = option_value(inv, "vmm"),
		.disk_mode = option_value(inv, "disk-mode"),
		.user = option_value(inv, "user"),
		.workdir = option_value(inv, "workdir"),
		.run_entrypoint = true,
	};
	w->env = option_values(inv, "env", &w->n_env);
	w->ports = option_values(inv, "publish", &w->n_ports);
	w->labels = option_values(inv, "label", &w->n_labels);
	w->auto_stop = option_value(inv, "auto-stop");
	w->ttl = option_value(inv, "ttl");
}

void vm_options_release(struct vm_create *w)
{
	free((void *)(uintptr_t)w->env);
	free((void *)(uintptr_t)w->ports);
	free((void *)(uintptr_t)w->labels);
}

void vm_options_announce(void *context, const struct vm_spec *spec)
{
	struct invocation *inv = context;
	AUTO_FREE char *memory = text_size(spec->memory_bytes);
	AUTO_FREE char *disk = text_size(spec->disk_bytes);

	progress_note(&inv->progress, "banger: %s: image %s | %llu vCPU%s | %s memory | %s work disk",
		      spec->name, spec->image, (unsigned long long)spec->vcpu,
		      spec->vcpu == 1 ? "" : "s", memory, disk);
}
