/* SPDX-License-Identifier: MIT */
/* cmd_vm_list.c - observers: list and show.  They take no lock and write nothing. */
#include <string.h>

#include "banger/commands.h"
#include "banger/vm_select.h"
#include "base/text.h"
#include "vm/root_disk.h"
#include "vm/stats.h"
#include "vm/vm.h"

/* An operation that is under way, or was cut off. */
struct under_way {
	char *id, *verb, *stage, *since; /* NULL = none */
	uint64_t pid;			 /* by whom */
	bool interrupted;		 /* and they are gone */
	char *next;			 /* what will happen then */
};

static const struct field under_way_fields[] = {
	FIELD(struct under_way, id, FIELD_STRING),
	FIELD(struct under_way, verb, FIELD_STRING),
	FIELD(struct under_way, stage, FIELD_STRING),
	FIELD(struct under_way, since, FIELD_STRING),
	FIELD(struct under_way, pid, FIELD_U64),
	FIELD(struct under_way, interrupted, FIELD_BOOL),
	FIELD(struct under_way, next, FIELD_STRING),
};
static const struct record_type under_way_type = {
	"operation", sizeof(struct under_way), under_way_fields, ARRAY_LEN(under_way_fields), 0,
};

/* One VM as people and programs see it. */
struct view {
	char *name;
	char *id;
	char *state;
	char *operation; /* "start: vmm" while one is under way; NULL */
	struct under_way under_way;
	char *fault;	 /* why its records cannot be read; NULL */
	char *touched;	 /* when a user last used it */
	struct vm_spec spec;
	struct vm_handles handles;
	char *directory;
	char *run_directory;
	/* Of a root disk in mode dm: the file that holds what differs from the image. */
	struct maybe cow_used_bytes, cow_total_bytes, cow_used_percent;
	char *root_fault; /* why the root disk is lost or nothing is known of it; NULL */
};

static const struct field view_fields[] = {
	FIELD(struct view, name, FIELD_STRING),
	FIELD(struct view, id, FIELD_STRING),
	FIELD(struct view, state, FIELD_STRING),
	FIELD(struct view, operation, FIELD_STRING),
	FIELD_SUB(struct view, under_way, FIELD_RECORD, &under_way_type),
	FIELD(struct view, fault, FIELD_STRING),
	FIELD(struct view, touched, FIELD_STRING),
	FIELD_SUB(struct view, spec, FIELD_RECORD, &vm_spec_type),
	FIELD_SUB(struct view, handles, FIELD_RECORD, &vm_handles_type),
	FIELD(struct view, directory, FIELD_STRING),
	FIELD(struct view, run_directory, FIELD_STRING),
	FIELD(struct view, cow_used_bytes, FIELD_MAYBE),
	FIELD(struct view, cow_total_bytes, FIELD_MAYBE),
	FIELD(struct view, cow_used_percent, FIELD_MAYBE),
	FIELD(struct view, root_fault, FIELD_STRING),
};

static const struct record_type view_type = {
	"vm", sizeof(struct view), view_fields, ARRAY_LEN(view_fields), 0,
};

