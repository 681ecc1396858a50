/* SPDX-License-Identifier: MIT */
#include "store/catalog.h"

#include "store/name.h"

/* packaging/catalog.json, put into the program by the Makefile. */
extern const char catalog_json[], catalog_json_end[];

static const struct field source_fields[] = {
	FIELD_REQ(struct catalog_source, type, FIELD_STRING),
	FIELD(struct catalog_source, suite, FIELD_STRING),
	FIELD(struct catalog_source, package, FIELD_STRING),
	FIELD(struct catalog_source, include, FIELD_STRINGS),
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

static const struct record_type catalog_type = {
	.name = "catalog.json",
	.size = sizeof(struct catalog),
	.fields = catalog_fields,
	.n_fields = ARRAY_LEN(catalog_fields),
	.version = 1,
};

static const struct catalog_entry *entry_at(const struct records *entries, size_t index)
{
	return (const struct catalog_entry *)entries->v + index;
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

struct fault *catalog_load(struct catalog *catalog)
{
	return catalog_read(catalog_json, (size_t)(catalog_json_end - catalog_json),
			    "the built-in catalogue", catalog);
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
