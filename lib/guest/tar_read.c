/* SPDX-License-Identifier: MIT */
/* tar_read.c - reading tar streams.  Every byte is hostile. */
#include <errno.h>
#include <string.h>

#include "guest/tar_header.h"
#include "guest/tar_stream.h"

#define READ_MAX     65536
#define EXTENDED_MAX (256 * 1024) /* one pax header */
#define RANGES_MAX   100000
#define SIZE_LIMIT   (UINT64_C(1) << 62)

/* What extended headers said about the entry that follows. */
struct extra {
	char *path, *link, *sparse_name; /* owned */
	bool has_size, has_mtime, has_uid, has_gid, remove;
	uint64_t size, realsize, uid, gid, sparse_major, sparse_minor;
	int64_t mtime_sec;
	uint32_t mtime_nsec;
};

struct tar_reader {
	struct tar_source source;
	const char *what;
	int fd;
	char buffer[READ_MAX];
	size_t at, len;
	bool over; /* the source has ended */
	struct extra extra;
	char *path, *link; /* of the current entry; owned */
	uint64_t left;	   /* of its data in the archive */
	size_t padding;
	uint64_t offset; /* in the file */
	struct tar_range *ranges; /* owned; of a sparse file */
	size_t n_ranges, range;
};

static struct fault *read_fd(void *context, void *data, size_t max, size_t *len)
{
	const int *fd = context;
	ssize_t n;

	do
		n = read(*fd, data, max);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fault_sys(F_SYS, "reading an archive");
	*len = (size_t)n;
	return NULL;
}

struct tar_reader *tar_reader_new(const struct tar_source *source, const char *what)
{
	struct tar_reader *r = xcalloc(1, sizeof(*r));

	r->source = *source;
	r->what = what;
	return r;
}

struct tar_reader *tar_reader_new_fd(int fd, const char *what)
{
	struct tar_reader *r = tar_reader_new(&(struct tar_source){ .read = read_fd }, what);

	r->fd = fd;
	r->source.context = &r->fd;
	return r;
}

static void extra_release(struct extra *e)
{
	free(e->path);
	free(e->link);
	free(e->sparse_name);
	*e = (struct extra){ 0 };
}

static void entry_release(struct tar_reader *r)
{
	free(r->path);
	free(r->link);
	free(r->ranges);
	r->path = r->link = NULL;
	r->ranges = NULL;
	r->n_ranges = r->range = 0;
	r->offset = 0;
}

void tar_reader_free(struct tar_reader *r)
{
	if (!r)
		return;
	extra_release(&r->extra);
	entry_release(r);
	free(r);
}

static struct fault *bad(const struct tar_reader *r, const char *why)
{
	return fault_new(F_CORRUPT, "%s: %s", r->what, why);
}

/* --------------------------------------------------------------------------------------- bytes */

static struct fault *fill(struct tar_reader *r)
{
	if (r->at < r->len || r->over)
		return NULL;
	r->at = r->len = 0;
	TRY(r->source.read(r->source.context, r->buffer, sizeof(r->buffer), &r->len));
	r->over = !r->len;
	return NULL;
}

/* Take at most @max bytes that are in the buffer; at least one. */
static struct fault *take_some(struct tar_reader *r, uint64_t max, const char **data, size_t *len)
{
	TRY(fill(r));
	if (r->over)
		return bad(r, "it ends in the middle");
	*len = r->len - r->at < max ? r->len - r->at : (size_t)max;
	*data = r->buffer + r->at;
	r->at += *len;
	return NULL;
}

static struct fault *take(struct tar_reader *r, void *data, size_t len)
{
	char *to = data;

	while (len) {
		const char *from;
		size_t n;

		TRY(take_some(r, len, &from, &n));
		memcpy(to, from, n);
		to += n;
		len -= n;
	}
	return NULL;
}

static struct fault *skip(struct tar_reader *r, uint64_t len)
{
	while (len) {
		const char *ignored;
		size_t n;

		TRY(take_some(r, len, &ignored, &n));
		len -= n;
	}
	return NULL;
}

/* ------------------------------------------------------------------------------------- numbers */

