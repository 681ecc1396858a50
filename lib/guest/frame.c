/* SPDX-License-Identifier: MIT */
#include "guest/frame.h"

#include <assert.h>
#include <string.h>

static const char magic[8] = "banger\x1f\x91"; /* eight bytes, no NUL after them */

#define HELLO_LEN   (sizeof(magic) + FRAME_NONCE + 4)
#define STRINGS_MAX 65536

/* ------------------------------------------------------------------------------------ numbers */

static void add_u16(struct buf *b, uint16_t v)
{
	const unsigned char bytes[2] = { v & 0xff, v >> 8 };

	buf_add(b, bytes, sizeof(bytes));
}

static void put_u32(unsigned char *bytes, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		bytes[i] = v >> (8 * i) & 0xff;
}

static void add_u32(struct buf *b, uint32_t v)
{
	unsigned char bytes[4];

	put_u32(bytes, v);
	buf_add(b, bytes, sizeof(bytes));
}

static void add_text(struct buf *b, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	add_u32(b, (uint32_t)len);
	buf_add(b, text, len);
}

/* What is left to decode; `bad` sticks, and reading from a bad cursor gives zeros. */
struct cursor {
	const char *p;
	size_t left;
	bool bad;
};

static struct cursor cursor_of(const struct frame *f)
{
	return (struct cursor){ f->data, f->len, false };
}

static const char *take(struct cursor *c, size_t len)
{
	const char *p = c->p;

	if (c->bad || len > c->left) {
		c->bad = true;
		return NULL;
	}
	c->p += len;
	c->left -= len;
	return p;
}

static uint64_t take_number(struct cursor *c, size_t bytes)
{
	const char *p = take(c, bytes);
	uint64_t v = 0;

	for (size_t i = 0; p && i < bytes; i++)
		v |= (uint64_t)(unsigned char)p[i] << (8 * i);
	return v;
}

/* A text as an owned string; NULL (and bad) when it is cut short, too long or has a NUL in it. */
static char *take_text(struct cursor *c, size_t max)
{
	size_t len = take_number(c, 4);
	const char *p = take(c, len);

	if (!p || len > max || memchr(p, 0, len)) {
		c->bad = true;
		return NULL;
	}
	return xstrndup(p, len);
}

static bool whole(const struct cursor *c)
{
	return !c->bad && !c->left;
}

/* ------------------------------------------------------------------------------------- frames */

enum frame_result frame_parse(const char *data, size_t len, struct frame *out, size_t *used)
{
	size_t at = 0, length;
	const unsigned char *h;

	while (at < len && !data[at])
		at++;
	*used = at;
	h = (const unsigned char *)data + at;
	if (at == len)
		return FRAME_INCOMPLETE;
	if (h[0] != FRAME_TAG)
		return FRAME_MALFORMED;
	if (len - at < FRAME_HEADER)
		return FRAME_INCOMPLETE;
	length = take_number(&(struct cursor){ data + at + 4, 4, false }, 4);
	if (!h[1] || h[1] >= FRAME_TYPES || h[3] || length > FRAME_DATA_MAX)
		return FRAME_MALFORMED;
	if (len - at - FRAME_HEADER < length)
		return FRAME_INCOMPLETE;
	*out = (struct frame){ h[1], h[2], data + at + FRAME_HEADER, length };
	*used = at + FRAME_HEADER + length;
	return FRAME_COMPLETE;
}

static void header(unsigned char *h, enum frame_type type, unsigned int flags, size_t len)
{
	h[0] = FRAME_TAG;
	h[1] = (unsigned char)type;
	h[2] = flags & 0xff;
	h[3] = 0;
	put_u32(h + 4, (uint32_t)len);
}

void frame_add(struct buf *b, enum frame_type type, unsigned int flags, const void *data,
	       size_t len)
{
	unsigned char h[FRAME_HEADER];

	assert(len <= FRAME_DATA_MAX);
	header(h, type, flags, len);
	buf_add(b, h, sizeof(h));
	buf_add(b, data, len);
}

void frame_add_empty(struct buf *b, enum frame_type type)
{
	frame_add(b, type, 0, NULL, 0);
}

