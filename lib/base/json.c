/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <errno.h>
#include <string.h>

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

struct json_doc {
	char *text;
	jsmntok_t *tokens;
	int n_tokens;
};

/* ------------------------------------------------------------------------- checking the text */

/* Length of the UTF-8 sequence at @s, 0 when it is malformed (RFC 3629). */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	static const struct {
		unsigned char low, high, first_low, first_high;
		size_t len;
	} rows[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	if (s[0] < 0x80)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (s[0] < rows[i].low || s[0] > rows[i].high)
			continue;
		if (left < rows[i].len || s[1] < rows[i].first_low || s[1] > rows[i].first_high)
			return 0;
		for (size_t k = 2; k < rows[i].len; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].len;
	}
	return 0;
}

static int hex4(const char *s)
{
	int value = 0;

	for (int i = 0; i < 4; i++) {
		char c = s[i];
		int digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			digit = c - 'A' + 10;
		else
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

static void add_code_point(struct buf *b, unsigned int c)
{
	if (c < 0x80) {
		buf_addc(b, (char)c);
	} else if (c < 0x800) {
		buf_addc(b, (char)(0xc0 | c >> 6));
		buf_addc(b, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_addc(b, (char)(0xe0 | c >> 12));
		buf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_addc(b, (char)(0xf0 | c >> 18));
		buf_addc(b, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(b, (char)(0x80 | (c & 0x3f)));
	}
}

/* One \u escape, possibly the first half of a surrogate pair; returns the bytes used, 0 if bad. */
static size_t unescape_unicode(const char *s, size_t left, struct buf *out)
{
	int high, low;

	if (left < 6 || (high = hex4(s + 2)) <= 0)
		return 0; /* \u0000 is refused: C strings end there */
	if (high >= 0xdc00 && high <= 0xdfff)
		return 0;
	if (high < 0xd800 || high > 0xdbff) {
		add_code_point(out, (unsigned int)high);
		return 6;
	}
	if (left < 12 || s[6] != '\\' || s[7] != 'u')
		return 0;
	low = hex4(s + 8);
	if (low < 0xdc00 || low > 0xdfff)
		return 0;
	add_code_point(out, 0x10000u + ((unsigned int)(high - 0xd800) << 10) +
				    (unsigned int)(low - 0xdc00));
	return 12;
}

/* Most text has nothing that needs a closer look. */
static size_t plain_len(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] >= 0x20 && s[n] < 0x7f && s[n] != '\\')
		n++;
	return n;
}

static bool unescape(const char *s, size_t len, struct buf *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

	for (size_t i = 0; i < len;) {
		size_t used = plain_len(s + i, len - i);

		if (used) {
			buf_add(out, s + i, used);
		} else if (s[i] == '\\' && i + 1 < len && s[i + 1] == 'u') {
			used = unescape_unicode(s + i, len - i, out);
		} else if (s[i] == '\\') {
			const char *at = i + 1 < len && s[i + 1] ? strchr(from, s[i + 1]) : NULL;

			used = at ? 2 : 0;
			if (at)
				buf_addc(out, to[at - from]);
		} else {
			used = (unsigned char)s[i] < 0x20
				       ? 0
				       : utf8_len((const unsigned char *)s + i, len - i);
			buf_add(out, s + i, used);
		}
		if (!used)
			return false;
		i += used;
	}
	return true;
}

static bool digits(const char **s, const char *end)
{
	const char *start = *s;

	while (*s < end && **s >= '0' && **s <= '9')
		(*s)++;
	return *s > start;
}

static bool valid_number(const char *s, size_t len)
{
	const char *end = s + len;

	if (s < end && *s == '-')
		s++;
	if (s < end && *s == '0')
		s++;
	else if (!digits(&s, end))
		return false;
	if (s < end && *s == '.') {
		s++;
		if (!digits(&s, end))
			return false;
	}
	if (s < end && (*s == 'e' || *s == 'E')) {
		s++;
		if (s < end && (*s == '+' || *s == '-'))
			s++;
		if (!digits(&s, end))
			return false;
	}
	return s == end;
}

static bool token_is(const struct json_doc *doc, const jsmntok_t *t, const char *word)
{
	size_t len = (size_t)(t->end - t->start);

	return len == strlen(word) && !memcmp(doc->text + t->start, word, len);
}

static bool valid_primitive(const struct json_doc *doc, const jsmntok_t *t)
{
	return token_is(doc, t, "true") || token_is(doc, t, "false") || token_is(doc, t, "null") ||
	       valid_number(doc->text + t->start, (size_t)(t->end - t->start));
}

/* What may stand between tokens, given that jsmn is lenient about commas and colons. */
static int skip_space(const struct json_doc *doc, int at)
{
	while (doc->text[at] == ' ' || doc->text[at] == '\t' || doc->text[at] == '\n' ||
	       doc->text[at] == '\r')
		at++;
	return at;
}

struct checker {
	const struct json_doc *doc;
	int token; /* the next token expected */
	int at;	   /* byte offset in the text */
};

static int raw_start(const jsmntok_t *t)
{
	return t->type == JSMN_STRING ? t->start - 1 : t->start;
}

static bool expect(struct checker *c, char wanted)
{
	c->at = skip_space(c->doc, c->at);
	if (c->doc->text[c->at] != wanted)
		return false;
	c->at++;
	return true;
}

struct key_span {
	const char *s;
	size_t len;
	char *plain; /* owned, without escapes; NULL when it has none */
};

static int compare_keys(const void *a, const void *b)
{
	const struct key_span *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int order = memcmp(x->s, y->s, len);

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static bool keys_unique(struct key_span *keys, size_t n)
{
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < n; i++)
		if (!compare_keys(&keys[i - 1], &keys[i]))
			return false;
	return true;
}

static bool check_value(struct checker *c, int depth);

static bool check_string(struct checker *c, const jsmntok_t *t, struct buf *text)
{
	c->at = t->end + 1;
	return unescape(c->doc->text + t->start, (size_t)(t->end - t->start), text);
}

static bool check_key(struct checker *c, struct key_span *key)
{
	const jsmntok_t *t = &c->doc->tokens[c->token];
	AUTO_BUF text = BUF_INIT;

	c->at = skip_space(c->doc, c->at);
	if (c->token >= c->doc->n_tokens || t->type != JSMN_STRING || t->size != 1 ||
	    raw_start(t) != c->at)
		return false;
	*key = (struct key_span){ c->doc->text + t->start, (size_t)(t->end - t->start), NULL };
	c->token++;
	if (!check_string(c, t, &text) || !expect(c, ':'))
		return false;
	/* "\u0061" and "a" are the same key. */
	if (text.len != key->len) {
		key->len = text.len;
		key->s = key->plain = buf_steal(&text);
	}
	return true;
}

static bool check_members_into(struct checker *c, const jsmntok_t *t, int depth,
			       struct key_span *keys)
{
	bool object = t->type == JSMN_OBJECT;

	for (int i = 0; i < t->size; i++) {
		if (i && !expect(c, ','))
			return false;
		if (object && !check_key(c, &keys[i]))
			return false;
		if (!check_value(c, depth + 1))
			return false;
	}
	return expect(c, object ? '}' : ']') && (!object || keys_unique(keys, (size_t)t->size));
}

static bool check_members(struct checker *c, const jsmntok_t *t, int depth)
{
	AUTO_FREE struct key_span *keys = xcalloc((size_t)t->size, sizeof(*keys));
	bool good = check_members_into(c, t, depth, keys);

	for (int i = 0; i < t->size; i++)
		free(keys[i].plain);
	return good;
}

static bool check_value(struct checker *c, int depth)
{
	const jsmntok_t *t = &c->doc->tokens[c->token];
	AUTO_BUF text = BUF_INIT;

	c->at = skip_space(c->doc, c->at);
	if (c->token >= c->doc->n_tokens || depth > JSON_DEPTH_MAX || raw_start(t) != c->at)
		return false;
	c->token++;
	if (t->type == JSMN_STRING)
		return t->size == 0 && check_string(c, t, &text);
	if (t->type == JSMN_PRIMITIVE) {
		c->at = t->end;
		return t->size == 0 && valid_primitive(c->doc, t);
	}
	c->at++;
	return check_members(c, t, depth);
}

static bool check_document(const struct json_doc *doc, size_t len)
{
	struct checker c = { doc, 0, 0 };

	return check_value(&c, 0) && c.token == doc->n_tokens &&
	       (size_t)skip_space(doc, c.at) == len;
}

/* Brackets nested too deep are refused before jsmn and the checker walk them. */
static bool too_deep(const char *text, size_t len)
{
	int depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		if (quoted) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				quoted = false;
		} else if (text[i] == '"') {
			quoted = true;
		} else if (text[i] == '{' || text[i] == '[') {
			if (++depth > JSON_DEPTH_MAX)
				return true;
		} else if (text[i] == '}' || text[i] == ']') {
			depth--;
		}
	}
	return false;
}

