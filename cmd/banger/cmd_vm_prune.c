/* SPDX-License-Identifier: MIT */
#include "banger/commands.h"
#include "base/cancel.h"
#include "base/text.h"
#include "vm/prune.h"

struct outcome {
	bool dry_run;
	struct records vms; /* struct vm_prune_item: removed, or to be removed */
	uint64_t bytes;
};

static const struct field outcome_fields[] = {
	FIELD(struct outcome, dry_run, FIELD_BOOL),
	FIELD_SUB(struct outcome, vms, FIELD_RECORDS, &vm_prune_item_type),
	FIELD(struct outcome, bytes, FIELD_U64),
};
static const struct record_type outcome_type = {
	"prune", sizeof(struct outcome), outcome_fields, ARRAY_LEN(outcome_fields), 0,
};

static struct fault *print_candidates(const struct records *vms)
{
	static const char *const header[] = { "NAME", "STATE", "USED", "DISK", NULL };
	const struct vm_prune_item *all = vms->v;
	struct table table;

	table_init(&table, header);
	for (size_t i = 0; i < vms->n; i++) {
		AUTO_FREE char *size = text_size(all[i].bytes);

		table_cell(&table, all[i].name);
		table_cell(&table, all[i].state);
		table_cell(&table, all[i].touched);
		table_cell(&table, size);
	}
	return print_table(&table);
}

static struct fault *confirm(const struct invocation *inv, const struct records *vms)
{
	char answer[16] = "";

	if (!vms->n || option_given(inv, "dry-run") || option_given(inv, "force"))
		return NULL;
	if (!isatty(STDIN_FILENO))
		return fault_hint(fault_new(F_STATE, "%zu VM%s would be removed with %s disks, and there "
					    "is no terminal to ask on", vms->n, vms->n == 1 ? "" : "s",
					    vms->n == 1 ? "its" : "their"),
				  "Look with --dry-run, then use --force.");
	TRY(print_candidates(vms));
	printf("Remove %s with %s disks? [y/N] ", vms->n == 1 ? "it" : "them",
	       vms->n == 1 ? "its" : "their");
	fflush(stdout);
	if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		return NULL;
	return fault_new(F_STATE, "nothing was removed");
}

/* One that came into use or is locked by now stays; that is said and does not stop the rest. */
static struct fault *remove_all(struct invocation *inv, const struct vm_prune_rule *rule,
				struct outcome *o)
{
	struct vm_prune_item *all = o->vms.v;
	size_t gone = 0;
	struct fault *cut = NULL;

	for (size_t i = 0; i < o->vms.n; i++) {
		uint64_t bytes = all[i].bytes;
		AUTO_FAULT f = NULL;

		if (!cut)
			cut = cancel_check();
		if (!o->dry_run && !cut)
			f = vm_prune_remove(&inv->store, &inv->config, rule, all[i].name, &bytes);
		if (f || cut) {
			if (f)
				print_fault(inv, f);
			inv->status = 1;
			record_release(&vm_prune_item_type, &all[i]);
			continue;
		}
		all[i].bytes = bytes;
		o->bytes += bytes;
		all[gone++] = all[i];
	}
	o->vms.n = gone;
	return cut;
}

static struct fault *print_outcome(const struct invocation *inv, const struct outcome *o)
{
	AUTO_FREE char *bytes = text_size(o->bytes);
	const struct vm_prune_item *all = o->vms.v;

	if (inv->json)
		return print_record(&outcome_type, o);
	for (size_t i = 0; inv->quiet && i < o->vms.n; i++)
		printf("%s\n", all[i].name);
	if (inv->quiet)
		return NULL;
	if (o->dry_run && o->vms.n)
		TRY(print_candidates(&o->vms));
	printf("%s %s: %zu VM%s\n", o->dry_run ? "would free" : "freed", bytes, o->vms.n,
	       o->vms.n == 1 ? "" : "s");
	return NULL;
}

static struct fault *prune_run(struct invocation *inv)
{
	struct outcome o = { .dry_run = option_given(inv, "dry-run") };
	size_t n_labels = 0;
	AUTO_FREE const char **labels = option_values(inv, "label", &n_labels);
	struct vm_prune_rule rule = {
		.stale_s = option_given(inv, "stale")
				   ? (int64_t)(option_number(inv, "stale", 0) / 1000) : -1,
		.force = option_given(inv, "force"),
		.labels = labels,
		.n_labels = n_labels,
	};
	struct fault *f;

	TRY(vm_prune_find(&inv->store, &inv->config, &rule, &o.vms));
	f = confirm(inv, &o.vms);
	if (!f) {
		f = remove_all(inv, &rule, &o);
		f = fault_attach(f, print_outcome(inv, &o));
	}
	record_release(&outcome_type, &o);
	return f;
}

static const struct option prune_options[] = {
	{ .letter = 'f', .name = "force", .help = "do not ask, and give up changes that were not exported" },
	{ .name = "stale", .value = "DURATION", .type = OPTION_DURATION,
	  .help = "only VMs that nobody used for so long, and these also when they run" },
	{ .name = "label", .value = "KEY[=VALUE]", .repeat = true,
	  .help = "only VMs with this label" },
	{ .name = "dry-run", .help = "only tell what would be removed" },
	{ 0 },
};

const struct command command_vm_prune = {
	.name = "vm prune",
	.summary = "remove VMs that do not run, with their disks",
	.description =
		"Removes every VM that does not run, and tells how much of the disk that frees. With "
		"--stale only those that nobody used for so long: no run, exec, ssh, cp, forward or "
		"workspace; these are removed also when they run, but not while somebody has a session "
		"in them. A VM that a killed 'vm run --rm' has left goes in any case. Each one is looked at again under its lock, and stays "
		"without --force when its workspace has, or may have, changes that were not exported. Asks first on a terminal; "
		"elsewhere it needs --force.",
	.examples = "banger vm prune --dry-run\twhat would go, and how much that frees\n"
		    "banger vm prune -f --stale 6h --label ci\tfor cron",
	.options = prune_options,
	.flags = CMD_JSON | CMD_QUIET | CMD_NEEDS_WRITE,
	.run = prune_run,
};
