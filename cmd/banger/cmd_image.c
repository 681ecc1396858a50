/* SPDX-License-Identifier: MIT */
#include "banger/commands.h"

#include <unistd.h>

#include "base/text.h"
#include "image/image.h"
#include "image/image_lock.h"
#include "image/platform.h"
#include "store/catalog.h"

#define USERS_SHOWN_MAX	 3
#define SOURCE_SHOWN_MAX 48 /* characters of a source in the table */

/* Print the name of what was made or removed: what scripts want. */
static struct fault *print_name(const char *name)
{
	AUTO_FREE char *line = xasprintf("%s\n", name);

	return print_text(line);
}

/* -------------------------------------------------------------------------------------- import */

static struct fault *import_run(struct invocation *inv)
{
	struct image_import options = {
		.source = inv->operands.v[0],
		.name = option_value(inv, "name"),
		.size_bytes = option_number(inv, "size", 0),
		.force = option_given(inv, "force"),
		.input = STDIN_FILENO,
		.progress = &inv->progress,
	};
	AUTO_FREE char *name = NULL;

	TRY(image_import(&inv->store, &options, &name));
	return print_name(name);
}

#define SIZE_LEAST (UINT64_C(4) << 20)
#define SIZE_MOST  (UINT64_C(16) << 40)

static const struct option import_options[] = {
	{ 0, "name", "NAME", "call the image NAME (default: from the source)" },
	{ 0, "size", "SIZE", "size of the root file system; what is not used takes no space",
	  .type = OPTION_SIZE, .min = SIZE_LEAST, .max = SIZE_MOST,
	  .preset = "8 times the source, at least 8G" },
	{ 'f', "force", NULL, "replace an image of the same name" },
	{ 0 },
};

const struct command command_image_import = {
	.name = "image import",
	.summary = "make an image from an archive, a directory or a file system",
	.operands = "SOURCE[:TAG]",
	.description =
		"SOURCE is a tar archive (plain or compressed with gzip, zstd, xz, bzip2, lz4), a "
		"directory, an OCI image layout (a directory or a tar), a docker-save archive or an "
		"ext4 file; '-' reads standard input. Its content decides, not its name. When it "
		"holds several images, TAG chooses one.\n\n"
		"The layers of a container image are merged and written straight into a new file "
		"system, with owners, modes, times, links, devices and capabilities; this needs no "
		"root. Every layer is checked against its digest before the image appears. The "
		"image's environment, entry point, command, user and working directory are kept.",
	.examples = "banger image import ./app.tar\timport an archive as image 'app'\n"
		    "docker save app | banger image import --name app -\ttake over an image of docker\n"
		    "banger image import ./layout:1.2\tone of several images of an OCI layout\n"
		    "banger image import --name tree ./directory\ta directory as a root file system",
	.options = import_options,
	.min_operands = 1,
	.max_operands = 1,
	.complete = COMPLETE_FILE,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = import_run,
};

/* ---------------------------------------------------------------------------------------- pull */

static struct fault *find_digest(const struct invocation *inv, struct image_locks *locks,
				 const char **digest)
{
	AUTO_PLATFORM platform = { 0 };

	TRY(platform_parse(option_value(inv, "platform"), &platform));
	TRY(image_locks_read(option_value(inv, "locked"), locks));
	return image_locks_digest(locks, inv->operands.v[0], platform.architecture, digest);
}

static struct fault *pull_run(struct invocation *inv)
{
	struct image_pull options = {
		.reference = inv->operands.v[0],
		.name = option_value(inv, "name"),
		.platform = option_value(inv, "platform"),
		.kernel = option_value(inv, "kernel"),
		.size_bytes = option_number(inv, "size", 0),
		.force = option_given(inv, "force"),
		.offline = option_given(inv, "offline"),
		.plain_http = option_given(inv, "plain-http"),
		.progress = &inv->progress,
	};
	AUTO_IMAGE_LOCKS locks = { 0 };
	AUTO_FREE char *name = NULL;

