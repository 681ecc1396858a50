/* SPDX-License-Identifier: MIT */
/*
 * json.h - JSON both ways: a checked document reader for foreign text, and records driven by field
 * tables for our own files.  RFC 8259; the tokeniser is jsmn.
 *
 * A document is checked whole when it is parsed: strict grammar, valid UTF-8, no NUL in strings, no
 * duplicate keys in an object, at most JSON_DEPTH_MAX levels and JSON_TOKENS_MAX values.
 */
#ifndef BANGER_BASE_JSON_H
#define BANGER_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"

#define JSON_DEPTH_MAX	64
#define JSON_TOKENS_MAX 1000000

struct json_doc;

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* A value inside a document; borrowed from it.  Small: pass by value. */
struct json {
	const struct json_doc *doc;
	int token;
};

/*
 * json_parse() - parse @len bytes at @text (copied).  @what: names the source in messages.
 * Return: NULL and *@doc (owned, free with json_free()); F_CORRUPT otherwise.
 */
struct fault *json_parse(const char *text, size_t len, const char *what,
			 struct json_doc **doc) MUST_CHECK;
void json_free(struct json_doc *doc);
struct json json_root(const struct json_doc *doc);

enum json_kind json_kind(struct json v);
/* Number of members of an object or elements of an array; 0 for everything else. */
size_t json_len(struct json v);
/* json_get() - find member @key of object @v; false when @v is no object or has no such key. */
bool json_get(struct json v, const char *key, struct json *out);
/* json_get_string() - member @key as an owned string; false when absent or no string. */
bool json_get_string(struct json v, const char *key, char **out);
bool json_get_u64(struct json v, const char *key, uint64_t *out);
/*
 * Iteration: start with json_first(), go on with json_next() until it returns false.  For objects
 * *@key_text is the key, owned by the caller when @key_text is not NULL.
 *
 *	struct json_iter it = json_iter(v);
 *	while (json_next(&it, &key, &value)) { ...; free(key); }
 */
struct json_iter {
	struct json in;
	int token;
	size_t left;
};
struct json_iter json_iter(struct json v);
bool json_next(struct json_iter *it, char **key_text, struct json *value);
/*
 * json_find() - as json_get(), for keys asked for in the order in which they probably come: looks
 * from where @it is to the end and then from the beginning, and leaves @it behind what it found.
 */
bool json_find(struct json_iter *it, const char *key, struct json *out);

/* Conversions: false when the value is of another kind or out of range.  Strings are owned. */
bool json_string(struct json v, char **out);
bool json_u64(struct json v, uint64_t *out);
bool json_i64(struct json v, int64_t *out);
bool json_bool(struct json v, bool *out);

/* json_add_string() - append @text as a JSON string; invalid UTF-8 bytes become U+FFFD. */
void json_add_string(struct buf *b, const char *text);

/* ------------------------------------------------------------------------------------ records */

enum field_kind {
	FIELD_STRING,  /* char *, NULL = absent */
	FIELD_U64,     /* uint64_t */
	FIELD_I64,     /* int64_t */
	FIELD_BOOL,    /* bool */
	FIELD_STRINGS, /* struct strings */
	FIELD_RECORD,  /* an embedded struct, described by `type` */
	FIELD_RECORDS, /* struct records of `type` */
	FIELD_MAYBE,   /* struct maybe: a number, or null when it is not known */
};

struct maybe {
	bool known;
	uint64_t value;
};
#define MAYBE(n) ((struct maybe){ true, (n) })

struct strings {
	char **v; /* owned array of owned strings, NULL-terminated once non-empty */
	size_t n;
};

struct records {
	void *v; /* owned array of n structs of the field's type */
	size_t n;
};

struct record_type;

struct field {
	const char *name;
	enum field_kind kind;
	size_t offset;
	bool required;	  /* reading fails when absent; writing always writes it */
	uint64_t max;	  /* longest string or largest number; 0 = 4096 bytes, or no limit */
	const struct record_type *type;
};

struct record_type {
	const char *name; /* in messages: "spec.json" */
	size_t size;
	const struct field *fields;
	size_t n_fields;
	uint64_t version; /* written as "version" and checked on reading; 0 = none */
};

#define FIELD(st, member, k)	  { #member, k, offsetof(st, member), false, 0, NULL }
#define FIELD_REQ(st, member, k)  { #member, k, offsetof(st, member), true, 0, NULL }
#define FIELD_MAX(st, member, k, limit) { #member, k, offsetof(st, member), false, limit, NULL }
#define FIELD_SUB(st, member, k, t) { #member, k, offsetof(st, member), false, 0, t }

/*
 * record_read() - fill *@out (zeroed first) from JSON text.
 * Return: NULL; F_CORRUPT naming the source and field; F_NEWER when the version is larger than
 * the type's.  On failure *@out is released and zero.  Unknown keys are ignored, so that a minor
 * addition can be read by the release before it.
 */
struct fault *record_read(const struct record_type *type, const char *text, size_t len,
			  const char *what, void *out) MUST_CHECK;
/* The same from a value of a document that is already parsed; the version is not looked at. */
struct fault *record_from_json(const struct record_type *type, struct json v, const char *what,
			       void *out) MUST_CHECK;
/* record_write() - append the record as indented JSON with a final newline. */
void record_write(const struct record_type *type, const void *record, struct buf *b);
/* record_write_line() - the same on one line, no newline. */
void record_write_line(const struct record_type *type, const void *record, struct buf *b);
/* record_release() - free what the fields own and zero the record. */
void record_release(const struct record_type *type, void *record);
/* record_copy() - deep copy of @from into the uninitialised @to. */
void record_copy(const struct record_type *type, const void *from, void *to);

void strings_add(struct strings *s, const char *text);
void strings_release(struct strings *s);
/* records_add() - append one zeroed struct and return it (valid until the next call). */
void *records_add(struct records *r, size_t size);

#endif
