/* SPDX-License-Identifier: MIT */
/* record.c - records driven by field tables, the second half of json.h. */
#include "base/json.h"

#include <string.h>

#define STRING_MAX_DEFAULT 4096

static struct fault *field_fault(const char *what, const struct field *f, const char *wanted)
{
	return fault_new(F_CORRUPT, "%s: field '%s' is not %s", what, f->name, wanted);
}

static struct fault *read_text(const struct field *f, struct json v, const char *what, char **out)
{
	uint64_t max = f->max ? f->max : STRING_MAX_DEFAULT;
	AUTO_FREE char *text = NULL;

	if (!json_string(v, &text))
		return field_fault(what, f, "a string");
	if (strlen(text) > max)
		return fault_new(F_CORRUPT, "%s: field '%s' is longer than %llu bytes", what,
				 f->name, (unsigned long long)max);
	*out = steal_ptr(&text);
	return NULL;
}

static struct fault *read_strings(const struct field *f, struct json v, const char *what,
				  struct strings *out)
{
	struct json_iter it = json_iter(v);
	struct json value;

	if (json_kind(v) != JSON_ARRAY)
		return field_fault(what, f, "a list of strings");
	while (json_next(&it, NULL, &value)) {
		AUTO_FREE char *text = NULL;

		TRY(read_text(f, value, what, &text));
		strings_add(out, text);
	}
	return NULL;
}

static struct fault *read_records(const struct field *f, struct json v, const char *what,
				  struct records *out)
{
	struct json_iter it = json_iter(v);
	struct json value;

	if (json_kind(v) != JSON_ARRAY)
		return field_fault(what, f, "a list of objects");
	while (json_next(&it, NULL, &value))
		TRY(record_from_json(f->type, value, what, records_add(out, f->type->size)));
	return NULL;
}

static struct fault *read_field(const struct field *f, struct json v, const char *what, void *slot)
{
	uint64_t number;

	switch (f->kind) {
	case FIELD_STRING:
		return read_text(f, v, what, slot);
	case FIELD_U64:
		if (!json_u64(v, &number) || (f->max && number > f->max))
			return field_fault(what, f, "a number in range");
		*(uint64_t *)slot = number;
		return NULL;
	case FIELD_I64:
		return json_i64(v, slot) ? NULL : field_fault(what, f, "a whole number");
	case FIELD_BOOL:
		return json_bool(v, slot) ? NULL : field_fault(what, f, "true or false");
	case FIELD_STRINGS:
		return read_strings(f, v, what, slot);
	case FIELD_RECORD:
		return record_from_json(f->type, v, what, slot);
	case FIELD_RECORDS:
		return read_records(f, v, what, slot);
	case FIELD_MAYBE:
		if (!json_u64(v, &number) || (f->max && number > f->max))
			return field_fault(what, f, "a number in range");
		*(struct maybe *)slot = MAYBE(number);
		return NULL;
	}
	return NULL;
}

static void *slot_of(const struct field *f, const void *record)
{
	return (char *)(uintptr_t)record + f->offset;
}

static struct fault *read_fields(const struct record_type *type, struct json v, const char *what,
				 void *out)
{
	struct json_iter it;

	if (json_kind(v) != JSON_OBJECT)
		return fault_new(F_CORRUPT, "%s: %s is not an object", what, type->name);
	it = json_iter(v);
	for (size_t i = 0; i < type->n_fields; i++) {
		const struct field *f = &type->fields[i];
		struct json value;

		if (!json_find(&it, f->name, &value) || json_kind(value) == JSON_NULL) {
			if (f->required)
				return fault_new(F_CORRUPT, "%s: field '%s' is missing", what,
						 f->name);
			continue;
		}
		TRY(read_field(f, value, what, slot_of(f, out)));
	}
	return NULL;
}

struct fault *record_from_json(const struct record_type *type, struct json v, const char *what,
			       void *out)
{
	struct fault *f;

	memset(out, 0, type->size);
	f = read_fields(type, v, what, out);
	if (f)
		record_release(type, out);
	return f;
}

static struct fault *check_version(const struct record_type *type, struct json root,
				   const char *what)
{
	uint64_t version = 0;

	if (!type->version)
		return NULL;
	if (!json_get_u64(root, "version", &version) || !version)
		return fault_new(F_CORRUPT, "%s: field 'version' is missing", what);
	if (version > type->version)
		return fault_hint(fault_new(F_NEWER, "%s was written by a newer banger (version "
					    "%llu, this one knows %llu)", what,
					    (unsigned long long)version,
					    (unsigned long long)type->version),
				  "Use the newer banger for it; nothing was changed.");
	return NULL;
}

struct fault *record_read(const struct record_type *type, const char *text, size_t len,
			  const char *what, void *out)
{
	struct json_doc *doc = NULL;
	struct fault *f;

	memset(out, 0, type->size);
	TRY(json_parse(text, len, what, &doc));
	f = check_version(type, json_root(doc), what);
	if (!f)
		f = record_from_json(type, json_root(doc), what, out);
	json_free(doc);
	return f;
}

/* ---------------------------------------------------------------------------------- writing */

struct writer {
	struct buf *b;
	int depth; /* -1 = everything on one line */
};

static void new_line(const struct writer *w, int depth)
{
	if (w->depth < 0)
		return;
	buf_addc(w->b, '\n');
	for (int i = 0; i < depth; i++)
		buf_adds(w->b, "  ");
}

static struct writer deeper(const struct writer *w)
{
	return (struct writer){ w->b, w->depth < 0 ? -1 : w->depth + 1 };
}