	if (option_given(inv, "locked"))
		TRY(find_digest(inv, &locks, &options.digest));
	TRY(image_pull(&inv->store, &options, &name));
	return print_name(name);
}

static const struct option pull_options[] = {
	{ 0, "name", "NAME", "call the image NAME (default: from the reference)" },
	{ 0, "platform", "OS/ARCH[/VARIANT]", "take the build for this platform",
	  .preset = "this host's" },
	{ 0, "kernel", "KERNEL", "kernel that machines of this image start with", COMPLETE_KERNEL },
	{ 0, "size", "SIZE", "size of the root file system; what is not used takes no space",
	  .type = OPTION_SIZE, .min = SIZE_LEAST, .max = SIZE_MOST,
	  .preset = "8 times the layers, at least 8G" },
	{ 'f', "force", NULL, "replace an image of the same name" },
	{ 0, "locked", "FILE", "refuse an image other than this lock file says", COMPLETE_FILE },
	{ 0, "offline", NULL, "use only what is in the cache" },
	{ 0, "plain-http", NULL, "speak to the registry without TLS" },
	{ 0 },
};

const struct command command_image_pull = {
	.name = "image pull",
	.summary = "make an image that the catalogue or a registry has",
	.operands = "REFERENCE",
	.description =
		"A name of the catalogue ('image list --available' shows it) comes first. Its Debian "
		"images are built from the package mirror that this host's apt uses, by mmdebstrap; "
		"apt checks the signatures of all packages.\n\n"
		"Everything else is an image in a registry: [HOST[:PORT]/]NAME[:TAG][@DIGEST]. "
		"'alpine' is docker.io/library/alpine:latest. Layers are downloaded side by side into "
		"a cache, checked against their digests, and written into the file system while they "
		"arrive. What is in the cache is not fetched again. A transfer that breaks off goes on "
		"where it was. Layers may be plain, or compressed with gzip or zstd; one that needs a "
		"zstd window of more than 32M is refused, because of the memory.\n\n"
		"Credentials are those of podman and docker: $REGISTRY_AUTH_FILE, "
		"$XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json and "
		"$DOCKER_CONFIG/config.json (~/.docker), credential helpers included. Registries are "
		"spoken to in HTTPS; plain HTTP is for those on this machine, and for --plain-http. "
		"Other certificates than the system's are named by $CURL_CA_BUNDLE, proxies by "
		"$https_proxy and $no_proxy.\n\n"
		"None of this needs root.",
	.examples = "banger image pull python:3.12\timage 'python-3.12' from Docker Hub\n"
		    "banger image pull --name app quay.io/org/app@sha256:...\ta certain one\n"
		    "banger image pull --platform linux/arm64 alpine\tfor another machine\n"
		    "banger image pull debian-bookworm\tbuild Debian 12",
	.options = pull_options,
	.min_operands = 1,
	.max_operands = 1,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = pull_run,
};

/* ---------------------------------------------------------------------------------------- list */

/* One row of image list --json. */
struct image_row {
	char *name, *source, *source_kind, *created, *arch, *os, *error;
	uint64_t size_bytes, disk_bytes;
	struct strings users;
};

static const struct field row_fields[] = {
	FIELD(struct image_row, name, FIELD_STRING),
	FIELD(struct image_row, size_bytes, FIELD_U64),
	FIELD(struct image_row, disk_bytes, FIELD_U64),
	FIELD(struct image_row, source, FIELD_STRING),
	FIELD(struct image_row, source_kind, FIELD_STRING),
	FIELD(struct image_row, created, FIELD_STRING),
	FIELD(struct image_row, arch, FIELD_STRING),
	FIELD(struct image_row, os, FIELD_STRING),
	FIELD(struct image_row, users, FIELD_STRINGS),
	FIELD(struct image_row, error, FIELD_STRING),
};