/* Octal digits between blanks, or base 256 when the first byte says so. */
static bool field_number(const char *field, size_t size, uint64_t *out)
{
	const unsigned char *p = (const unsigned char *)field;
	uint64_t value = 0;
	size_t i = 0;

	if (p[0] & 0x80) {
		value = p[0] & 0x7f; /* a negative number ends as one that is too large */
		for (i = 1; i < size; i++) {
			if (value >> 54)
				return false;
			value = value << 8 | p[i];
		}
		*out = value;
		return true;
	}
	while (i < size && p[i] == ' ')
		i++;
	for (; i < size && p[i] >= '0' && p[i] <= '7'; i++)
		value = value << 3 | (uint64_t)(p[i] - '0');
	for (; i < size; i++)
		if (p[i] && p[i] != ' ')
			return false;
	*out = value;
	return true;
}

/* A time may lie before 1970: base 256 with 0xff in front. */
static bool field_time(const char *field, size_t size, int64_t *out)
{
	const unsigned char *p = (const unsigned char *)field;
	uint64_t value = UINT64_MAX;

	if (p[0] == 0xff) {
		for (size_t i = size - 8; i < size; i++)
			value = value << 8 | p[i];
		*out = (int64_t)value;
		return *out < 0;
	}
	if (!field_number(field, size, &value) || value >= SIZE_LIMIT)
		return false;
	*out = (int64_t)value;
	return true;
}

static bool decimal(const char *text, size_t len, uint64_t *out)
{
	uint64_t value = 0;

	if (!len || len > 19)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*out = value;
	return value < SIZE_LIMIT;
}

/* "[-]seconds[.fraction]" */
static bool decimal_time(const char *text, size_t len, int64_t *sec, uint32_t *nsec)
{
	const char *dot = memchr(text, '.', len);
	bool negative = len && text[0] == '-';
	size_t whole = dot ? (size_t)(dot - text) : len;
	uint32_t fraction = 0, scale = 100000000;
	uint64_t value;

	if (!decimal(text + negative, whole - negative, &value))
		return false;
	for (size_t i = whole + 1; i < len; i++, scale /= 10) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		fraction += (uint32_t)(text[i] - '0') * scale;
	}
	*sec = negative ? -(int64_t)value : (int64_t)value;
	*nsec = negative ? 0 : fraction;
	return true;
}

/* ---------------------------------------------------------------------------- extended headers */

static struct fault *set_text(const struct tar_reader *r, char **slot, const char *value,
			      size_t len)
{
	if (len > TAR_PATH_MAX)
		return bad(r, "a name is too long");
	if (memchr(value, 0, len))
		return bad(r, "a name has a zero byte in it");
	free(*slot);
	*slot = xstrndup(value, len);
	return NULL;
}

static bool key_is(const char *key, size_t len, const char *name)
{
	return len == strlen(name) && !memcmp(key, name, len);
}

static struct fault *pax_record(struct tar_reader *r, const char *key, size_t key_len,
				const char *value, size_t len)
{
	struct extra *e = &r->extra;
	bool ok = true;

	if (key_is(key, key_len, "path"))
		return set_text(r, &e->path, value, len);
	if (key_is(key, key_len, "linkpath"))
		return set_text(r, &e->link, value, len);
	if (key_is(key, key_len, "GNU.sparse.name"))
		return set_text(r, &e->sparse_name, value, len);
	if (key_is(key, key_len, "size"))
		ok = e->has_size = decimal(value, len, &e->size);
	else if (key_is(key, key_len, "uid"))
		ok = e->has_uid = decimal(value, len, &e->uid) && e->uid <= UINT32_MAX;
	else if (key_is(key, key_len, "gid"))
		ok = e->has_gid = decimal(value, len, &e->gid) && e->gid <= UINT32_MAX;
	else if (key_is(key, key_len, "mtime"))
		ok = e->has_mtime = decimal_time(value, len, &e->mtime_sec, &e->mtime_nsec);
	else if (key_is(key, key_len, "GNU.sparse.major"))
		ok = decimal(value, len, &e->sparse_major);
	else if (key_is(key, key_len, "GNU.sparse.minor"))
		ok = decimal(value, len, &e->sparse_minor);
	else if (key_is(key, key_len, "GNU.sparse.realsize"))
		ok = decimal(value, len, &e->realsize);
	else if (key_is(key, key_len, "BANGER.remove"))
		e->remove = true;
	return ok ? NULL : bad(r, "an extended header has a number that is none");
}