struct fault *json_parse(const char *text, size_t len, const char *what, struct json_doc **doc)
{
	struct json_doc *d;
	jsmn_parser parser;
	int n;

	if (len > INT32_MAX / 2 || memchr(text, '\0', len))
		return fault_new(F_CORRUPT, "%s is not JSON: it has a NUL byte or is too long", what);
	if (too_deep(text, len))
		return fault_new(F_CORRUPT, "%s is nested more than %d levels deep", what,
				 JSON_DEPTH_MAX);
	jsmn_init(&parser);
	n = jsmn_parse(&parser, text, len, NULL, 0);
	if (n < 1 || n > JSON_TOKENS_MAX)
		return fault_new(F_CORRUPT, n > 0 ? "%s holds more values than any sane file"
						  : "%s is not JSON", what);
	d = xcalloc(1, sizeof(*d));
	d->text = xstrndup(text, len);
	d->tokens = xcalloc((size_t)n, sizeof(*d->tokens));
	jsmn_init(&parser);
	d->n_tokens = jsmn_parse(&parser, d->text, len, d->tokens, (unsigned int)n);
	if (d->n_tokens < 1 || !check_document(d, len)) {
		json_free(d);
		return fault_new(F_CORRUPT, "%s is not well-formed JSON", what);
	}
	*doc = d;
	return NULL;
}

