/* SPDX-License-Identifier: MIT */
#include "store/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/sha256.h"
#include "host/user.h"
#include "store/name.h"

#define CATALOG_FILE_MAX (4u << 20)

/* packaging/catalog.json, put into the program by the Makefile. */
extern const char catalog_json[], catalog_json_end[];

static const struct field source_fields[] = {
	FIELD_REQ(struct catalog_source, type, FIELD_STRING),
	FIELD(struct catalog_source, suite, FIELD_STRING),
	FIELD(struct catalog_source, package, FIELD_STRING),
	FIELD(struct catalog_source, include, FIELD_STRINGS),
	FIELD(struct catalog_source, arch, FIELD_STRING),
	FIELD(struct catalog_source, url, FIELD_STRING),
	FIELD(struct catalog_source, sha256, FIELD_STRING),
	FIELD(struct catalog_source, size, FIELD_U64),
	FIELD(struct catalog_source, reference, FIELD_STRING),
	FIELD(struct catalog_source, digest, FIELD_STRING),
};

static const struct record_type source_type = {
	.name = "a source",
	.size = sizeof(struct catalog_source),
	.fields = source_fields,
	.n_fields = ARRAY_LEN(source_fields),
};

static const struct field entry_fields[] = {
	FIELD_REQ(struct catalog_entry, name, FIELD_STRING),
	FIELD(struct catalog_entry, description, FIELD_STRING),
	FIELD(struct catalog_entry, kernel, FIELD_STRING),
	{ "sources", FIELD_RECORDS, offsetof(struct catalog_entry, sources), true, 0,
	  &source_type },
};

static const struct record_type entry_type = {
	.name = "an entry",
	.size = sizeof(struct catalog_entry),
	.fields = entry_fields,
	.n_fields = ARRAY_LEN(entry_fields),
};

static const struct field catalog_fields[] = {
	FIELD_SUB(struct catalog, images, FIELD_RECORDS, &entry_type),
	FIELD_SUB(struct catalog, kernels, FIELD_RECORDS, &entry_type),
};

const struct record_type catalog_type = {
	.name = "the catalogue",
	.size = sizeof(struct catalog),
	.fields = catalog_fields,
	.n_fields = ARRAY_LEN(catalog_fields),
	.version = 1,
};

static const struct catalog_entry *entry_at(const struct records *entries, size_t index)
{
	return (const struct catalog_entry *)entries->v + index;
}

/* What each type cannot do without. */
static const struct {
	const char *type, *field;
	size_t offset;
} needed[] = {
	{ SOURCE_BUNDLE, "url", offsetof(struct catalog_source, url) },
	{ SOURCE_BUNDLE, "sha256", offsetof(struct catalog_source, sha256) },
	{ SOURCE_OCI, "reference", offsetof(struct catalog_source, reference) },
	{ SOURCE_DEBIAN_SUITE, "suite", offsetof(struct catalog_source, suite) },
	{ SOURCE_DEBIAN_KERNEL, "suite", offsetof(struct catalog_source, suite) },
	{ SOURCE_DEBIAN_KERNEL, "package", offsetof(struct catalog_source, package) },
};

static struct fault *check_source(const struct catalog_source *source)
{
	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		const char *const *value =
			(const void *)((const char *)source + needed[i].offset);

		if (!strcmp(source->type, needed[i].type) && (!*value || !**value))
			return fault_new(F_CORRUPT, "a source of type '%s' has no field '%s'",
					 needed[i].type, needed[i].field);
	}
	if (source->sha256 && !sha256_is_hex(source->sha256))
		return fault_new(F_CORRUPT, "field 'sha256' is not 64 lower-case hex digits");
	return NULL;
}

static struct fault *check_sources(const struct catalog_entry *entry)
{
	for (size_t i = 0; i < entry->sources.n; i++)
		TRY(check_source(catalog_source_at(entry, i)));
	return NULL;
}

static struct fault *check_entries(const struct records *entries, const char *noun,
				   const char *what)
{
	for (size_t i = 0; i < entries->n; i++) {
		const struct catalog_entry *e = entry_at(entries, i);

		TRY(fault_wrap(name_check_object(noun, e->name), "%s", what));
		if (catalog_find(entries, e->name) != e)
			return fault_new(F_CORRUPT, "%s: the %s '%s' is listed twice", what, noun,
					 e->name);
		if (!e->sources.n)
			return fault_new(F_CORRUPT, "%s: the %s '%s' has no sources", what, noun,
					 e->name);
		TRY(fault_wrap(check_sources(e), "%s: the %s '%s'", what, noun, e->name));
	}
	return NULL;
}

struct fault *catalog_read(const char *text, size_t len, const char *what,
			   struct catalog *catalog)
{
	struct fault *f;

	TRY(record_read(&catalog_type, text, len, what, catalog));
	f = check_entries(&catalog->images, "image", what);
	if (!f)
		f = check_entries(&catalog->kernels, "kernel", what);
	if (f)
		catalog_release(catalog);
	return f;
}