static struct fault *parse_pax(struct tar_reader *r, const char *data, size_t len)
{
	while (len) {
		const char *blank = memchr(data, ' ', len < 20 ? len : 20), *equals;
		size_t head = blank ? (size_t)(blank - data) : 0;
		uint64_t size;

		if (!blank || !decimal(data, head, &size) || size > len || size < head + 3 ||
		    data[size - 1] != '\n')
			return bad(r, "a malformed extended header");
		equals = memchr(blank + 1, '=', size - head - 2);
		if (!equals)
			return bad(r, "a malformed extended header");
		TRY(pax_record(r, blank + 1, (size_t)(equals - blank - 1), equals + 1,
			       (size_t)(data + size - 1 - (equals + 1))));
		data += size;
		len -= size;
	}
	return NULL;
}

static struct fault *extended(struct tar_reader *r, char type, uint64_t size)
{
	AUTO_FREE char *data = NULL;

	if (size > EXTENDED_MAX)
		return bad(r, "an extended header is too long");
	data = xmalloc(size + 1);
	TRY(take(r, data, size));
	TRY(skip(r, -size % TAR_BLOCK));
	data[size] = '\0';
	if (type == 'x')
		return parse_pax(r, data, size);
	if (type == 'L')
		return set_text(r, &r->extra.path, data, strlen(data));
	if (type == 'K')
		return set_text(r, &r->extra.link, data, strlen(data));
	return NULL; /* 'g': what holds for the whole archive is of no use to us */
}

/* --------------------------------------------------------------------------------- sparse files */

static struct fault *sparse_number(struct tar_reader *r, uint64_t *used, uint64_t *out)
{
	char text[24];
	size_t n = 0;

	for (;; n++) {
		if (n == sizeof(text) || *used == r->left)
			return bad(r, "a sparse file's map is malformed");
		TRY(take(r, &text[n], 1));
		++*used;
		if (text[n] == '\n')
			break;
	}
	return decimal(text, n, out) ? NULL : bad(r, "a sparse file's map is malformed");
}

static struct fault *sparse_map(struct tar_reader *r, uint64_t realsize)
{
	uint64_t used = 0, n, end = 0, data = 0, padding;

	TRY(sparse_number(r, &used, &n));
	if (n > RANGES_MAX)
		return bad(r, "a sparse file has too many holes");
	r->ranges = xcalloc(n + 1, sizeof(*r->ranges));
	for (r->n_ranges = 0; r->n_ranges < n; r->n_ranges++) {
		struct tar_range *range = &r->ranges[r->n_ranges];

		TRY(sparse_number(r, &used, &range->offset));
		TRY(sparse_number(r, &used, &range->len));
		if (range->offset < end || range->len > realsize ||
		    range->offset > realsize - range->len)
			return bad(r, "a sparse file's map is malformed");
		end = range->offset + range->len;
		data += range->len;
	}
	padding = -used % TAR_BLOCK;
	if (padding > r->left - used || r->left - used - padding != data)
		return bad(r, "a sparse file's map does not fit its size");
	TRY(skip(r, padding));
	r->left = data;
	return NULL;
}

/* ------------------------------------------------------------------------------------- entries */

static struct fault *read_header(struct tar_reader *r, struct tar_header *h, bool *end)
{
	static const struct tar_header zero;
	uint64_t sum;

	*end = false;
	TRY(take(r, h, sizeof(*h)));
	if (!memcmp(h, &zero, sizeof(zero))) {
		*end = true;
		return NULL;
	}
	if (!field_number(h->checksum, sizeof(h->checksum), &sum) || sum != tar_checksum(h))
		return bad(r, "a header's checksum is wrong");
	return NULL;
}

static char *field_text(const char *field, size_t size)
{
	return xstrndup(field, strnlen(field, size));
}

static char *header_path(const struct tar_header *h)
{
	AUTO_FREE char *name = field_text(h->name, sizeof(h->name));
	AUTO_FREE char *prefix = NULL;

	/* GNU's own format ("ustar  ") has other things where the prefix is. */
	if (memcmp(h->magic, "ustar\0", 6) || !h->prefix[0])
		return steal_ptr(&name);
	prefix = field_text(h->prefix, sizeof(h->prefix));
	return xasprintf("%s/%s", prefix, name);
}

static struct fault *kind_of(const struct tar_reader *r, char type, enum tar_kind *kind)
{
	switch (type) {
	case '\0':
	case '0':
	case '7':
		*kind = TAR_FILE;
		return NULL;
	case '1':
		*kind = TAR_HARDLINK;
		return NULL;
	case '2':
		*kind = TAR_SYMLINK;
		return NULL;
	case '3':
	case '4':
	case '6':
		*kind = TAR_SPECIAL;
		return NULL;
	case '5':
		*kind = TAR_DIRECTORY;
		return NULL;
	case 'S':
		return bad(r, "it has a sparse file in GNU's old format; make it with --format=posix");
	default:
		return bad(r, "it has an entry of an unknown type");
	}
}

