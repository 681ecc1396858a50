/* SPDX-License-Identifier: MIT */
#include "banger/commands.h"
#include "base/text.h"
#include "vm/disk_use.h"

static void add_size(struct table *t, uint64_t bytes)
{
	AUTO_FREE char *text = text_size(bytes);

	table_cell(t, text);
}

static struct fault *print_rows(const struct records *rows)
{
	static const char *const header[] = { "WHAT", "COUNT", "LOGICAL", "ALLOCATED", "SHARED",
					      "RECLAIMABLE", NULL };
	const struct disk_use *all = rows->v;
	struct table table;

	table_init(&table, header);
	for (size_t i = 0; i < rows->n; i++) {
		table_cell(&table, all[i].what);
		table_cellf(&table, "%llu", (unsigned long long)all[i].count);
		add_size(&table, all[i].logical_bytes);
		add_size(&table, all[i].allocated_bytes);
		add_size(&table, all[i].shared_bytes);
		add_size(&table, all[i].reclaimable_bytes);
	}
	return print_table(&table);
}

static struct fault *df_run(struct invocation *inv)
{
	struct records rows = { 0 };
	struct fault *f = disk_use_list(&inv->store, &inv->config, &rows);

	if (!f)
		f = inv->json ? print_records(&disk_use_type, &rows) : print_rows(&rows);
	for (size_t i = 0; i < rows.n; i++)
		record_release(&disk_use_type, (struct disk_use *)rows.v + i);
	free(rows.v);
	return f;
}

const struct command command_system_df = {
	.name = "system df",
	.summary = "show what VMs, images, kernels and caches take on the disk",
	.description =
		"Shows for VMs, images, kernels and caches their sizes as programs see them, the blocks "
		"that are allocated for them, what of these is shared between files of the file system, "
		"and what could be had back: VMs that do not run, images and kernels that no VM uses, "
		"and all of the cache. Takes no lock and writes nothing.",
	.examples = "banger system df --json\tfor programs\n"
		    "banger vm prune; banger image prune\tget it back",
	.flags = CMD_JSON | CMD_NEEDS_READ,
	.run = df_run,
};
