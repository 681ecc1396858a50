/* SPDX-License-Identifier: MIT */
#include "banger/commands.h"
#include "banger/crowd.h"
#include "vm/ports.h"

#define AGENT_WAIT_DEFAULT "10s"
#define AGENT_WAIT_MS	   10000

static struct fault *act_ports(struct target *t, struct vm *vm)
{
	t->result = xcalloc(1, sizeof(struct records));
	return vm_ports(vm, (int)option_number(t->inv, "timeout", AGENT_WAIT_MS),
			!option_given(t->inv, "no-probe"), t->result);
}

static void add_row(struct table *t, const struct vm_port *p)
{
	AUTO_BUF addresses = BUF_INIT;

	for (size_t i = 0; i < p->addresses.n; i++)
		buf_addf(&addresses, "%s%s", i ? "," : "", p->addresses.v[i]);
	table_cell(t, p->vm);
	table_cell(t, p->protocol);
	table_cellf(t, "%llu", (unsigned long long)p->port);
	table_cell(t, addresses.data);
	table_cell(t, p->process);
	table_cell(t, p->user);
	table_cell(t, p->endpoint);
	table_cell(t, p->url);
}

static struct fault *print_ports(struct invocation *inv, const struct records *list)
{
	static const char *const header[] = { "VM", "PROTO", "PORT", "ADDRESS", "PROCESS", "USER",
					      "ENDPOINT", "URL", NULL };
	const struct vm_port *all = list->v;
	struct table table;

	if (inv->json)
		return print_records(&vm_port_type, list);
	table_init(&table, header);
	for (size_t i = 0; i < list->n; i++)
		add_row(&table, &all[i]);
	return print_table(&table);
}

static struct fault *ports_run(struct invocation *inv)
{
	struct records list = { 0 };
	struct crowd crowd;
	struct fault *f;

	TRY(crowd_run(inv, &(struct target){ .inv = inv, .act = act_ports }, false, &crowd));
	for (size_t i = 0; i < crowd.n; i++) {
		struct records *part = crowd.targets[i].result;

		for (size_t j = 0; part && j < part->n; j++)
			*(struct vm_port *)records_add(&list, sizeof(struct vm_port)) =
				((struct vm_port *)part->v)[j];
		free(part ? part->v : NULL);
		free(part);
	}
	f = crowd_faults(&crowd, false);
	if (!f)
		f = print_ports(inv, &list);
	for (size_t i = 0; i < list.n; i++)
		record_release(&vm_port_type, (struct vm_port *)list.v + i);
	free(list.v);
	crowd_release(&crowd);
	return f;
}

static const struct option ports_options[] = {
	{ .name = "no-probe", .help = "do not try which TCP ports are web servers" },
	{ .letter = 't', .name = "timeout", .value = "DURATION", .type = OPTION_DURATION,
	  .preset = AGENT_WAIT_DEFAULT, .help = "how long an agent may take to answer" },
	{ 0 },
};

const struct command command_vm_ports = {
	.name = "vm ports",
	.summary = "list what listens in the guests of VMs",
	.operands = "NAME...",
	.description =
		"Lists the TCP and UDP ports on which the guests listen, with addresses, process and "
		"user, as their agents tell. TCP ports that others than the guest itself may reach are "
		"tried with a request of one second: those that answer in HTTP or TLS are shown as URLs. "
		"Takes no lock and writes nothing.",
	.examples = "banger vm ports web\twhat listens, and the URLs\n"
		    "banger vm ports --json --no-probe web db\tfor programs",
	.options = ports_options,
	.min_operands = 1,
	.max_operands = -1,
	.complete = COMPLETE_VM,
	.flags = CMD_JSON | CMD_NEEDS_READ,
	.run = ports_run,
};