static struct fault *entry(struct tar_reader *r, const struct tar_header *h, uint64_t size,
			   struct tar_item *item)
{
	struct extra *e = &r->extra;
	uint64_t mode, uid, gid;
	int64_t mtime;

	TRY(kind_of(r, h->type, &item->kind));
	if (!field_number(h->mode, sizeof(h->mode), &mode) ||
	    !field_number(h->uid, sizeof(h->uid), &uid) ||
	    !field_number(h->gid, sizeof(h->gid), &gid) ||
	    !field_time(h->mtime, sizeof(h->mtime), &mtime))
		return bad(r, "a header has a number that is none");
	r->path = e->sparse_name ? steal_ptr(&e->sparse_name)
		  : e->path	 ? steal_ptr(&e->path)
				 : header_path(h);
	r->link = e->link ? steal_ptr(&e->link) : field_text(h->link, sizeof(h->link));
	if (!*r->path)
		return bad(r, "an entry has no name");
	item->path = r->path;
	item->link = r->link;
	item->mode = (mode_t)(mode & 07777);
	item->uid = (uint32_t)(e->has_uid ? e->uid : uid);
	item->gid = (uint32_t)(e->has_gid ? e->gid : gid);
	item->mtime_sec = e->has_mtime ? e->mtime_sec : mtime;
	item->mtime_nsec = e->has_mtime ? e->mtime_nsec : 0;
	/* Old archives have directories as files whose name ends in a slash. */
	if (item->kind == TAR_FILE && r->path[strlen(r->path) - 1] == '/')
		item->kind = TAR_DIRECTORY;
	r->left = size;
	r->padding = (size_t)(-size % TAR_BLOCK);
	item->size = size;
	if (item->kind != TAR_FILE) {
		TRY(skip(r, r->left + r->padding));
		r->left = r->padding = 0;
		item->size = 0;
	} else if (e->sparse_major == 1 && !e->sparse_minor) {
		item->size = e->realsize;
		TRY(sparse_map(r, e->realsize));
	} else if (e->sparse_major || e->sparse_minor) {
		return bad(r, "it has a sparse file in a format that is not supported");
	}
	if (e->remove)
		item->kind = TAR_REMOVE;
	return NULL;
}

static bool is_extended(char type)
{
	return type == 'x' || type == 'g' || type == 'L' || type == 'K';
}

struct fault *tar_reader_next(struct tar_reader *r, struct tar_item *item, bool *end)
{
	struct tar_header h;
	uint64_t size;

	TRY(skip(r, r->left + r->padding));
	r->left = r->padding = 0;
	entry_release(r);
	extra_release(&r->extra);
	*item = (struct tar_item){ 0 };
	for (;;) {
		TRY(read_header(r, &h, end));
		if (*end)
			return NULL;
		if (!field_number(h.size, sizeof(h.size), &size) || size >= SIZE_LIMIT)
			return bad(r, "a header has a size that is none");
		if (!is_extended(h.type))
			break;
		TRY(extended(r, h.type, size));
	}
	return entry(r, &h, r->extra.has_size ? r->extra.size : size, item);
}

struct fault *tar_reader_data(struct tar_reader *r, const void **data, size_t *len,
			      uint64_t *offset)
{
	uint64_t max = r->left;
	const char *bytes;

	*len = 0;
	if (!r->left)
		return NULL;
	while (r->ranges && r->range < r->n_ranges && !r->ranges[r->range].len)
		r->range++;
	if (r->ranges) {
		struct tar_range *range = &r->ranges[r->range];

		r->offset = range->offset;
		max = range->len;
	}
	TRY(take_some(r, max, &bytes, len));
	*data = bytes;
	*offset = r->offset;
	r->offset += *len;
	r->left -= *len;
	if (r->ranges) {
		r->ranges[r->range].offset += *len;
		r->ranges[r->range].len -= *len;
	}
	return NULL;
}

struct fault *tar_reader_drain(struct tar_reader *r)
{
	while (!r->over) {
		TRY(fill(r));
		r->at = r->len;
	}
	return NULL;
}