void frame_add_u32(struct buf *b, enum frame_type type, uint32_t value)
{
	unsigned char bytes[4];

	put_u32(bytes, value);
	frame_add(b, type, 0, bytes, sizeof(bytes));
}

void frame_add_u64(struct buf *b, enum frame_type type, uint64_t value)
{
	unsigned char bytes[8];

	put_u32(bytes, value & UINT32_MAX);
	put_u32(bytes + 4, value >> 32);
	frame_add(b, type, 0, bytes, sizeof(bytes));
}

void frame_add_text(struct buf *b, enum frame_type type, const char *text)
{
	AUTO_FREE char *cut = xstrndup(text, FRAME_MESSAGE_MAX);
	AUTO_BUF data = BUF_INIT;

	add_text(&data, cut);
	frame_add(b, type, 0, data.data, data.len);
}

bool frame_u32(const struct frame *f, uint32_t *value)
{
	struct cursor c = cursor_of(f);

	*value = (uint32_t)take_number(&c, 4);
	return whole(&c);
}

bool frame_u64(const struct frame *f, uint64_t *value)
{
	struct cursor c = cursor_of(f);

	*value = take_number(&c, 8);
	return whole(&c);
}

bool frame_text(const struct frame *f, char **text)
{
	struct cursor c = cursor_of(f);
	AUTO_FREE char *got = take_text(&c, FRAME_MESSAGE_MAX);

	if (!whole(&c))
		return false;
	*text = steal_ptr(&got);
	return true;
}

/* -------------------------------------------------------------------------------------- hello */

void frame_add_hello(struct buf *b, enum frame_type type, const struct frame_hello *hello)
{
	AUTO_BUF data = BUF_INIT;

	buf_add(&data, magic, sizeof(magic));
	buf_add(&data, hello->nonce, FRAME_NONCE);
	add_u16(&data, hello->version);
	add_u16(&data, hello->other);
	frame_add(b, type, 0, data.data, data.len);
}

bool frame_hello(const struct frame *f, struct frame_hello *out)
{
	struct cursor c = cursor_of(f);
	const char *m = take(&c, sizeof(magic));
	const char *nonce = take(&c, FRAME_NONCE);

	out->version = (uint16_t)take_number(&c, 2);
	out->other = (uint16_t)take_number(&c, 2);
	if (!whole(&c) || memcmp(m, magic, sizeof(magic)))
		return false;
	memcpy(out->nonce, nonce, FRAME_NONCE);
	return true;
}

size_t frame_find_hello(const char *data, size_t len, enum frame_type type,
			const unsigned char *nonce, bool *found)
{
	unsigned char want[FRAME_HEADER + sizeof(magic) + FRAME_NONCE];
	size_t want_len = FRAME_HEADER + sizeof(magic);
	size_t at = 0;

	header(want, type, 0, HELLO_LEN);
	memcpy(want + FRAME_HEADER, magic, sizeof(magic));
	if (nonce) {
		memcpy(want + want_len, nonce, FRAME_NONCE);
		want_len += FRAME_NONCE;
	}
	*found = false;
	while (at < len) {
		const char *tag = memchr(data + at, FRAME_TAG, len - at);
		size_t here;

		if (!tag)
			return len;
		at = (size_t)(tag - data);
		here = len - at < want_len ? len - at : want_len;
		if (!memcmp(tag, want, here)) {
			*found = here == want_len;
			return at;
		}
		at++;
	}
	return at;
}

/* --------------------------------------------------------------------------------------- exec */

enum exec_flags { EXEC_TTY = 1, EXEC_STDIN = 2, EXEC_BUILTIN = 4 };

static void add_strings(struct buf *b, const struct strings *s)
{
	add_u32(b, (uint32_t)s->n);
	for (size_t i = 0; i < s->n; i++)
		add_text(b, s->v[i]);
}

