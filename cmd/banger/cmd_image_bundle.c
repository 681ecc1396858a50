/* SPDX-License-Identifier: MIT */
/* cmd_image_bundle.c - 'image bundle', 'image build'. */
#include "banger/commands.h"

#include <string.h>

#include "banger/output_file.h"
#include "base/text.h"
#include "image/build.h"
#include "image/bundle.h"
#include "image/image.h"

/* -------------------------------------------------------------------------------------- bundle */

static void add_member(struct buf *text, const char *key, const char *value)
{
	buf_adds(text, ", ");
	json_add_string(text, key);
	buf_adds(text, ": ");
	json_add_string(text, value);
}

/* A whole catalogue file with one entry. */
static struct fault *print_entry(const struct image_record *record, const char *path,
				 const struct bundle_facts *facts)
{
	AUTO_FREE char *absolute = realpath(path, NULL);
	AUTO_FREE char *url = xasprintf("file://%s", absolute ? absolute : path);
	AUTO_BUF text = BUF_INIT;

	buf_adds(&text, "{\n  \"version\": 1,\n  \"images\": [\n    {\n      \"name\": ");
	json_add_string(&text, record->name);
	buf_adds(&text, ",\n      \"description\": ");
	json_add_string(&text, record->os ? record->os : record->name);
	if (record->kernel) {
		buf_adds(&text, ",\n      \"kernel\": ");
		json_add_string(&text, record->kernel);
	}
	buf_adds(&text, ",\n      \"sources\": [\n        { \"type\": \"" SOURCE_BUNDLE "\"");
	if (record->arch)
		add_member(&text, "arch", record->arch);
	add_member(&text, "url", url);
	buf_addf(&text, ",\n          \"sha256\": \"%s\", \"size\": %llu }\n      ]\n    }\n  ]\n}\n",
		 facts->sha256, (unsigned long long)facts->size);
	return print_text(text.data);
}

static struct fault *make_bundle(struct invocation *inv, const char *name, const char *path,
				 struct bundle_facts *facts)
{
	AUTO_OUTPUT_FILE out = OUTPUT_FILE_INIT;

	TRY(output_file_open(path, &out));
	TRY(image_bundle(&inv->store, name, output_file_write, &out, &inv->progress, facts));
	return output_file_commit(&out);
}

static struct fault *bundle_run(struct invocation *inv)
{
	const char *path = option_value(inv, "output");
	struct image_record record = { 0 };
	struct bundle_facts facts = { 0 };
	AUTO_FREE char *name = NULL;
	AUTO_FREE char *size = NULL;
	struct fault *f;

	if (!path)
		return fault_new(F_USAGE, "option '--output' is needed");
	TRY(image_resolve(&inv->store, inv->operands.v[0], &name));
	TRY(image_load(&inv->store, name, &record));
	f = make_bundle(inv, name, path, &facts);
	if (!f) {
		size = text_size(facts.size);
		progress_note(&inv->progress, "banger: %s: %s, sha256:%s", path, size, facts.sha256);
		f = print_entry(&record, path, &facts);
	}
	record_release(&image_record_type, &record);
	return f;
}

static const struct option bundle_options[] = {
	{ 'o', "output", "FILE", "the file to make, such as NAME.tar.zst", COMPLETE_FILE },
	{ 0 },
};

const struct command command_image_bundle = {
	.name = "image bundle",
	.summary = "pack an image into one file that others can pull",
	.operands = "NAME",
	.description =
		"Makes a tar archive, compressed with zstd, of the image's file system and a "
		"description of it, and prints a catalogue file with one entry for it: name, address, "
		"SHA-256 and size. Put FILE on any web server, write its address into the entry, and "
		"give the entry to others as /etc/banger/catalog.d/NAME.json or "
		"~/.config/banger/catalog.d/NAME.json; 'banger image pull NAME' then fetches and checks "
		"it. The same image always gives the same file.",
	.examples = "banger image bundle app -o app.tar.zst > ~/.config/banger/catalog.d/app.json\t"
		    "pack it, and add it to your own catalogue",
	.options = bundle_options,
	.min_operands = 1,
	.max_operands = 1,
	.complete = COMPLETE_IMAGE,
	.flags = CMD_QUIET | CMD_NEEDS_READ,
	.run = bundle_run,
};

/* --------------------------------------------------------------------------------------- build */

/* "a,b" and "c" give a, b, c. */
static void add_packages(struct strings *to, const char *list)
{
	while (*list) {
		size_t len = strcspn(list, ", ");
		AUTO_FREE char *name = xstrndup(list, len);

		if (len)
			strings_add(to, name);
		list += len + (list[len] != '\0');
	}
}

static struct fault *build_run(struct invocation *inv)
{
	struct image_build build = {
		.suite = option_value(inv, "suite"),
		.name = option_value(inv, "name"),
		.size_bytes = option_number(inv, "size", 0),
		.minimal = option_given(inv, "minimal"),
		.force = option_given(inv, "force"),
		.progress = &inv->progress,
	};
	AUTO_FREE const char **lists = NULL;
	AUTO_FREE char *name = NULL;
	AUTO_FREE char *line = NULL;
	size_t n;
	struct fault *f;

	if (!build.suite)
		return fault_new(F_USAGE, "option '--suite' is needed");
	lists = option_values(inv, "include", &n);
	for (size_t i = 0; i < n; i++)
		add_packages(&build.include, lists[i]);
	f = image_build(&inv->store, &build, &name);
	strings_release(&build.include);
	TRY(f);
	progress_end(&inv->progress);
	line = xasprintf("%s\n", name);
	return print_text(line);
}

static const struct option build_options[] = {
	{ .letter = 's', .name = "suite", .value = "SUITE", .complete = COMPLETE_NOTHING,
	  .help = "the Debian release: bookworm, trixie" },
	{ .letter = 'i', .name = "include", .value = "PACKAGE,...", .repeat = true,
	  .help = "install these packages as well" },
	{ .name = "minimal", .help = "without the packages of the catalogue's image of that suite" },
	{ .letter = 'n', .name = "name", .value = "NAME",
	  .help = "what to call it (default: debian-SUITE)" },
	{ .name = "size", .value = "SIZE", .type = OPTION_SIZE, .min = UINT64_C(64) << 20,
	  .max = UINT64_C(16) << 40, .preset = "8G",
	  .help = "size of the root file system; what is not used takes no space" },
	{ .letter = 'f', .name = "force", .help = "replace an image of the same name" },
	{ 0 },
};

const struct command command_image_build = {
	.name = "image build",
	.summary = "build a Debian image with packages of your choice",
	.operands = "",
	.description =
		"Builds a Debian release with mmdebstrap from the package mirror that this host's apt "
		"uses, with the packages that the catalogue's image of the release has (systemd, ssh "
		"server, git and more) and those named by --include. apt checks the signatures of all "
		"packages. No root is needed.\n\n"
		"The same packages give the same file system, to the byte: no file is newer than the "
		"release (or $SOURCE_DATE_EPOCH, seconds since 1970, when it is set).",
	.examples = "banger image build --suite bookworm --include build-essential,python3 --name "
		    "dev\ta machine for developers\n"
		    "banger image build --suite trixie --minimal --include busybox --name tiny\ta small "
		    "one",
	.options = build_options,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = build_run,
};
