/* SPDX-License-Identifier: MIT */
/* tar_write.c - writing tar streams. */
#include <errno.h>
#include <string.h>

#include "guest/tar_header.h"
#include "guest/tar_stream.h"

#define BATCH	   65536
#define RANGES_MAX 100000

struct tar_writer {
	struct tar_sink sink;
	int fd;
	struct buf out;	  /* not handed to the sink yet */
	uint64_t left;	  /* bytes of data that the entry still wants */
	size_t padding;	  /* zeros after them */
};

static struct fault *write_fd(void *context, const void *data, size_t len)
{
	const int *fd = context;
	const char *at = data;

	while (len) {
		ssize_t n = write(*fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "writing the archive");
		at += n;
		len -= (size_t)n;
	}
	return NULL;
}

struct tar_writer *tar_writer_new(const struct tar_sink *sink)
{
	struct tar_writer *w = xcalloc(1, sizeof(*w));

	w->sink = *sink;
	buf_init(&w->out);
	return w;
}

struct tar_writer *tar_writer_new_fd(int fd)
{
	struct tar_writer *w = tar_writer_new(&(struct tar_sink){ .write = write_fd });

	w->fd = fd;
	w->sink.context = &w->fd;
	return w;
}

void tar_writer_free(struct tar_writer *w)
{
	if (!w)
		return;
	buf_release(&w->out);
	free(w);
}

static struct fault *flush(struct tar_writer *w, size_t keep)
{
	struct fault *f;

	if (w->out.len <= keep)
		return NULL;
	f = w->sink.write(w->sink.context, w->out.data, w->out.len);
	buf_clear(&w->out);
	return f;
}

static void add_zeros(struct buf *b, size_t len)
{
	memset(buf_grow(b, len), 0, len);
	b->len += len;
}

static size_t padding_of(uint64_t len)
{
	return (size_t)(-len % TAR_BLOCK);
}

/* ------------------------------------------------------------------------------------- headers */

/* A pax record is "<its whole length> <key>=<value>\n". */
static void pax_add(struct buf *b, const char *key, const char *value, size_t value_len)
{
	size_t rest = strlen(key) + value_len + 3, len = rest + 1;
	char digits[24];

	while (len != rest + (size_t)snprintf(digits, sizeof(digits), "%zu", len))
		len++;
	buf_addf(b, "%zu %s=", len, key);
	buf_add(b, value, value_len);
	buf_addc(b, '\n');
}

static void pax_add_number(struct buf *b, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	pax_add(b, key, text, strlen(text));
}

static void put_octal(char *field, size_t size, uint64_t value)
{
	field[--size] = '\0';
	while (size) {
		field[--size] = (char)('0' + (value & 7));
		value >>= 3;
	}
}

static void add_header(struct buf *b, struct tar_header *h)
{
	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	put_octal(h->checksum, 7, tar_checksum(h));
	h->checksum[7] = ' ';
	buf_add(b, h, sizeof(*h));
}

static void add_extended(struct buf *b, const struct buf *records)
{
	struct tar_header h = { .name = "pax", .type = 'x' };

	if (!records->len)
		return;
	put_octal(h.mode, sizeof(h.mode), 0644);
	put_octal(h.uid, sizeof(h.uid), 0);
	put_octal(h.gid, sizeof(h.gid), 0);
	put_octal(h.mtime, sizeof(h.mtime), 0);
	put_octal(h.size, sizeof(h.size), records->len);
	add_header(b, &h);
	buf_add(b, records->data, records->len);
	add_zeros(b, padding_of(records->len));
}

/* A text that fits its field as it is; otherwise a record says it and the field has its beginning. */
static void put_text(char *field, size_t size, const char *text, const char *key, struct buf *pax)
{
	size_t len = strlen(text);

	if (len >= size) {
		pax_add(pax, key, text, len);
		len = size - 1;
	}
	memcpy(field, text, len);
}

static void put_number(char *field, size_t size, uint64_t value, const char *key, struct buf *pax)
{
	if (value >> (3 * (size - 1))) {
		pax_add_number(pax, key, value);
		value = 0;
	}
	put_octal(field, size, value);
}

static void put_mtime(struct tar_header *h, const struct tar_item *item, struct buf *pax)
{
	int64_t sec = item->mtime_sec;
	bool plain = sec >= 0 && sec < INT64_C(1) << 33;
	char text[64];

	put_octal(h->mtime, sizeof(h->mtime), plain ? (uint64_t)sec : 0);
	if (plain && !item->mtime_nsec)
		return;
	/* Before 1970 a fraction counts the other way than tv_nsec does; whole seconds are kept. */
	if (sec < 0)
		snprintf(text, sizeof(text), "%lld", (long long)sec);
	else
		snprintf(text, sizeof(text), "%lld.%09u", (long long)sec, item->mtime_nsec);
	pax_add(pax, "mtime", text, strlen(text));
}