void json_free(struct json_doc *doc)
{
	if (!doc)
		return;
	free(doc->text);
	free(doc->tokens);
	free(doc);
}

/* ---------------------------------------------------------------------------------- looking */

static const jsmntok_t *token_of(struct json v)
{
	return &v.doc->tokens[v.token];
}

struct json json_root(const struct json_doc *doc)
{
	return (struct json){ doc, 0 };
}

enum json_kind json_kind(struct json v)
{
	const jsmntok_t *t = token_of(v);

	switch (t->type) {
	case JSMN_OBJECT:
		return JSON_OBJECT;
	case JSMN_ARRAY:
		return JSON_ARRAY;
	case JSMN_STRING:
		return JSON_STRING;
	case JSMN_UNDEFINED:
	case JSMN_PRIMITIVE:
		break;
	}
	switch (v.doc->text[t->start]) {
	case 't':
	case 'f':
		return JSON_BOOL;
	case 'n':
		return JSON_NULL;
	default:
		return JSON_NUMBER;
	}
}

size_t json_len(struct json v)
{
	enum json_kind kind = json_kind(v);

	return kind == JSON_OBJECT || kind == JSON_ARRAY ? (size_t)token_of(v)->size : 0;
}

/* The token after the value at @token and all that is inside it. */
static int after(const struct json_doc *doc, int token)
{
	int end = doc->tokens[token].end;

	do
		token++;
	while (token < doc->n_tokens && doc->tokens[token].start < end);
	return token;
}

struct json_iter json_iter(struct json v)
{
	return (struct json_iter){ v, v.token + 1, json_len(v) };
}

static char *token_text(const struct json_doc *doc, const jsmntok_t *t)
{
	struct buf text = BUF_INIT;

	/* The document was checked when it was parsed, so this cannot fail. */
	unescape(doc->text + t->start, (size_t)(t->end - t->start), &text);
	return buf_steal(&text);
}

