/* SPDX-License-Identifier: MIT */
/* cmd_vm_clone.c - 'vm rename', 'vm clone'. */
#include "banger/commands.h"
#include "vm/clone.h"

static struct fault *with_vm(struct invocation *inv, const char *verb,
			     struct fault *(*act)(struct vm *vm, const char *name))
{
	AUTO_FREE char *name = NULL;
	AUTO_VM vm = VM_INIT;

	TRY(vm_resolve(&inv->store, inv->operands.v[0], &name));
	TRY(vm_lock(&inv->store, &inv->config, &inv->progress, name, verb, &vm));
	return vm_ended(&vm, act(&vm, inv->operands.v[1]));
}

static struct fault *rename_run(struct invocation *inv)
{
	return with_vm(inv, "rename", vm_rename);
}

static struct fault *clone_run(struct invocation *inv)
{
	AUTO_FREE char *line = xasprintf("%s\n", inv->operands.v[1]);

	TRY(with_vm(inv, "clone", vm_clone));
	return inv->quiet ? NULL : print_text(line);
}

const struct command command_vm_rename = {
	.name = "vm rename",
	.summary = "give a stopped VM another name",
	.operands = "NAME NEW",
	.description = "Renames a VM that does not run. Its id and its disks stay as they are; its host "
		       "name is the new one from the next start on.",
	.examples = "banger vm rename web web-old\tmake room for another 'web'",
	.min_operands = 2,
	.max_operands = 2,
	.complete = COMPLETE_VM,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = rename_run,
};

const struct command command_vm_clone = {
	.name = "vm clone",
	.summary = "make a VM with the disks of a stopped one",
	.operands = "NAME NEW",
	.description =
		"Makes a VM with the same disks, sizes, labels and limits as a VM that does not run. "
		"Where the file system can, the two share what neither of them changes; else what is in "
		"use is copied. The new VM has an id, addresses, ssh host keys, a host name and a "
		"machine-id of its own; a workspace goes along, with what was changed in it. It is not started.",
	.examples = "banger vm clone base job-1; banger vm start job-1\tfrom a prepared machine",
	.min_operands = 2,
	.max_operands = 2,
	.complete = COMPLETE_VM,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = clone_run,
};