static char type_of(enum tar_kind kind)
{
	switch (kind) {
	case TAR_DIRECTORY:
		return '5';
	case TAR_SYMLINK:
		return '2';
	case TAR_HARDLINK:
		return '1';
	case TAR_FILE:
	case TAR_REMOVE:
	case TAR_SPECIAL:
		break;
	}
	return '0';
}

/*
 * The map of a sparse file comes before its data: counts and ranges, a line each, padded.  GNU tar takes
 * the end of the last range for the file's: an empty one says where that is.
 */
static void sparse_map(const struct tar_range *ranges, size_t n, uint64_t size, struct buf *map)
{
	buf_addf(map, "%zu\n", n + 1);
	for (size_t i = 0; i < n; i++)
		buf_addf(map, "%llu\n%llu\n", (unsigned long long)ranges[i].offset,
			 (unsigned long long)ranges[i].len);
	buf_addf(map, "%llu\n0\n", (unsigned long long)size);
	add_zeros(map, padding_of(map->len));
}

static struct fault *check_names(const struct tar_item *item)
{
	if (!*item->path || strlen(item->path) > TAR_PATH_MAX)
		return fault_new(F_INVALID, "'%.200s': a name of more than %d bytes", item->path,
				 TAR_PATH_MAX);
	if (item->link && strlen(item->link) > TAR_PATH_MAX)
		return fault_new(F_INVALID, "'%s': a link target of more than %d bytes", item->path,
				 TAR_PATH_MAX);
	return NULL;
}

struct fault *tar_writer_add(struct tar_writer *w, const struct tar_item *item,
			     const struct tar_range *ranges, size_t n_ranges)
{
	struct tar_header h = { .type = type_of(item->kind) };
	AUTO_BUF pax = BUF_INIT;
	AUTO_BUF map = BUF_INIT;
	uint64_t size = item->kind == TAR_FILE ? item->size : 0;

	TRY(check_names(item));
	if (ranges && size && n_ranges < RANGES_MAX) {
		pax_add(&pax, "GNU.sparse.major", "1", 1);
		pax_add(&pax, "GNU.sparse.minor", "0", 1);
		pax_add(&pax, "GNU.sparse.name", item->path, strlen(item->path));
		pax_add_number(&pax, "GNU.sparse.realsize", size);
		sparse_map(ranges, n_ranges, size, &map);
		size = 0;
		for (size_t i = 0; i < n_ranges; i++)
			size += ranges[i].len;
	}
	if (item->kind == TAR_REMOVE)
		pax_add(&pax, "BANGER.remove", "1", 1);
	put_text(h.name, sizeof(h.name), item->path, "path", &pax);
	put_text(h.link, sizeof(h.link), item->link ? item->link : "", "linkpath", &pax);
	put_octal(h.mode, sizeof(h.mode), item->mode & 07777);
	put_number(h.uid, sizeof(h.uid), item->uid, "uid", &pax);
	put_number(h.gid, sizeof(h.gid), item->gid, "gid", &pax);
	put_number(h.size, sizeof(h.size), size + map.len, "size", &pax);
	put_mtime(&h, item, &pax);
	add_extended(&w->out, &pax);
	add_header(&w->out, &h);
	buf_add(&w->out, map.data, map.len);
	w->left = size;
	w->padding = padding_of(size);
	return flush(w, BATCH);
}

struct fault *tar_writer_data(struct tar_writer *w, const void *data, size_t len)
{
	if (len > w->left)
		return fault_new(F_STATE, "more data than the archive's entry has room for");
	w->left -= len;
	buf_add(&w->out, data, len);
	if (!w->left)
		add_zeros(&w->out, w->padding);
	return flush(w, BATCH);
}

struct fault *tar_writer_remove(struct tar_writer *w, const char *path)
{
	return tar_writer_add(w, &(struct tar_item){ .kind = TAR_REMOVE, .path = path }, NULL, 0);
}

struct fault *tar_writer_finish(struct tar_writer *w)
{
	if (w->left)
		return fault_new(F_STATE, "less data than the archive's entry has room for");
	add_zeros(&w->out, (size_t)2 * TAR_BLOCK);
	return flush(w, 0);
}