bool json_next(struct json_iter *it, char **key_text, struct json *value)
{
	bool object = json_kind(it->in) == JSON_OBJECT;

	if (!it->left)
		return false;
	it->left--;
	if (key_text)
		*key_text = object ? token_text(it->in.doc, &it->in.doc->tokens[it->token]) : NULL;
	*value = (struct json){ it->in.doc, object ? it->token + 1 : it->token };
	it->token = after(it->in.doc, value->token);
	return true;
}

/* Does the token of a key, escapes undone, spell @key? */
static bool key_is(const struct json_doc *doc, const jsmntok_t *t, const char *key)
{
	AUTO_FREE char *plain = NULL;

	if (!memchr(doc->text + t->start, '\\', (size_t)(t->end - t->start)))
		return token_is(doc, t, key);
	plain = token_text(doc, t);
	return !strcmp(plain, key);
}

bool json_get(struct json v, const char *key, struct json *out)
{
	struct json_iter it = json_iter(v);
	struct json value;

	if (json_kind(v) != JSON_OBJECT)
		return false;
	for (;;) {
		int key_token = it.token;

		if (!json_next(&it, NULL, &value))
			return false;
		if (key_is(v.doc, &v.doc->tokens[key_token], key)) {
			*out = value;
			return true;
		}
	}
}

bool json_find(struct json_iter *it, const char *key, struct json *out)
{
	struct json_iter from = *it;

	if (json_kind(it->in) != JSON_OBJECT)
		return false;
	for (int pass = 0; pass < 2; pass++) {
		while (it->left) {
			int key_token = it->token;

			json_next(it, NULL, out);
			if (key_is(it->in.doc, &it->in.doc->tokens[key_token], key))
				return true;
		}
		*it = json_iter(it->in);
	}
	*it = from;
	return false;
}

bool json_get_string(struct json v, const char *key, char **out)
{
	struct json value;

	return json_get(v, key, &value) && json_string(value, out);
}

bool json_get_u64(struct json v, const char *key, uint64_t *out)
{
	struct json value;

	return json_get(v, key, &value) && json_u64(value, out);
}

bool json_string(struct json v, char **out)
{
	if (json_kind(v) != JSON_STRING)
		return false;
	*out = token_text(v.doc, token_of(v));
	return true;
}

/* The digits of an integer token in @text; false for other kinds and for fractions. */
static bool integer_text(struct json v, char text[static 24])
{
	const jsmntok_t *t = token_of(v);
	size_t len = (size_t)(t->end - t->start);

	if (json_kind(v) != JSON_NUMBER || len >= 24)
		return false;
	memcpy(text, v.doc->text + t->start, len);
	text[len] = '\0';
	return strspn(text, "-0123456789") == len;
}

bool json_u64(struct json v, uint64_t *out)
{
	char text[24];
	unsigned long long value;

	if (!integer_text(v, text) || text[0] == '-')
		return false;
	errno = 0;
	value = strtoull(text, NULL, 10);
	if (errno)
		return false;
	*out = value;
	return true;
}

bool json_i64(struct json v, int64_t *out)
{
	char text[24];
	long long value;

	if (!integer_text(v, text))
		return false;
	errno = 0;
	value = strtoll(text, NULL, 10);
	if (errno)
		return false;
	*out = value;
	return true;
}

bool json_bool(struct json v, bool *out)
{
	if (json_kind(v) != JSON_BOOL)
		return false;
	*out = v.doc->text[token_of(v)->start] == 't';
	return true;
}

void json_add_string(struct buf *b, const char *text)
{
	size_t len = strlen(text);

	buf_addc(b, '"');
	for (size_t i = 0; i < len;) {
		unsigned char c = (unsigned char)text[i];
		size_t used = utf8_len((const unsigned char *)text + i, len - i);

		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c == '\n')
			buf_adds(b, "\\n");
		else if (c < 0x20 || c == 0x7f)
			buf_addf(b, "\\u%04x", c);
		else if (used)
			buf_add(b, text + i, used);
		else
			buf_adds(b, "\\ufffd");
		i += used ? used : 1;
	}
	buf_addc(b, '"');
}