static const struct record_type row_type = {
	.name = "image",
	.size = sizeof(struct image_row),
	.fields = row_fields,
	.n_fields = ARRAY_LEN(row_fields),
};

/* Everything in the row is borrowed from @info: it is only printed. */
static struct image_row make_row(const struct image_info *info)
{
	return (struct image_row){
		.name = info->name,
		.source = info->record.source,
		.source_kind = info->record.source_kind,
		.created = info->record.created,
		.arch = info->record.arch,
		.os = info->record.os,
		.error = info->fault ? (char *)(uintptr_t)fault_message(info->fault) : NULL,
		.size_bytes = info->size_bytes,
		.disk_bytes = info->disk_bytes,
		.users = info->users,
	};
}

static struct fault *print_list_json(const struct records *list)
{
	AUTO_FREE struct image_row *rows = xcalloc(list->n + 1, sizeof(*rows));
	struct records all = { rows, list->n };

	for (size_t i = 0; i < list->n; i++)
		rows[i] = make_row((const struct image_info *)list->v + i);
	return print_records(&row_type, &all);
}

static void add_users(struct table *table, const struct strings *users)
{
	AUTO_BUF text = BUF_INIT;

	for (size_t i = 0; i < users->n && i < USERS_SHOWN_MAX; i++)
		buf_addf(&text, "%s%s", i ? "," : "", users->v[i]);
	if (users->n > USERS_SHOWN_MAX)
		buf_addf(&text, " and %zu more", users->n - USERS_SHOWN_MAX);
	table_cell(table, users->n ? text.data : NULL);
}

static void add_source(struct table *table, const char *source)
{
	size_t len = source ? strlen(source) : 0;

	/* Of a path the end says more, of everything else the beginning. */
	if (len > SOURCE_SHOWN_MAX && source[0] == '/')
		table_cellf(table, "...%s", source + len - SOURCE_SHOWN_MAX + 3);
	else if (len > SOURCE_SHOWN_MAX)
		table_cellf(table, "%.*s...", SOURCE_SHOWN_MAX - 3, source);
	else
		table_cell(table, source);
}

static void add_image(struct table *table, const struct image_info *info)
{
	AUTO_FREE char *size = text_size(info->size_bytes);
	AUTO_FREE char *disk = text_size(info->disk_bytes);
	AUTO_FREE char *age = info->age_seconds < 0 ? NULL : text_age(info->age_seconds);

	table_cell(table, info->name);
	table_cell(table, info->size_bytes ? size : NULL);
	table_cell(table, info->size_bytes ? disk : NULL);
	if (info->fault)
		table_cellf(table, "broken: %s", fault_message(info->fault));
	else
		add_source(table, info->record.source);
	table_cell(table, age);
	add_users(table, &info->users);
}

static struct fault *print_list(const struct invocation *inv, const struct records *list)
{
	static const char *const header[] = { "NAME", "SIZE", "DISK", "SOURCE", "AGE", "USERS",
					      NULL };
	const struct image_info *images = list->v;
	struct table table;

	if (inv->json)
		return print_list_json(list);
	if (inv->quiet) {
		for (size_t i = 0; i < list->n; i++)
			TRY(print_name(images[i].name));
		return NULL;
	}
	table_init(&table, header);
	for (size_t i = 0; i < list->n; i++)
		add_image(&table, &images[i]);
	return print_table(&table);
}

/* One row of image list --available. */
static const struct field available_fields[] = {
	FIELD(struct catalog_entry, name, FIELD_STRING),
	FIELD(struct catalog_entry, description, FIELD_STRING),
};

static const struct record_type available_type = {
	.name = "image",
	.size = sizeof(struct catalog_entry),
	.fields = available_fields,
	.n_fields = ARRAY_LEN(available_fields),
};

static struct fault *print_available(const struct invocation *inv)
{
	static const char *const header[] = { "NAME", "DESCRIPTION", NULL };
	AUTO_CATALOG catalog = { 0 };
	const struct catalog_entry *entries;
	struct table table;

