/* SPDX-License-Identifier: MIT */
/* cmd_kernel.c - banger kernel import, pull, list, show, delete. */
#include "banger/commands.h"
#include "base/text.h"
#include "kernel/kernel.h"
#include "store/catalog.h"

/* What a script wants of a command that made something: its name. */
static struct fault *print_name(const struct invocation *inv, const char *name)
{
	struct kernel_record record;
	AUTO_FREE char *line = xasprintf("%s\n", name);
	struct fault *f;

	if (!inv->json)
		return print_text(line);
	TRY(kernel_load(&inv->store, name, &record));
	f = print_record(&kernel_record_type, &record);
	record_release(&kernel_record_type, &record);
	return f;
}

/* -------------------------------------------------------------------------------- import */

static struct fault *import_run(struct invocation *inv)
{
	const struct kernel_import import = {
		.name = option_value(inv, "name"),
		.source = inv->operands.v[0],
		.modules = option_value(inv, "modules"),
		.replace = option_given(inv, "force"),
	};
	AUTO_FREE char *name = NULL;

	TRY(kernel_import(&inv->store, &import, &inv->progress, &name));
	progress_end(&inv->progress);
	return print_name(inv, name);
}

static const struct option import_options[] = {
	{ .letter = 'n', .name = "name", .value = "NAME",
	  .help = "what to call it (default: the kernel's release)" },
	{ .letter = 'm', .name = "modules", .value = "DIR", .complete = COMPLETE_DIRECTORY,
	  .help = "module tree of a kernel file, or a directory that holds one" },
	{ .letter = 'f', .name = "force", .help = "replace a kernel of the same name" },
	{ 0 },
};

const struct command command_kernel_import = {
	.name = "kernel import",
	.summary = "make a kernel from a package, a directory or a file",
	.operands = "SOURCE",
	.description =
		"SOURCE is a Debian kernel package (.deb); or a directory with a kernel (vmlinuz or "
		"vmlinux, also below boot/) and its modules (lib/modules/RELEASE); or a bzImage or ELF "
		"vmlinux, with its modules named by --modules. No root is needed.\n\n"
		"The kernel is unpacked, an initial RAM disk is made with the modules that a machine "
		"needs to start, and all modules go to a read-only disk that the machines share. A "
		"kernel without the drivers that machines need is refused, with their names.",
	.examples = "banger kernel import ./linux-image-6.1.0-40-cloud-amd64_6.1.153-1_amd64.deb\t"
		    "a package\n"
		    "banger kernel import --name mine --modules ./out ./arch/x86/boot/bzImage\ta "
		    "kernel of your own, after 'make modules_install INSTALL_MOD_PATH=./out'",
	.options = import_options,
	.min_operands = 1,
	.max_operands = 1,
	.complete = COMPLETE_FILE,
	.flags = CMD_JSON | CMD_QUIET | CMD_NEEDS_WRITE,
	.run = import_run,
};

/* ---------------------------------------------------------------------------------- pull */

static struct fault *pull_run(struct invocation *inv)
{
	const char *name = inv->operands.v[0];

	TRY(kernel_pull(&inv->store, name, option_given(inv, "force"), &inv->progress));
	progress_end(&inv->progress);
	return print_name(inv, name);
}

static const struct option pull_options[] = {
	{ .letter = 'f', .name = "force", .help = "fetch it again and replace what is here" },
	{ 0 },
};

const struct command command_kernel_pull = {
	.name = "kernel pull",
	.summary = "fetch a kernel of the catalogue",
	.operands = "NAME",
	.description =
		"NAME is debian-12 or debian-13: the cloud kernel of that Debian release, security "
		"updates included. It comes from the Debian mirror that apt on this host is configured "
		"for, else from deb.debian.org. The signature of the archive is checked against "
		"Debian's keys, and every digest down to the package.",
	.examples = "banger kernel pull debian-12\tfetch the default kernel\n"
		    "banger kernel pull --force debian-12\tupdate it",
	.options = pull_options,
	.min_operands = 1,
	.max_operands = 1,
	.flags = CMD_JSON | CMD_QUIET | CMD_NEEDS_WRITE,
	.run = pull_run,
};

/* ---------------------------------------------------------------------------------- list */

/* A kernel whose record cannot be read is listed by name, with the fault on standard error. */
static void load_row(struct invocation *inv, const char *name, struct records *rows)
{
	struct kernel_record record;
	AUTO_FAULT f = kernel_load(&inv->store, name, &record);

	if (f && fault_kind(f) == F_NOT_FOUND) /* deleted since the listing */
		return;
	if (f) {
		print_fault(inv, f);
		inv->status = 1;
		return;
	}
	*(struct kernel_record *)records_add(rows, sizeof(record)) = record;
}

static struct fault *print_rows(const struct records *rows)
{
	static const char *const header[] = { "NAME",	 "RELEASE", "ARCH", "DISTRO",
					      "MODULES", "CREATED", NULL };
	const struct kernel_record *all = rows->v;
	struct table table;

	table_init(&table, header);
	for (size_t i = 0; i < rows->n; i++) {
		AUTO_FREE char *size = all[i].has_modules ? text_size(all[i].modules_bytes) : NULL;

		table_cell(&table, all[i].name);
		table_cell(&table, all[i].release);
		table_cell(&table, all[i].arch);
		table_cell(&table, all[i].distro);
		table_cell(&table, size);
		table_cell(&table, all[i].created);
	}
	return print_table(&table);
}

static struct fault *print_names(const struct strings *names)
{
	for (size_t i = 0; i < names->n; i++) {
		AUTO_FREE char *line = xasprintf("%s\n", names->v[i]);

		TRY(print_text(line));
	}
	return NULL;
}

