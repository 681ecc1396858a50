/* SPDX-License-Identifier: MIT */
/* cmd_vm_reset.c - a root disk as it was when the VM was made. */
#include "banger/commands.h"
#include "banger/crowd.h"
#include "vm/root_disk.h"

static struct fault *act_reset(struct target *t, struct vm *vm)
{
	TRY(vm_reset(vm, t->number));
	t->outcome = xstrdup("reset");
	return NULL;
}

static struct fault *reset_run(struct invocation *inv)
{
	struct crowd crowd;
	struct fault *f;

	TRY(crowd_run(inv, &(struct target){ .inv = inv, .act = act_reset, .verb = "reset",
					     .number = option_given(inv, "force") }, false, &crowd));
	f = crowd_faults(&crowd, true);
	crowd_release(&crowd);
	return f;
}

static const struct option reset_options[] = {
	{ .letter = 'f', .name = "force", .help = "kill a VM that is running first" },
	{ 0 },
};

const struct command command_vm_reset = {
	.name = "vm reset",
	.summary = "drop what changed on the root disks of VMs, and keep /root",
	.operands = "NAME...",
	.description =
		"Gives VMs that are stopped a new root disk, as it was when they were made: everything "
		"that was installed or changed outside of /root is gone, for good. The work disk, which "
		"is /root in the guest, stays as it is, and so do the VM's name, address, keys and "
		"settings. When the new disk cannot be made the old one stays.\n\n"
		"It is also the way back when a root disk is lost because the host's disk became full.\n\n"
		"Several VMs are worked on side by side; one that fails does not stop the others, and "
		"the exit status is then 1. NAME may be the name, the id, or the beginning of either.",
	.examples = "banger vm reset web\ta fresh system with the same /root\n"
		    "banger vm reset --force ci\talso while it runs",
	.options = reset_options,
	.min_operands = 1,
	.max_operands = -1,
	.complete = COMPLETE_VM,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = reset_run,
};
