/* SPDX-License-Identifier: MIT */
/* cmd_vm_health.c - 'vm ping', 'vm health'. */
#include "banger/commands.h"
#include "banger/crowd.h"
#include "vm/health.h"

#define AGENT_WAIT_DEFAULT "5s"
#define AGENT_WAIT_MS	   5000

static int wait_of(const struct target *t)
{
	return (int)option_number(t->inv, "timeout", AGENT_WAIT_MS);
}

static struct fault *act_ping(struct target *t, struct vm *vm)
{
	uint64_t us = 0;

	TRY(vm_ping(vm, wait_of(t), &us));
	t->outcome = xasprintf("%llu.%03llu ms", (unsigned long long)(us / 1000),
			       (unsigned long long)(us % 1000));
	return NULL;
}

static struct fault *ping_run(struct invocation *inv)
{
	struct crowd crowd;
	struct fault *f;

	TRY(crowd_run(inv, &(struct target){ .inv = inv, .act = act_ping }, false, &crowd));
	f = crowd_faults(&crowd, true);
	crowd_release(&crowd);
	return f;
}

static struct fault *act_health(struct target *t, struct vm *vm)
{
	struct vm_health *health = xcalloc(1, sizeof(*health));

	vm_health(vm, wait_of(t), health);
	t->result = health;
	return NULL;
}

static void add_row(struct table *table, const struct vm_health *h)
{
	table_cell(table, h->name);
	table_cell(table, h->state);
	table_cell(table, h->healthy ? "yes" : "no");
	if (h->round_trip_us.known)
		table_cellf(table, "%llu.%03llu ms",
			    (unsigned long long)(h->round_trip_us.value / 1000),
			    (unsigned long long)(h->round_trip_us.value % 1000));
	else
		table_cell(table, NULL);
	table_cell(table, h->reason);
}

static struct fault *print_health(struct invocation *inv, const struct records *list)
{
	static const char *const header[] = { "NAME", "STATE", "HEALTHY", "AGENT", "REASON", NULL };
	const struct vm_health *all = list->v;
	struct table table;

	if (inv->json)
		return print_records(&vm_health_type, list);
	if (inv->quiet)
		return NULL;
	table_init(&table, header);
	for (size_t i = 0; i < list->n; i++)
		add_row(&table, &all[i]);
	return print_table(&table);
}

static struct fault *health_run(struct invocation *inv)
{
	struct records list = { 0 };
	struct crowd crowd;
	struct fault *f;

	TRY(crowd_run(inv, &(struct target){ .inv = inv, .act = act_health }, true, &crowd));
	for (size_t i = 0; i < crowd.n; i++) {
		struct vm_health *h = crowd.targets[i].result;

		if (!h)
			continue;
		inv->status |= !h->healthy;
		*(struct vm_health *)records_add(&list, sizeof(*h)) = *h;
		free(h);
	}
	f = list.n || !crowd.n || inv->json ? print_health(inv, &list) : NULL;
	f = fault_attach(f, crowd_faults(&crowd, false));
	for (size_t i = 0; i < list.n; i++)
		record_release(&vm_health_type, (struct vm_health *)list.v + i);
	free(list.v);
	crowd_release(&crowd);
	return f;
}

static const struct option agent_options[] = {
	{ .letter = 't', .name = "timeout", .value = "DURATION", .type = OPTION_DURATION,
	  .preset = AGENT_WAIT_DEFAULT, .help = "how long the agent may take to answer" },
	{ 0 },
};

const struct command command_vm_ping = {
	.name = "vm ping",
	.summary = "measure a round trip to the agents of VMs",
	.operands = "NAME...",
	.description = "Prints how long the agent of each VM took to answer, connecting not counted. "
		       "The exit status is 1 when one of them did not answer.",
	.examples = "banger vm ping web db\tboth at once\n"
		    "banger vm ping -q web || banger vm restart web\tfor scripts",
	.options = agent_options,
	.min_operands = 1,
	.max_operands = -1,
	.complete = COMPLETE_VM,
	.flags = CMD_QUIET | CMD_NEEDS_READ,
	.run = ping_run,
};

const struct command command_vm_health = {
	.name = "vm health",
	.summary = "tell whether VMs run and their agents answer",
	.operands = "[NAME...]",
	.description = "Lists the named VMs, or all of them, with their states, whether the agent in the "
		       "guest answers, and why not. Takes no lock and writes nothing. The exit status "
		       "is 0 when all of them are healthy and else 1.",
	.examples = "banger vm health --json\tall VMs, for programs",
	.options = agent_options,
	.min_operands = 0,
	.max_operands = -1,
	.complete = COMPLETE_VM,
	.flags = CMD_JSON | CMD_QUIET | CMD_NEEDS_READ,
	.run = health_run,
};