static void write_object(const struct writer *w, const struct record_type *type, const void *record);

static void write_list(const struct writer *w, const struct field *f, const void *slot)
{
	const struct strings *texts = slot;
	const struct records *items = slot;
	bool plain = f->kind == FIELD_STRINGS;
	size_t n = plain ? texts->n : items->n;
	struct writer inner = deeper(w);

	buf_addc(w->b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(w->b, ',');
		new_line(w, inner.depth);
		if (plain)
			json_add_string(w->b, texts->v[i]);
		else
			write_object(&inner, f->type, (const char *)items->v + i * f->type->size);
	}
	if (n)
		new_line(w, w->depth);
	buf_addc(w->b, ']');
}

static void write_value(const struct writer *w, const struct field *f, const void *slot)
{
	switch (f->kind) {
	case FIELD_STRING:
		if (*(char *const *)slot)
			json_add_string(w->b, *(char *const *)slot);
		else
			buf_adds(w->b, "null");
		break;
	case FIELD_U64:
		buf_addf(w->b, "%llu", (unsigned long long)*(const uint64_t *)slot);
		break;
	case FIELD_I64:
		buf_addf(w->b, "%lld", (long long)*(const int64_t *)slot);
		break;
	case FIELD_BOOL:
		buf_adds(w->b, *(const bool *)slot ? "true" : "false");
		break;
	case FIELD_STRINGS:
	case FIELD_RECORDS:
		write_list(w, f, slot);
		break;
	case FIELD_RECORD:
		write_object(w, f->type, slot);
		break;
	case FIELD_MAYBE:
		if (((const struct maybe *)slot)->known)
			buf_addf(w->b, "%llu",
				 (unsigned long long)((const struct maybe *)slot)->value);
		else
			buf_adds(w->b, "null");
		break;
	}
}

static void write_key(const struct writer *w, const char *name, bool first)
{
	if (!first)
		buf_addc(w->b, ',');
	new_line(w, w->depth);
	json_add_string(w->b, name);
	buf_adds(w->b, w->depth < 0 ? ":" : ": ");
}

static void write_object(const struct writer *w, const struct record_type *type, const void *record)
{
	struct writer inner = deeper(w);
	bool first = true;

	buf_addc(w->b, '{');
	if (type->version) {
		write_key(&inner, "version", first);
		buf_addf(w->b, "%llu", (unsigned long long)type->version);
		first = false;
	}
	for (size_t i = 0; i < type->n_fields; i++) {
		write_key(&inner, type->fields[i].name, first);
		write_value(&inner, &type->fields[i], slot_of(&type->fields[i], record));
		first = false;
	}
	new_line(w, w->depth);
	buf_addc(w->b, '}');
}

void record_write(const struct record_type *type, const void *record, struct buf *b)
{
	write_object(&(struct writer){ b, 0 }, type, record);
	buf_addc(b, '\n');
}

void record_write_line(const struct record_type *type, const void *record, struct buf *b)
{
	write_object(&(struct writer){ b, -1 }, type, record);
}

/* ------------------------------------------------------------------------------- ownership */

static void release_records(const struct record_type *type, struct records *r)
{
	for (size_t i = 0; i < r->n; i++)
		record_release(type, (char *)r->v + i * type->size);
	free(r->v);
	*r = (struct records){ 0 };
}

void record_release(const struct record_type *type, void *record)
{
	for (size_t i = 0; i < type->n_fields; i++) {
		const struct field *f = &type->fields[i];
		void *slot = slot_of(f, record);

		if (f->kind == FIELD_STRING)
			free(*(char **)slot);
		else if (f->kind == FIELD_STRINGS)
			strings_release(slot);
		else if (f->kind == FIELD_RECORD)
			record_release(f->type, slot);
		else if (f->kind == FIELD_RECORDS)
			release_records(f->type, slot);
	}
	memset(record, 0, type->size);
}

static void copy_field(const struct field *f, const void *from, void *to)
{
	const struct strings *texts = from;
	const struct records *items = from;

	if (f->kind == FIELD_STRING && *(char *const *)from) {
		*(char **)to = xstrdup(*(char *const *)from);
	} else if (f->kind == FIELD_STRINGS) {
		memset(to, 0, sizeof(struct strings));
		for (size_t i = 0; i < texts->n; i++)
			strings_add(to, texts->v[i]);
	} else if (f->kind == FIELD_RECORD) {
		record_copy(f->type, from, to);
	} else if (f->kind == FIELD_RECORDS) {
		memset(to, 0, sizeof(struct records));
		for (size_t i = 0; i < items->n; i++)
			record_copy(f->type, (const char *)items->v + i * f->type->size,
				    records_add(to, f->type->size));
	}
}

void record_copy(const struct record_type *type, const void *from, void *to)
{
	memcpy(to, from, type->size);
	for (size_t i = 0; i < type->n_fields; i++)
		copy_field(&type->fields[i], slot_of(&type->fields[i], from),
			   slot_of(&type->fields[i], to));
}

void strings_add(struct strings *s, const char *text)
{
	s->v = xrealloc_array(s->v, s->n + 2, sizeof(*s->v));
	s->v[s->n++] = xstrdup(text);
	s->v[s->n] = NULL;
}

void strings_release(struct strings *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	*s = (struct strings){ 0 };
}

void *records_add(struct records *r, size_t size)
{
	char *v = xrealloc_array(r->v, r->n + 1, size);

	r->v = v;
	memset(v + r->n * size, 0, size);
	return v + r->n++ * size;
}
