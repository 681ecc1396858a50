/* SPDX-License-Identifier: MIT */
/* cmd_vm_life.c - start, stop, restart, kill, delete: several VMs side by side. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "banger/commands.h"
#include "banger/crowd.h"
#include "vm/workspace_export.h"

#define STOP_WAIT_DEFAULT "1m"
#define STOP_WAIT_MS	  (60 * 1000)

static struct fault *for_each(struct invocation *inv, const struct target *model)
{
	struct crowd crowd;
	struct fault *f;

	TRY(crowd_run(inv, model, false, &crowd));
	f = crowd_faults(&crowd, true);
	crowd_release(&crowd);
	return f;
}

static void set_outcome(struct target *t, const char *outcome)
{
	free(t->outcome);
	t->outcome = xstrdup(outcome);
}

/* ------------------------------------------------------------------------------------- verbs */

static struct fault *act_start(struct target *t, struct vm *vm)
{
	enum vm_started how = VM_STARTED;

	TRY(vm_start(vm, &how));
	set_outcome(t, how == VM_STARTED       ? "started"
		       : how == VM_WAS_RUNNING ? "is running already"
					       : "goes on: it had been halted");
	return NULL;
}

static int stop_wait(const struct target *t)
{
	return (int)option_number(t->inv, "timeout", STOP_WAIT_MS);
}

static const char *describe(enum vm_stopped how)
{
	return how == VM_WAS_STOPPED   ? "is stopped already"
	       : how == VM_POWERED_OFF ? "stopped"
				       : "killed";
}

static struct fault *act_stop(struct target *t, struct vm *vm)
{
	enum vm_stopped how = VM_WAS_STOPPED;

	TRY(vm_stop(vm, stop_wait(t), &how));
	set_outcome(t, how == VM_KILLED ? "stopped by force: the guest did not power off"
				      : describe(how));
	return NULL;
}

static struct fault *act_restart(struct target *t, struct vm *vm)
{
	TRY(act_stop(t, vm));
	TRY(act_start(t, vm));
	set_outcome(t, "restarted");
	return NULL;
}

static struct fault *act_kill(struct target *t, struct vm *vm)
{
	enum vm_stopped how = VM_WAS_STOPPED;

	TRY(vm_kill(vm, t->number, &how));
	set_outcome(t, describe(how));
	return NULL;
}

/* How much may be lost. */
struct consent {
	bool force;
	struct strings names; /* whose user said yes */
};

static bool is_agreed(const struct consent *c, const char *name)
{
	for (size_t i = 0; i < c->names.n; i++)
		if (!strcmp(c->names.v[i], name))
			return true;
	return c->force;
}

static struct fault *act_delete(struct target *t, struct vm *vm)
{
	if (!is_agreed(t->context, vm->dir.name))
		TRY(workspace_check_exported(vm));
	TRY(vm_delete(vm));
	set_outcome(t, "deleted");
	return NULL;
}

static struct fault *start_run(struct invocation *inv)
{
	return for_each(inv, &(struct target){ .inv = inv, .act = act_start, .verb = "start" });
}

static struct fault *stop_run(struct invocation *inv)
{
	return for_each(inv, &(struct target){ .inv = inv, .act = act_stop, .verb = "stop" });
}

static struct fault *restart_run(struct invocation *inv)
{
	return for_each(inv, &(struct target){ .inv = inv, .act = act_restart, .verb = "restart" });
}

static struct fault *kill_run(struct invocation *inv)
{
	const char *name = option_value(inv, "signal");
	int number = SIGKILL;

	if (name) {
		AUTO_FAULT f = vm_signal_number(name, &number);

		if (f)
			return fault_new(F_USAGE, "%s", fault_message(f));
	}
	return for_each(inv, &(struct target){ .inv = inv, .act = act_kill, .verb = "kill",
					       .number = number });
}

