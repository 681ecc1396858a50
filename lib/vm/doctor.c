/* SPDX-License-Identifier: MIT */
#include "vm/doctor.h"

#include <string.h>

#include "host/machine.h"

struct check {
	const char *name;
	void (*host)(struct check_report *r);
	void (*scene)(struct check_report *r, struct doctor_scene *s);
};

/* The order of the rows: the machine, what runs machines, what root's machines need, banger's own. */
static const struct check checks[] = {
	{ "architecture", .host = check_architecture },
	{ "kernel", .host = check_kernel },
	{ "kvm", .host = check_kvm },
	{ "nested", .host = check_nested },
	{ "clock", .host = check_clock },
	{ "vmm", .scene = doctor_vmm },
	{ "qemu", .scene = doctor_qemu },
	{ "firecracker", .scene = doctor_firecracker },
	{ "jailer", .scene = doctor_jailer },
	{ "device mapper", .host = check_device_mapper },
	{ "loop", .host = check_loop },
	{ "tun", .host = check_tun },
	{ "firewall", .scene = doctor_firewall },
	{ "forwarding", .host = check_forwarding },
	{ "cgroups", .host = check_cgroups },
	{ "favordynmods", .host = check_favordynmods },
	{ "subordinate ids", .host = check_subordinate_ids },
	{ "configuration", .scene = doctor_configuration },
	{ "state", .scene = doctor_state },
	{ "disk space", .scene = doctor_space },
	{ "reflink", .scene = doctor_reflink },
	{ "leftovers", .scene = doctor_leftovers },
	{ "default image", .scene = doctor_image },
	{ "default kernel", .scene = doctor_kernel },
	{ "default sizes", .scene = doctor_sizes },
	{ "ssh", .scene = doctor_ssh },
	{ "names", .host = check_names },
};

/* A setting that a later release has, or a program of that name. */
static const char *program(const struct config *config, const char *key, const char *name)
{
	const struct config_value *row = config_find(config, key);

	return row && *row->value ? row->value : name;
}

static void start_tools(const struct doctor *d, struct doctor_scene *s)
{
	static const char *const version[] = { "--version", NULL };
	static const char *const chains[] = { "-j", "list", "chains", NULL };

	s->qemu = doctor_tool_start(s->config.qemu_bin, version);
	s->firecracker = doctor_tool_start(program(&s->config, "vmm.firecracker_bin", "firecracker"),
					   version);
	s->jailer = doctor_tool_start(program(&s->config, "vmm.jailer_bin", "jailer"), version);
	if (d->root)
		s->nft = doctor_tool_start("nft", chains);
}

static void open_scene(const struct doctor *d, struct doctor_scene *s)
{
	s->config_fault = config_load(&s->config);
	if (s->config_fault) {
		config_release(&s->config);
		config_defaults(&s->config, machine_cpus(), machine_memory_total());
	}
	s->store = (struct store){ .dir = -1, .collections = { -1, -1, -1 }, .locks = -1 };
	s->store_fault = store_locate(d->state_dir, &s->state_path);
	if (!s->store_fault)
		s->store_fault = store_open(s->state_path, STORE_READ, &s->store);
	start_tools(d, s);
}

static void close_scene(struct doctor_scene *s)
{
	doctor_tool_free(s->qemu);
	doctor_tool_free(s->firecracker);
	doctor_tool_free(s->jailer);
	doctor_tool_free(s->nft);
	fault_free(s->config_fault);
	fault_free(s->store_fault);
	free(s->state_path);
	config_release(&s->config);
	store_release(&s->store);
}

void doctor_run(const struct doctor *d, struct check_report *report)
{
	struct doctor_scene scene = { 0 };

	*report = (struct check_report){ .repair = d->repair, .root = d->root };
	open_scene(d, &scene);
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		report->name = checks[i].name;
		if (checks[i].host)
			checks[i].host(report);
		else
			checks[i].scene(report, &scene);
	}
	close_scene(&scene);
}