/* ------------------------------------------------------------------------------- extending it */

/* Move the entries of @from into @into, over those of the same name. */
static void take_entries(struct records *into, struct records *from)
{
	struct catalog_entry *entries = from->v;

	for (size_t i = 0; i < from->n; i++) {
		struct catalog_entry *old =
			(struct catalog_entry *)(uintptr_t)catalog_find(into, entries[i].name);

		if (old)
			record_release(&entry_type, old);
		else
			old = records_add(into, sizeof(*old));
		*old = entries[i];
	}
	free(entries);
	*from = (struct records){ 0 };
}

/* Root does what a catalogue says, so nobody else may say it. */
static struct fault *check_writers(int fd, const char *what, uid_t owner)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fault_sys(F_SYS, "looking at %s", what);
	if (geteuid() || (!(st.st_mode & (S_IWGRP | S_IWOTH)) &&
			  (!st.st_uid || st.st_uid == owner)))
		return NULL;
	return fault_hint(fault_new(F_DENIED, "%s can be written by others than %s", what,
				    owner ? "its user" : "root"),
			  "As root: chown %u and chmod go-w it.", (unsigned int)owner);
}

static struct fault *read_file(int dir, const char *name, const char *what, uid_t owner,
			       struct catalog *catalog)
{
	AUTO_FD fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	AUTO_BUF text = BUF_INIT;

	if (fd < 0)
		return fault_sys(F_SYS, "opening %s", what);
	TRY(check_writers(fd, what, owner));
	TRY(file_read_fd(fd, CATALOG_FILE_MAX, what, &text));
	return catalog_read(text.data, text.len, what, catalog);
}

static struct fault *add_file(int dir, const char *path, const char *name, uid_t owner,
			      struct catalog *catalog)
{
	AUTO_FREE char *what = xasprintf("catalogue file '%s/%s'", path, name);
	struct catalog added = { 0 };

	TRY(read_file(dir, name, what, owner, &added));
	take_entries(&catalog->images, &added.images);
	take_entries(&catalog->kernels, &added.kernels);
	return NULL;
}

static bool is_catalog_name(const char *name)
{
	const char *end = strrchr(name, '.');

	return name[0] != '.' && end && !strcmp(end, ".json");
}

struct fault *catalog_add_directory(struct catalog *catalog, const char *path, uid_t owner)
{
	AUTO_FREE char *what = xasprintf("directory '%s'", path);
	AUTO_FD dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct strings names = { 0 };
	struct fault *f;

	if (dir < 0 && (errno == ENOENT || errno == ENOTDIR))
		return NULL;
	if (dir < 0)
		return fault_sys(F_SYS, "opening %s", what);
	f = dir_names(dir, path, &names);
	for (size_t i = 0; !f && i < names.n; i++) {
		if (!is_catalog_name(names.v[i]))
			continue;
		f = check_writers(dir, what, owner);
		if (!f)
			f = add_file(dir, path, names.v[i], owner, catalog);
	}
	strings_release(&names);
	return f;
}

static struct fault *add_directories(struct catalog *catalog)
{
	AUTO_USER user = { 0 };
	AUTO_FREE char *config = NULL;
	AUTO_FREE char *path = NULL;
	struct fault *f;

	TRY(catalog_add_directory(catalog, CATALOG_SYSTEM_DIR, 0));
	user_real(&user);
	config = user_xdg(&user, "XDG_CONFIG_HOME", ".config");
	if (!config)
		return NULL;
	path = xasprintf("%s/banger/catalog.d", config);
	user_enter(&user);
	f = catalog_add_directory(catalog, path, user.uid);
	user_leave(&user);
	return f;
}

struct fault *catalog_load(struct catalog *catalog)
{
	struct fault *f;

	TRY(catalog_read(catalog_json, (size_t)(catalog_json_end - catalog_json),
			 "the built-in catalogue", catalog));
	f = add_directories(catalog);
	if (f)
		catalog_release(catalog);
	return f;
}

void catalog_release(struct catalog *catalog)
{
	record_release(&catalog_type, catalog);
}

const struct catalog_entry *catalog_find(const struct records *entries, const char *name)
{
	for (size_t i = 0; i < entries->n; i++)
		if (!strcmp(entry_at(entries, i)->name, name))
			return entry_at(entries, i);
	return NULL;
}

const struct catalog_source *catalog_source_at(const struct catalog_entry *entry, size_t index)
{
	return (const struct catalog_source *)entry->sources.v + index;
}

char *catalog_names(const struct records *entries)
{
	AUTO_BUF names = BUF_INIT;

	for (size_t i = 0; i < entries->n; i++)
		buf_addf(&names, "%s%s", i ? ", " : "", entry_at(entries, i)->name);
	return buf_steal(&names);
}