bool frame_add_exec(struct buf *b, const struct frame_exec *exec)
{
	AUTO_BUF data = BUF_INIT;
	size_t at = 0;

	add_u16(&data, (exec->tty ? EXEC_TTY : 0) | (exec->want_stdin ? EXEC_STDIN : 0) |
		       (exec->builtin ? EXEC_BUILTIN : 0));
	add_u16(&data, exec->rows);
	add_u16(&data, exec->columns);
	add_text(&data, exec->user);
	add_text(&data, exec->cwd);
	add_strings(&data, &exec->argv);
	add_strings(&data, &exec->env);
	if (data.len > FRAME_EXEC_MAX || exec->argv.n > STRINGS_MAX || exec->env.n > STRINGS_MAX)
		return false;
	do {
		size_t part = data.len - at;
		bool more = part > FRAME_DATA_MAX;

		if (more)
			part = FRAME_DATA_MAX;
		frame_add(b, FRAME_EXEC, more ? FRAME_MORE : 0, data.data + at, part);
		at += part;
	} while (at < data.len);
	return true;
}

static void take_strings(struct cursor *c, struct strings *out)
{
	size_t n = take_number(c, 4);

	if (n > STRINGS_MAX)
		c->bad = true;
	for (size_t i = 0; i < n && !c->bad; i++) {
		AUTO_FREE char *text = take_text(c, FRAME_EXEC_MAX);

		if (text)
			strings_add(out, text);
	}
}

static char *null_if_empty(char *text)
{
	if (text && !*text) {
		free(text);
		return NULL;
	}
	return text;
}

bool frame_exec(const char *data, size_t len, struct frame_exec *out)
{
	struct cursor c = { data, len, false };
	unsigned int flags = (unsigned int)take_number(&c, 2);

	*out = (struct frame_exec){ .tty = flags & EXEC_TTY,
				    .want_stdin = flags & EXEC_STDIN,
				    .builtin = flags & EXEC_BUILTIN };
	out->rows = (uint16_t)take_number(&c, 2);
	out->columns = (uint16_t)take_number(&c, 2);
	out->user = null_if_empty(take_text(&c, FRAME_MESSAGE_MAX));
	out->cwd = null_if_empty(take_text(&c, FRAME_MESSAGE_MAX));
	take_strings(&c, &out->argv);
	take_strings(&c, &out->env);
	if (whole(&c))
		return true;
	frame_exec_release(out);
	return false;
}

void frame_exec_release(struct frame_exec *exec)
{
	free(exec->user);
	free(exec->cwd);
	strings_release(&exec->argv);
	strings_release(&exec->env);
	*exec = (struct frame_exec){ 0 };
}

/* ----------------------------------------------------------------------------- exit and resize */

void frame_add_exit(struct buf *b, enum frame_exit_kind kind, uint32_t code, const char *message)
{
	AUTO_FREE char *cut = xstrndup(message ? message : "", FRAME_MESSAGE_MAX);
	AUTO_BUF data = BUF_INIT;

	add_u32(&data, kind);
	add_u32(&data, code);
	add_text(&data, cut);
	frame_add(b, FRAME_EXIT, 0, data.data, data.len);
}

bool frame_exit(const struct frame *f, struct frame_exit *out)
{
	struct cursor c = cursor_of(f);
	uint64_t kind = take_number(&c, 4);
	uint64_t code = take_number(&c, 4);
	AUTO_FREE char *message = take_text(&c, FRAME_MESSAGE_MAX);

	if (!whole(&c) || kind > FRAME_FAILED || code > 255)
		return false;
	if (kind == FRAME_SIGNALLED && (!code || code > 127))
		return false;
	*out = (struct frame_exit){ (enum frame_exit_kind)kind, (uint32_t)code,
				    steal_ptr(&message) };
	return true;
}

void frame_add_resize(struct buf *b, uint16_t rows, uint16_t columns)
{
	AUTO_BUF data = BUF_INIT;

	add_u16(&data, rows);
	add_u16(&data, columns);
	frame_add(b, FRAME_RESIZE, 0, data.data, data.len);
}

bool frame_resize(const struct frame *f, uint16_t *rows, uint16_t *columns)
{
	struct cursor c = cursor_of(f);

	*rows = (uint16_t)take_number(&c, 2);
	*columns = (uint16_t)take_number(&c, 2);
	return whole(&c);
}
