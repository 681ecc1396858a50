/* SPDX-License-Identifier: MIT */
#include "banger/gc_view.h"

struct outcome {
	bool dry_run;
	struct records items; /* struct gc_item */
};

static const struct field outcome_fields[] = {
	FIELD(struct outcome, dry_run, FIELD_BOOL),
	FIELD_SUB(struct outcome, items, FIELD_RECORDS, &gc_item_type),
};
static const struct record_type outcome_type = {
	"gc", sizeof(struct outcome), outcome_fields, ARRAY_LEN(outcome_fields), 0,
};

static const char *what_came_of_it(const struct gc_item *item)
{
	return item->error ? item->error : item->done ? "done" : NULL;
}

static struct fault *print_items(const struct gc *gc)
{
	static const char *const header[] = { "KIND",	"NAME",	  "OWNER",   "STATE",
					      "ACTION", "RESULT", "REASON", NULL };
	const struct gc_item *all = gc->items.v;
	struct table table;

	if (!gc->items.n)
		return print_text("nothing to clean up\n");
	table_init(&table, header);
	for (size_t i = 0; i < gc->items.n; i++) {
		table_cell(&table, all[i].kind);
		table_cell(&table, all[i].name);
		table_cell(&table, all[i].owner);
		table_cell(&table, all[i].state);
		table_cell(&table, all[i].action);
		table_cell(&table, what_came_of_it(&all[i]));
		table_cell(&table, all[i].reason);
	}
	return print_table(&table);
}

/* What was, or would be, cleared away. */
static struct fault *print_names(const struct gc *gc)
{
	const struct gc_item *all = gc->items.v;

	for (size_t i = 0; i < gc->items.n; i++)
		if (all[i].done || (gc->dry_run && gc_wants(&all[i])))
			printf("%s\n", all[i].name);
	return NULL;
}

struct fault *gc_print(const struct invocation *inv, const struct gc *gc)
{
	struct outcome o = { gc->dry_run, gc->items };

	if (inv->json)
		return print_record(&outcome_type, &o);
	return inv->quiet ? print_names(gc) : print_items(gc);
}