static char *copy_or_null(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

/* What becomes of an operation that was cut off.  Owned. */
static char *what_next(const struct vm *vm, const struct vm_op *op, bool running)
{
	if (!running)
		return xasprintf("the next command for it, or 'banger gc', clears what it left");
	if (!strcmp(op->verb, "start"))
		return xasprintf("'banger vm start %s' completes it, and so does 'banger gc'",
				 vm->dir.name);
	return xasprintf("the VM runs on; give the command again, or 'banger gc' forgets it");
}

static void fill_operation(const struct vm *vm, struct view *v)
{
	struct under_way *u = &v->under_way;
	struct vm_op op = { 0 };
	AUTO_FAULT none = vm_op_read(&vm->dir, &op);
	AUTO_FD alive = -1;

	if (!none && op.verb) {
		fault_free(process_open(&op.by, &alive));
		u->interrupted = alive < 0;
		u->id = copy_or_null(op.id);
		u->verb = xstrdup(op.verb);
		u->stage = copy_or_null(op.stage);
		u->since = copy_or_null(op.since);
		u->pid = op.by.pid;
		if (u->interrupted)
			u->next = what_next(vm, &op, !strcmp(v->state, "running"));
		v->operation = xasprintf("%s: %s%s", op.verb, op.stage ? op.stage : "?",
					 u->interrupted ? " (interrupted)" : "");
	}
	record_release(&vm_op_type, &op);
}

static void fill_view(const struct vm *vm, const char *state, struct view *v)
{
	time_t used = vm_last_used(vm);

	*v = (struct view){
		.name = xstrdup(vm->dir.name),
		.id = copy_or_null(vm->spec.id),
		.state = xstrdup(state),
		.fault = vm->spec_fault ? xstrdup(fault_message(vm->spec_fault)) : NULL,
		.directory = xstrdup(vm->dir.path),
		.run_directory = copy_or_null(vm->run_dir),
	};
	fill_operation(vm, v);
	if (used)
		v->touched = text_time(used);
}

/* The records are taken over, not copied: there may be a thousand of them. */
static void take_records(struct vm *vm, struct view *v)
{
	v->spec = vm->spec;
	v->handles = vm->handles;
	vm->spec = (struct vm_spec){ 0 };
	vm->handles = (struct vm_handles){ 0 };
}

static struct fault *collect(struct invocation *inv, const struct vm_select *select,
			     struct records *views)
{
	struct strings names;

	*views = (struct records){ 0 };
	TRY(store_names(&inv->store, COLLECTION_VMS, &names));
	for (size_t i = 0; i < names.n; i++) {
		AUTO_VM vm = VM_INIT;
		AUTO_FAULT f = vm_open(&inv->store, &inv->config, names.v[i], &vm);

		const char *state = f ? NULL : vm_state_name(vm_state(&vm));

		if (!f && vm_select_fits(select, state, &vm.spec)) {
			struct view *v = records_add(views, sizeof(*v));

			fill_view(&vm, state, v);
			take_records(&vm, v);
		}
	}
	strings_release(&names);
	return NULL;
}

static void add_age(struct table *t, const char *created)
{
	AUTO_FREE char *age = NULL;
	time_t when;

	if (created && text_parse_time(created, &when)) {
		age = text_age((int64_t)(time(NULL) - when));
		table_cellf(t, "%s ago", age);
	} else {
		table_cell(t, NULL);
	}
}

static void add_labels(struct table *t, const struct view *v)
{
	AUTO_BUF text = BUF_INIT;

	for (size_t i = 0; i < v->spec.labels.n; i++)
		buf_addf(&text, "%s%s", i ? "," : "", v->spec.labels.v[i]);
	table_cell(t, text.len ? text.data : NULL);
}

/* The columns that are only there when a VM has something in them. */
struct columns {
	bool address, workspaces, labels;
};

static void add_row(struct table *t, const struct view *v, const struct columns *columns)
{
	AUTO_FREE char *memory = text_size(v->spec.memory_bytes);
	AUTO_FREE char *disk = text_size(v->spec.disk_bytes);

	table_cell(t, v->name);
	if (v->fault) {
		table_cell(t, NULL);
		table_cellf(t, "%s (%s)", v->state, v->fault);
		for (int i = 0; i < 5 + columns->labels + columns->workspaces +
				    columns->address; i++)
			table_cell(t, NULL);
		return;
	}
	table_cellf(t, "%.*s", SHORT_ID_LEN, v->id);
	if (v->operation)
		table_cellf(t, "%s (%s)", v->state, v->operation);
	else
		table_cell(t, v->state);
	table_cell(t, v->spec.image);
	table_cellf(t, "%llu", (unsigned long long)v->spec.vcpu);
	table_cell(t, memory);
	table_cell(t, disk);
	add_age(t, v->spec.created);
	if (columns->address)
		table_cell(t, v->spec.address);
	if (columns->workspaces)
		table_cell(t, v->spec.workspace.source);
	if (columns->labels)
		add_labels(t, v);
}

static struct columns choose_columns(const struct records *views)
{
	const struct view *all = views->v;
	struct columns columns = { 0 };

	for (size_t i = 0; i < views->n; i++) {
		columns.address |= all[i].spec.address != NULL;
		columns.workspaces |= all[i].spec.workspace.source != NULL;
		columns.labels |= all[i].spec.labels.n != 0;
	}
	return columns;
}

static struct fault *print_list(struct invocation *inv, const struct records *views)
{
	const char *header[] = { "NAME",   "ID",   "STATE",   "IMAGE", "VCPU", "MEMORY",
				 "DISK",   "CREATED", NULL,   NULL,    NULL,    NULL };
	const struct view *all = views->v;
	struct columns columns = choose_columns(views);
	size_t n = 8;
	struct table table;

	if (inv->json)
		return print_records(&view_type, views);
	if (inv->quiet) {
		for (size_t i = 0; i < views->n; i++)
			printf("%s\n", all[i].name);
		return NULL;
	}
	if (columns.address)
		header[n++] = "ADDRESS";
	if (columns.workspaces)
		header[n++] = "WORKSPACE";
	if (columns.labels)
		header[n++] = "LABELS";
	table_init(&table, header);
	for (size_t i = 0; i < views->n; i++)
		add_row(&table, &all[i], &columns);
	return print_table(&table);
}

static void release_views(struct records *views)
{
	for (size_t i = 0; i < views->n; i++)
		record_release(&view_type, (struct view *)views->v + i);
	free(views->v);
}

/* Times newest first, everything else from A to Z; the names were in order before. */
static const char *sort_text(const struct view *v, const char *key)
{
	const char *text = !strcmp(key, "created")   ? v->spec.created
			   : !strcmp(key, "touched") ? v->touched
			   : !strcmp(key, "state")   ? v->state
			   : !strcmp(key, "image")   ? v->spec.image
						     : v->name;

	return text ? text : "";
}

static int compare(const void *a, const void *b, void *key)
{
	bool newest_first = !strcmp(key, "created") || !strcmp(key, "touched");
	int order = strcmp(sort_text(a, key), sort_text(b, key));

	if (!order)
		return strcmp(sort_text(a, "name"), sort_text(b, "name"));
	return newest_first ? -order : order;
}

static struct fault *list_run(struct invocation *inv)
{
	AUTO_FREE char *key = option_given(inv, "sort") ? xstrdup(option_value(inv, "sort")) : NULL;
	struct vm_select select;
	struct records views;
	struct fault *f;

	TRY(vm_select_from(inv, &select));
	f = collect(inv, &select, &views);
	vm_select_release(&select);
	if (f)
		return f;
	if (key && views.n)
		qsort_r(views.v, views.n, sizeof(struct view), compare, key);
	f = print_list(inv, &views);
	release_views(&views);
	return f;
}

static const struct option list_options[] = {
	VM_SELECT_OPTIONS,
	{ .letter = 's', .name = "sort", .value = "KEY", .complete = COMPLETE_WORDS,
	  .words = "name created touched state image", .preset = "name",
	  .help = "order of the list; times come newest first" },
	{ 0 },
};

const struct command command_vm_list = {
	.name = "vm list",
	.alias = "ps",
	.summary = "list all VMs and their states",
	.description = "Lists all VMs. Takes no lock and writes nothing, so it answers at once while "
		       "other commands work. A VM whose records are broken has its fault on its own "
		       "row.",
	.examples = "banger ps\tthe same, shorter\n"
		    "banger ps -f state=running,label=ci\tthose that run and have a label\n"
		    "banger vm list --json\tfor programs",
	.options = list_options,
	.flags = CMD_JSON | CMD_QUIET | CMD_NEEDS_READ,
	.run = list_run,
};

static struct fault *open_operand(struct invocation *inv, struct vm *vm)
{
	AUTO_FREE char *name = NULL;

	TRY(vm_resolve(&inv->store, inv->operands.v[0], &name));
	return vm_open(&inv->store, &inv->config, name, vm);
}

static void fill_cow(const struct vm *vm, struct view *v)
{
	struct snapshot_use use;
	AUTO_FAULT f = vm->spec_fault ? NULL : vm_cow_use(vm, &use);

	if (vm->spec_fault || (f && fault_kind(f) == F_UNSUPPORTED))
		return; /* not that kind of disk */
	if (f) {
		v->root_fault = xstrdup(fault_message(f));
		return;
	}
	if (use.invalid)
		v->root_fault = xasprintf("the root disk is lost: its changes could not be written; give "
					  "it a new one with: banger vm reset %s", vm->dir.name);
	v->cow_used_bytes = MAYBE(use.used_bytes);
	v->cow_total_bytes = MAYBE(use.total_bytes);
	v->cow_used_percent = MAYBE((use.used_bytes * 100 + use.total_bytes - 1) / use.total_bytes);
}

static struct fault *show_run(struct invocation *inv)
{
	AUTO_VM vm = VM_INIT;
	struct view v;
	struct fault *f;

	TRY(open_operand(inv, &vm));
	fill_view(&vm, vm_state_name(vm_state(&vm)), &v);
	fill_cow(&vm, &v);
	take_records(&vm, &v);
	f = print_record(&view_type, &v);
	record_release(&view_type, &v);
	return f;
}

const struct command command_vm_show = {
	.name = "vm show",
	.summary = "print everything known of a VM as JSON",
	.operands = "NAME",
	.description = "Prints the VM's records, its state, the operation under way, or cut off, with its "
		       "stage, since when, by whom and what will happen next, and where its files are, as JSON. Takes no lock and writes nothing.",
	.min_operands = 1,
	.max_operands = 1,
	.complete = COMPLETE_VM,
	.flags = CMD_JSON | CMD_NEEDS_READ,
	.run = show_run,
};
