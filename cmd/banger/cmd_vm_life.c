/* SPDX-License-Identifier: MIT */
/* cmd_vm_life.c - start, stop, restart, kill, delete: several VMs side by side. */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "banger/commands.h"
#include "vm/vm.h"

#define STOP_WAIT_DEFAULT "1m"
#define STOP_WAIT_MS	  (60 * 1000)
#define WORKERS_MAX	  32

/* One target: resolved before, worked on by one of several threads, printed after. */
struct target {
	struct invocation *inv;
	struct fault *(*act)(struct target *t, struct vm *vm);
	const char *verb;
	int number;	/* kill: signal */
	char *name;	/* owned; NULL = not resolved */
	const char *outcome; /* static: "started" */
	struct fault *fault; /* owned */
};

/* What the workers share. */
struct crowd {
	struct target *targets;
	size_t n;
	_Atomic size_t next;
};

static void work_on(struct target *t)
{
	struct invocation *inv = t->inv;
	struct vm vm = VM_INIT;

	if (!t->name)
		return;
	t->fault = vm_lock(&inv->store, &inv->config, NULL, t->name, t->verb, &vm);
	if (!t->fault)
		t->fault = t->act(t, &vm);
	vm_release(&vm);
}

static void *work(void *context)
{
	struct crowd *c = context;

	for (size_t i = c->next++; i < c->n; i = c->next++)
		work_on(&c->targets[i]);
	return NULL;
}

static bool is_duplicate(const struct target *targets, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (targets[i].name && !strcmp(targets[i].name, name))
			return true;
	return false;
}

/* Operands to targets: resolved first, all of them, duplicates folded. */
static size_t resolve_all(struct invocation *inv, const struct target *model,
			  struct target *targets)
{
	size_t n = 0;

	for (size_t i = 0; i < inv->operands.n; i++) {
		AUTO_FREE char *name = NULL;
		struct fault *f = vm_resolve(&inv->store, inv->operands.v[i], &name);

		if (!f && is_duplicate(targets, n, name))
			continue;
		targets[n] = *model;
		targets[n].fault = f;
		targets[n++].name = f ? NULL : steal_ptr(&name);
	}
	return n;
}

/* Some side by side: each needs about ten descriptors, and a process may have few. */
static void work_on_all(struct target *targets, size_t n)
{
	struct crowd crowd = { targets, n, 0 };
	pthread_t helpers[WORKERS_MAX];
	size_t n_helpers = 0;

	while (n_helpers + 1 < n && n_helpers < WORKERS_MAX - 1 &&
	       !pthread_create(&helpers[n_helpers], NULL, work, &crowd))
		n_helpers++;
	work(&crowd);
	for (size_t i = 0; i < n_helpers; i++)
		pthread_join(helpers[i], NULL);
}

/* The first fault of all is returned when it is the only target, so that its kind decides. */
static struct fault *print_outcomes(struct invocation *inv, struct target *targets, size_t n)
{
	struct fault *last = NULL;

	for (size_t i = 0; i < n; i++) {
		struct target *t = &targets[i];

		if (t->fault && n == 1) {
			last = steal_ptr(&t->fault);
		} else if (t->fault) {
			print_fault(inv, t->fault);
			inv->status = 1;
		} else if (!inv->quiet) {
			printf("%s: %s\n", t->name, t->outcome);
		}
		fault_free(t->fault);
		free(t->name);
	}
	return last;
}

static struct fault *for_each(struct invocation *inv, const struct target *model)
{
	struct target *targets = xcalloc(inv->operands.n, sizeof(*targets));
	size_t n = resolve_all(inv, model, targets);
	struct fault *f;

	work_on_all(targets, n);
	f = print_outcomes(inv, targets, n);
	free(targets);
	return f;
}

/* ------------------------------------------------------------------------------------- verbs */

static struct fault *act_start(struct target *t, struct vm *vm)
{
	bool already = false;

	TRY(vm_start(vm, &already));
	t->outcome = already ? "is running already" : "started";
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
	t->outcome = how == VM_KILLED ? "stopped by force: the guest did not power off"
				      : describe(how);
	return NULL;
}

static struct fault *act_restart(struct target *t, struct vm *vm)
{
	TRY(act_stop(t, vm));
	TRY(act_start(t, vm));
	t->outcome = "restarted";
	return NULL;
}

static struct fault *act_kill(struct target *t, struct vm *vm)
{
	enum vm_stopped how = VM_WAS_STOPPED;

	TRY(vm_kill(vm, t->number, &how));
	t->outcome = describe(how);
	return NULL;
}

static struct fault *act_delete(struct target *t, struct vm *vm)
{
	TRY(vm_delete(vm));
	t->outcome = "deleted";
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

static struct fault *delete_run(struct invocation *inv)
{
	return for_each(inv, &(struct target){ .inv = inv, .act = act_delete, .verb = "delete" });
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

const struct command command_vm_start = {
	.name = "vm start",
	.summary = "start VMs that are stopped",
	.description = "Starts VMs with the disks that they have, without waiting for the guests to "
		       "boot." LIFE_NOTE,
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
		       "works from every state, also when files of the VM are missing or broken." LIFE_NOTE,
	LIFE_COMMAND,
	.run = delete_run,
};