static void release_rows(struct records *rows)
{
	struct kernel_record *all = rows->v;

	for (size_t i = 0; i < rows->n; i++)
		record_release(&kernel_record_type, &all[i]);
	free(all);
}

/* One row of kernel list --available. */
struct available_row {
	char *name, *description, *state; /* state: "pulled", "available" */
};

static const struct field available_fields[] = {
	FIELD(struct available_row, name, FIELD_STRING),
	FIELD(struct available_row, description, FIELD_STRING),
	FIELD(struct available_row, state, FIELD_STRING),
};

static const struct record_type available_type = {
	.name = "kernel",
	.size = sizeof(struct available_row),
	.fields = available_fields,
	.n_fields = ARRAY_LEN(available_fields),
};

static struct fault *print_available_rows(const struct invocation *inv, const struct records *rows)
{
	static const char *const header[] = { "NAME", "STATE", "DESCRIPTION", NULL };
	const struct available_row *all = rows->v;
	struct table table;

	if (inv->json)
		return print_records(&available_type, rows);
	table_init(&table, header);
	for (size_t i = 0; i < rows->n; i++) {
		table_cell(&table, all[i].name);
		table_cell(&table, all[i].state);
		table_cell(&table, all[i].description);
	}
	return print_table(&table);
}

static struct fault *print_available(const struct invocation *inv)
{
	AUTO_CATALOG catalog = { 0 };
	const struct catalog_entry *entries;
	struct records rows = { 0 };
	struct fault *f = NULL;

	TRY(catalog_load(&catalog));
	entries = catalog.kernels.v;
	for (size_t i = 0; i < catalog.kernels.n; i++) {
		struct available_row *row = records_add(&rows, sizeof(*row));
		AUTO_FD dir = -1;
		AUTO_FAULT absent = store_object_open(&inv->store, COLLECTION_KERNELS,
						      entries[i].name, &dir);

		*row = (struct available_row){ xstrdup(entries[i].name),
					       xstrdup(entries[i].description
							       ? entries[i].description : ""),
					       xstrdup(absent ? "available" : "pulled") };
	}
	for (size_t i = 0; !f && inv->quiet && i < rows.n; i++) {
		AUTO_FREE char *line = xasprintf("%s\n", entries[i].name);

		f = print_text(line);
	}
	if (!inv->quiet)
		f = print_available_rows(inv, &rows);
	for (size_t i = 0; i < rows.n; i++)
		record_release(&available_type, (struct available_row *)rows.v + i);
	free(rows.v);
	return f;
}

static struct fault *list_run(struct invocation *inv)
{
	struct strings names = { 0 };
	struct records rows = { 0 };
	struct fault *f;

	if (option_given(inv, "available"))
		return print_available(inv);
	TRY(store_names(&inv->store, COLLECTION_KERNELS, &names));
	if (inv->quiet) {
		f = print_names(&names);
	} else {
		for (size_t i = 0; i < names.n; i++)
			load_row(inv, names.v[i], &rows);
		f = inv->json ? print_records(&kernel_record_type, &rows) : print_rows(&rows);
	}
	release_rows(&rows);
	strings_release(&names);
	return f;
}

static const struct option list_options[] = {
	{ .name = "available", .help = "show what 'kernel pull' can fetch instead" },
	{ 0 },
};

const struct command command_kernel_list = {
	.name = "kernel list",
	.summary = "list the kernels that are here",
	.description = "One line for each kernel. With -q only the names are printed.",
	.examples = "banger kernel list\ta table\n"
		    "banger kernel list --available\twhat the catalogue has, and what of it is here",
	.options = list_options,
	.flags = CMD_JSON | CMD_QUIET | CMD_NEEDS_READ,
	.run = list_run,
};

/* ---------------------------------------------------------------------------------- show */

static struct fault *show_run(struct invocation *inv)
{
	struct kernel_record record;
	struct fault *f;

	TRY(kernel_load(&inv->store, inv->operands.v[0], &record));
	f = print_record(&kernel_record_type, &record);
	record_release(&kernel_record_type, &record);
	return f;
}

const struct command command_kernel_show = {
	.name = "kernel show",
	.summary = "print everything about a kernel as JSON",
	.operands = "NAME",
	.description = "Release, architecture, digest, sizes, and the modules of its initial RAM disk "
		       "in the order in which they are loaded.",
	.examples = "banger kernel show debian-12\tthe whole record",
	.min_operands = 1,
	.max_operands = 1,
	.complete = COMPLETE_KERNEL,
	.flags = CMD_JSON | CMD_NEEDS_READ,
	.run = show_run,
};

/* -------------------------------------------------------------------------------- delete */

static struct fault *delete_run(struct invocation *inv)
{
	struct fault *first = NULL;

	for (size_t i = 0; i < inv->operands.n; i++) {
		struct fault *f = kernel_delete(&inv->store, inv->operands.v[i]);

		first = fault_attach(first, f);
		if (f && fault_kind(f) == F_CANCELLED)
			break;
	}
	return first;
}

const struct command command_kernel_delete = {
	.name = "kernel delete",
	.summary = "remove kernels",
	.operands = "NAME...",
	.description = "A kernel that a machine uses is not removed; the message says which machine. "
		       "One failure does not stop the others.",
	.examples = "banger kernel delete debian-12\tremove one",
	.min_operands = 1,
	.max_operands = -1,
	.complete = COMPLETE_KERNEL,
	.flags = CMD_NEEDS_WRITE,
	.run = delete_run,
};