/* Only what cannot be found again is asked about; whoever says no gets the reason when it is refused. */
static void ask_about(struct invocation *inv, const char *wanted, struct consent *c)
{
	AUTO_FREE char *name = NULL;
	AUTO_VM vm = VM_INIT;
	AUTO_FAULT f = vm_resolve(&inv->store, wanted, &name);
	AUTO_FAULT loss = NULL;
	char answer[16] = "";

	if (!f)
		f = vm_open(&inv->store, &inv->config, name, &vm);
	if (f || is_agreed(c, name))
		return;
	loss = workspace_check_exported(&vm);
	if (!loss || fault_kind(loss) != F_STATE)
		return;
	fprintf(stderr, "banger: %s. Delete it with them? [y/N] ", fault_message(loss));
	if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		strings_add(&c->names, name);
}

static struct fault *delete_run(struct invocation *inv)
{
	struct consent consent = { .force = option_given(inv, "force") };
	struct fault *f;

	for (size_t i = 0; i < inv->operands.n && !consent.force && isatty(STDIN_FILENO); i++)
		ask_about(inv, inv->operands.v[i], &consent);
	f = for_each(inv, &(struct target){ .inv = inv, .act = act_delete, .verb = "delete",
					    .context = &consent });
	strings_release(&consent.names);
	return f;
}

#define LIFE_COMMAND                                                                               \
	.operands = "NAME...", .min_operands = 1, .max_operands = -1, .complete = COMPLETE_VM,     \
	.flags = CMD_QUIET | CMD_NEEDS_WRITE
#define LIFE_NOTE                                                                                  \
	" Several VMs are worked on side by side; one that fails does not stop the others, and the " \
	"exit status is then 1. NAME may be the name, the id, or the beginning of either."

static const struct option stop_options[] = {
	{ .letter = 't', .name = "timeout", .value = "DURATION", .type = OPTION_DURATION,
	  .preset = STOP_WAIT_DEFAULT, .help = "how long the guest may take to power off" },
	{ 0 },
};

static const struct option kill_options[] = {
	{ .letter = 's', .name = "signal", .value = "SIGNAL",
	  .preset = "KILL", .help = "signal for the VMM: TERM, KILL, INT, HUP, QUIT, USR1, USR2, ABRT" },
	{ 0 },
};

static const struct option delete_options[] = {
	{ .letter = 'f', .name = "force",
	  .help = "do not ask, and give up changes that were not exported" },
	{ 0 },
};

const struct command command_vm_start = {
	.name = "vm start",
	.summary = "start VMs that are stopped",
	.description = "Starts VMs with the disks that they have, without waiting for the guests to "
		       "boot. A VM that was halted because the host's disk was full goes on." LIFE_NOTE,
	LIFE_COMMAND,
	.run = start_run,
};

const struct command command_vm_stop = {
	.name = "vm stop",
	.summary = "shut VMs down",
	.description = "Asks the guest to write everything to its disks and to power off. A guest that "
		       "does not do so in time is killed, and that is said." LIFE_NOTE,
	LIFE_COMMAND,
	.options = stop_options,
	.run = stop_run,
};

const struct command command_vm_restart = {
	.name = "vm restart",
	.summary = "stop VMs and start them again",
	.description = "Stops VMs as 'vm stop' does and starts them again." LIFE_NOTE,
	LIFE_COMMAND,
	.options = stop_options,
	.run = restart_run,
};

const struct command command_vm_kill = {
	.name = "vm kill",
	.summary = "stop VMs at once, without asking their guests",
	.description = "Sends a signal to the VMM; if it is not gone soon afterwards it is killed. Use "
		       "it when 'vm stop' takes too long. What the guest had not written to its disks "
		       "is lost." LIFE_NOTE,
	LIFE_COMMAND,
	.options = kill_options,
	.run = kill_run,
};

const struct command command_vm_delete = {
	.name = "vm delete",
	.summary = "remove VMs with their disks",
	.description = "Kills VMs that are running and removes them with their disks, for good. This "
		       "works from every state, also when files of the VM are missing or broken.\n\n"
		       "A VM whose workspace has changes that 'vm workspace export' has not brought back is "
		       "asked about on a terminal and refused elsewhere, unless --force is given. A guest "
		       "that runs is asked what it has. Of one that does not run nobody can tell: it is "
		       "taken to have changes when somebody used it after the last export." LIFE_NOTE,
	LIFE_COMMAND,
	.examples = "banger vm delete web db\tboth, with their disks\n"
		    "banger vm delete --force dev\twhatever it has",
	.options = delete_options,
	.run = delete_run,
};