	TRY(catalog_load(&catalog));
	entries = catalog.images.v;
	if (inv->json)
		return print_records(&available_type, &catalog.images);
	if (inv->quiet) {
		for (size_t i = 0; i < catalog.images.n; i++)
			TRY(print_name(entries[i].name));
		return NULL;
	}
	table_init(&table, header);
	for (size_t i = 0; i < catalog.images.n; i++) {
		table_cell(&table, entries[i].name);
		table_cell(&table, entries[i].description);
	}
	return print_table(&table);
}

static struct fault *list_run(struct invocation *inv)
{
	struct records list;
	struct fault *f;

	if (option_given(inv, "available"))
		return print_available(inv);
	TRY(image_list(&inv->store, &list));
	f = print_list(inv, &list);
	image_list_release(&list);
	return f;
}

static const struct option list_options[] = {
	{ 0, "available", NULL, "show what 'image pull' can make instead" },
	{ 0 },
};

const struct command command_image_list = {
	.name = "image list",
	.summary = "list images",
	.description =
		"SIZE is what a machine sees, DISK what the image takes on this host. USERS are the "
		"machines that were made from the image. An image whose record cannot be read is "
		"listed with the reason.",
	.examples = "banger image list\ta table\n"
		    "banger image list -q\tnames only, for scripts",
	.options = list_options,
	.flags = CMD_JSON | CMD_QUIET | CMD_NEEDS_READ,
	.run = list_run,
};

/* ---------------------------------------------------------------------------------------- show */

static struct fault *show_run(struct invocation *inv)
{
	struct image_record record = { 0 };
	AUTO_FREE char *name = NULL;
	struct fault *f;

	TRY(image_resolve(&inv->store, inv->operands.v[0], &name));
	TRY(image_load(&inv->store, name, &record));
	f = print_record(&image_record_type, &record);
	record_release(&image_record_type, &record);
	return f;
}

const struct command command_image_show = {
	.name = "image show",
	.summary = "print the record of an image as JSON",
	.operands = "NAME",
	.description = "NAME may be shortened as long as it is the only one that starts so.",
	.examples = "banger image show debian-bookworm\twhere it came from and what it holds",
	.min_operands = 1,
	.max_operands = 1,
	.complete = COMPLETE_IMAGE,
	.flags = CMD_JSON | CMD_NEEDS_READ,
	.run = show_run,
};

/* -------------------------------------------------------------------------------------- delete */

static bool is_repeated(const struct strings *names, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (!strcmp(names->v[i], names->v[index]))
			return true;
	return false;
}

static struct fault *delete_one(const struct invocation *inv, const char *wanted)
{
	AUTO_FREE char *name = NULL;

	TRY(image_resolve(&inv->store, wanted, &name));
	TRY(image_delete(&inv->store, name));
	return print_name(name);
}

static struct fault *delete_run(struct invocation *inv)
{
	for (size_t i = 0; i < inv->operands.n; i++) {
		AUTO_FAULT f = is_repeated(&inv->operands, i)
				       ? NULL
				       : delete_one(inv, inv->operands.v[i]);

		if (f && fault_kind(f) == F_CANCELLED)
			return steal_ptr(&f);
		if (!f)
			continue;
		print_fault(inv, f);
		inv->status = 1;
	}
	return NULL;
}

const struct command command_image_delete = {
	.name = "image delete",
	.summary = "delete images",
	.operands = "NAME...",
	.description =
		"An image that a machine was made from is not deleted: the machine's disk needs it. "
		"When one of several images cannot be deleted the others still are.",
	.examples = "banger image delete app\tdelete one image",
	.min_operands = 1,
	.max_operands = -1,
	.complete = COMPLETE_IMAGE,
	.flags = CMD_NEEDS_WRITE,
	.run = delete_run,
};
