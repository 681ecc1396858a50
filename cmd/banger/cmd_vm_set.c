/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "banger/commands.h"
#include "banger/crowd.h"
#include "vm/set.h"

static struct fault *act_set(struct target *t, struct vm *vm)
{
	return vm_change(vm, t->context, &t->outcome);
}

static struct fault *set_run(struct invocation *inv)
{
	size_t n_labels = 0, n_ports = 0;
	AUTO_FREE const char **ports = option_values(inv, "publish", &n_ports);
	AUTO_FREE const char **labels = option_values(inv, "label", &n_labels);
	struct vm_change change = {
		.vcpu = option_number(inv, "vcpu", 0),
		.memory_bytes = option_number(inv, "memory", 0),
		.disk_bytes = option_number(inv, "disk-size", 0),
		.labels = labels,
		.n_labels = n_labels,
		.ports = ports,
		.n_ports = n_ports,
		.no_ports = option_given(inv, "no-publish"),
		.auto_stop = option_value(inv, "auto-stop"),
		.ttl = option_value(inv, "ttl"),
		.nat = option_given(inv, "nat"),
		.no_nat = option_given(inv, "no-nat"),
	};
	struct crowd crowd;
	struct fault *f;

	if (!change.vcpu && !change.memory_bytes && !change.disk_bytes && !n_labels &&
	    !n_ports && !change.no_ports && !change.auto_stop && !change.ttl && !change.nat &&
	    !change.no_nat)
		return fault_new(F_USAGE, "nothing to change was given");
	if (n_ports && change.no_ports)
		return fault_new(F_USAGE, "--publish and --no-publish do not go together");
	TRY(crowd_run(inv, &(struct target){ .inv = inv, .act = act_set, .verb = "set",
					     .context = &change }, false, &crowd));
	f = crowd_faults(&crowd, true);
	crowd_release(&crowd);
	return f;
}

static const struct option set_options[] = {
	{ .name = "vcpu", .value = "N", .type = OPTION_COUNT, .min = 1, .max = 64,
	  .help = "number of virtual CPUs; the VM must be stopped" },
	{ .name = "memory", .value = "SIZE", .type = OPTION_SIZE,
	  .help = "memory of the VM; the VM must be stopped" },
	{ .name = "disk-size", .value = "SIZE", .type = OPTION_SIZE,
	  .help = "size of the work disk at /root, which only grows; at once in a running VM" },
	{ .name = "label", .value = "KEY=VALUE", .repeat = true,
	  .help = "set a label; KEY- removes one" },
	{ .letter = 'p', .name = "publish", .value = "[BIND:]HOSTPORT:GUESTPORT", .repeat = true,
	  .help = "forward these TCP ports of this host and no others; the VM must be stopped" },
	{ .name = "no-publish", .help = "forward none any more; the VM must be stopped" },
	{ .name = "auto-stop", .value = "DURATION", .type = OPTION_DURATION,
	  .help = "let the watcher stop the VM when it was idle for so long; 0 = never" },
	{ .name = "ttl", .value = "DURATION", .type = OPTION_DURATION,
	  .help = "let the watcher stop the VM so long after its start; 0 = no limit" },
	{ .name = "nat", .help = "let a VM on the bridge out through this host, at once" },
	{ .name = "no-nat", .help = "do not let it out any more, at once" },
	{ 0 },
};

const struct command command_vm_set = {
	.name = "vm set",
	.summary = "change CPUs, memory, disk, ports, labels, NAT of VMs",
	.operands = "NAME...",
	.description =
		"Changes what VMs are. CPUs, memory and ports need a VM that is stopped. Labels and time limits "
		"change at once, and so does the size of the work disk: its file grows first and then, "
		"through the agent in the guest, the file system; a guest whose agent does not answer "
		"finds the larger file system after its next start. A disk never shrinks.\n\n"
		"Several VMs are worked on side by side; one that fails does not stop the others, and "
		"the exit status is then 1.",
	.examples = "banger vm set web --disk-size 20G\tmore room, at once\n"
		    "banger vm set a b --label team=blue --label old-\tset one label, remove another\n"
		    "banger vm set ci --auto-stop 2h --ttl 8h\tfor the watcher",
	.options = set_options,
	.min_operands = 1,
	.max_operands = -1,
	.complete = COMPLETE_VM,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = set_run,
};
