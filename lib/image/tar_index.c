/* SPDX-License-Identifier: MIT */
#include "image/tar_index.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"

#define NAME_MAX_BYTES	 4096
#define PAX_MAX_BYTES	 (1u << 20)
#define LINKS_FOLLOWED	 8
#define BLOCKS_AT_ONCE	 32 /* headers of small members lie close together: fewer reads */

/* The common part of all tar headers (POSIX.1-1988 ustar). */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type;
	char link[100], magic[6], version[2], uname[32], gname[32], major[8], minor[8];
	char prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == TAR_BLOCK, "a tar header is one block");

/* What extension headers said about the next member. */
struct pending {
	char *name, *link; /* owned, NULL = not said */
	bool has_size;
	uint64_t size;
	bool sparse;
};

struct scan {
	int fd;
	const char *what;
	uint64_t at, end; /* offsets in the file */
	struct pending next;
	uint64_t window_at;
	size_t window_len;
	char window[BLOCKS_AT_ONCE * TAR_BLOCK];
};

static void pending_release(struct pending *p)
{
	free(p->name);
	free(p->link);
	*p = (struct pending){ 0 };
}

/* Octal digits, or base 256 when the top bit is set; false for anything else. */
static bool read_number(const char *field, size_t len, uint64_t *out)
{
	uint64_t value = 0;
	size_t i = 0;

	if ((unsigned char)field[0] & 0x80) {
		if ((unsigned char)field[0] != 0x80)
			return false; /* negative or beyond 64 bits */
		for (i = 1; i < len; i++) {
			if (value >> 55)
				return false;
			value = value << 8 | (unsigned char)field[i];
		}
		*out = value;
		return true;
	}
	while (i < len && field[i] == ' ')
		i++;
	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++)
		value = value << 3 | (uint64_t)(field[i] - '0');
	if (i < len && field[i] && field[i] != ' ')
		return false;
	*out = value;
	return true;
}

bool tar_is_header(const void *block)
{
	const unsigned char *bytes = block;
	const struct header *h = block;
	uint64_t wanted, sum = 0;

	if (!h->name[0] && !h->prefix[0])
		return false;
	if (!read_number(h->checksum, sizeof(h->checksum), &wanted))
		return false;
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : bytes[i];
	return sum == wanted;
}

static struct fault *damaged(const struct scan *s, const char *how)
{
	return fault_new(F_CORRUPT, "%s: %s at byte %llu", s->what, how, (unsigned long long)s->at);
}

static struct fault *read_at(const struct scan *s, uint64_t at, void *data, size_t len,
			     size_t *got)
{
	*got = 0;
	while (*got < len) {
		ssize_t n = pread(s->fd, (char *)data + *got, len - *got, (off_t)(at + *got));

		if (n < 0)
			return fault_sys(F_SYS, "reading %s", s->what);
		if (!n)
			break;
		*got += (size_t)n;
	}
	return NULL;
}

/* The block at s->at, from the window; *@block NULL at the end of the file. */
static struct fault *read_block(struct scan *s, const char **block)
{
	if (s->at < s->window_at || s->at + TAR_BLOCK > s->window_at + s->window_len) {
		s->window_at = s->at;
		TRY(read_at(s, s->at, s->window, sizeof(s->window), &s->window_len));
	}
	if (s->window_len < TAR_BLOCK && s->window_len)
		return damaged(s, "the archive is truncated");
	*block = s->window_len ? s->window + (s->at - s->window_at) : NULL;
	return NULL;
}

static struct fault *read_long_text(struct scan *s, uint64_t size, size_t max, struct buf *out)
{
	size_t got;

	if (size > max)
		return damaged(s, "an extension header is too long");
	TRY(read_at(s, s->at + TAR_BLOCK, buf_grow(out, size), size, &got));
	if (got != size)
		return damaged(s, "the archive is truncated");
	out->len += size;
	out->data[out->len] = '\0';
	return NULL;
}

static void set_text(char **slot, const char *text, size_t len)
{
	free(*slot);
	*slot = xstrndup(text, len);
}

static bool read_decimal(const char *text, size_t len, uint64_t *out)
{
	uint64_t value = 0;

	if (!len || len > 18)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*out = value;
	return true;
}

/* One "LEN KEY=VALUE\n" of a pax header. */
static bool pax_record(struct pending *next, const char *key, size_t key_len, const char *value,
		       size_t len)
{
	if (key_len == 4 && !memcmp(key, "path", 4)) {
		set_text(&next->name, value, len);
	} else if (key_len == 8 && !memcmp(key, "linkpath", 8)) {
		set_text(&next->link, value, len);
	} else if (key_len == 4 && !memcmp(key, "size", 4)) {
		next->has_size = true;
		return read_decimal(value, len, &next->size);
	} else if (key_len > 10 && !memcmp(key, "GNU.sparse", 10)) {
		next->sparse = true;
	}
	return true;
}

static struct fault *read_pax(struct scan *s, uint64_t size)
{
	AUTO_BUF text = BUF_INIT;
	size_t at = 0;

	TRY(read_long_text(s, size, PAX_MAX_BYTES, &text));
	while (at < text.len) {
		const char *line = text.data + at;
		const char *space = memchr(line, ' ', text.len - at);
		const char *equals;
		uint64_t len;

		if (!space || !read_decimal(line, (size_t)(space - line), &len) ||
		    len > text.len - at || len < (size_t)(space - line) + 3 ||
		    line[len - 1] != '\n')
			return damaged(s, "a pax header is malformed");
		equals = memchr(space, '=', (size_t)(line + len - space));
		if (!equals || !pax_record(&s->next, space + 1, (size_t)(equals - space - 1),
					   equals + 1, (size_t)(line + len - 1 - equals - 1)))
			return damaged(s, "a pax header is malformed");
		at += len;
	}
	return NULL;
}

/* GNU 'L' and 'K': the data is the next member's long name or link target. */
static struct fault *read_gnu_long(struct scan *s, uint64_t size, char **slot)
{
	AUTO_BUF text = BUF_INIT;

	TRY(read_long_text(s, size, NAME_MAX_BYTES * 4, &text));
	set_text(slot, text.data, text.len);
	return NULL;
}

static char *header_name(const struct header *h)
{
	AUTO_BUF name = BUF_INIT;

	if (!memcmp(h->magic, "ustar", 6) && h->prefix[0]) {
		buf_add(&name, h->prefix, strnlen(h->prefix, sizeof(h->prefix)));
		buf_addc(&name, '/');
	}
	buf_add(&name, h->name, strnlen(h->name, sizeof(h->name)));
	return buf_steal(&name);
}

/* Drop what makes two spellings of one name: "./", "/" in front, "/" at the end. */
static char *plain_name(char *name)
{
	size_t skip = 0, len;
	char *plain;

	while (name[skip] == '/' || (name[skip] == '.' && name[skip + 1] == '/'))
		skip += name[skip] == '/' ? 1 : 2;
	if (!strcmp(name + skip, "."))
		skip++;
	len = strlen(name + skip);
	while (len && name[skip + len - 1] == '/')
		len--;
	plain = xstrndup(name + skip, len);
	free(name);
	return plain;
}

static struct fault *add_member(struct scan *s, const struct header *h, uint64_t size,
				struct tar_index *out)
{
	struct tar_member *m;

	if (out->members.n >= TAR_MEMBERS_MAX)
		return fault_new(F_UNSUPPORTED, "%s has more than %d members", s->what,
				 TAR_MEMBERS_MAX);
	m = records_add(&out->members, sizeof(struct tar_member));
	m->name = plain_name(s->next.name ? steal_ptr(&s->next.name) : header_name(h));
	if (h->type == '1' || h->type == '2')
		m->link = s->next.link ? steal_ptr(&s->next.link)
				       : xstrndup(h->link, sizeof(h->link));
	m->type = !h->type || h->type == '7' ? '0' : h->type;
	if (s->next.sparse || h->type == 'S')
		m->type = 'S';
	m->offset = s->at + TAR_BLOCK;
	m->size = size;
	pending_release(&s->next);
	return NULL;
}

static bool is_zero(const char *block)
{
	for (size_t i = 0; i < TAR_BLOCK; i++)
		if (block[i])
			return false;
	return true;
}

/* The header at s->at and all that belongs to it; *@end at the end of the archive. */
static struct fault *read_member(struct scan *s, struct tar_index *out, bool *end)
{
	const struct header *h;
	const char *block;
	uint64_t size;

	TRY(read_block(s, &block));
	if (!block || is_zero(block)) {
		*end = true;
		return NULL;
	}
	if (!tar_is_header(block))
		return damaged(s, "a tar header is damaged");
	h = (const struct header *)block;
	if (!read_number(h->size, sizeof(h->size), &size))
		return damaged(s, "a tar header has a malformed size");
	if (h->type == '1' || h->type == '2' || (h->type >= '3' && h->type <= '6'))
		size = 0;
	else if (s->next.has_size && !strchr("xgLK", h->type))
		size = s->next.size;
	if (size > s->end || s->at + TAR_BLOCK > s->end - size)
		return damaged(s, "the archive is truncated");
	if (h->type == 'x')
		TRY(read_pax(s, size));
	else if (h->type == 'L')
		TRY(read_gnu_long(s, size, &s->next.name));
	else if (h->type == 'K')
		TRY(read_gnu_long(s, size, &s->next.link));
	else if (h->type != 'g' && h->type != 'V')
		TRY(add_member(s, h, size, out));
	s->at += TAR_BLOCK + (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
	return NULL;
}

static struct fault *scan_all(struct scan *s, bool (*stop)(const struct tar_index *),
			      struct tar_index *out)
{
	for (;;) {
		bool end = false;

		TRY(cancel_check());
		TRY(read_member(s, out, &end));
		if (end) {
			out->complete = true;
			return NULL;
		}
		if (stop && stop(out))
			return NULL;
	}
}

struct fault *tar_index_read(int fd, const char *what, bool (*stop)(const struct tar_index *),
			     struct tar_index *out)
{
	AUTO_FREE struct scan *s = xcalloc(1, sizeof(*s));
	struct stat st;
	struct fault *f;

	*out = (struct tar_index){ 0 };
	if (fstat(fd, &st) < 0)
		return fault_sys(F_SYS, "reading %s", what);
	s->fd = fd;
	s->what = what;
	s->end = (uint64_t)st.st_size;
	f = scan_all(s, stop, out);
	pending_release(&s->next);
	return f;
}

void tar_index_release(struct tar_index *index)
{
	struct tar_member *m = index->members.v;

	for (size_t i = 0; i < index->members.n; i++) {
		free(m[i].name);
		free(m[i].link);
	}
	free(m);
	*index = (struct tar_index){ 0 };
}

static const struct tar_member *find_last(const struct tar_index *index, const char *name)
{
	const struct tar_member *m = index->members.v;

	for (size_t i = index->members.n; i-- > 0;)
		if (!strcmp(m[i].name, name))
			return &m[i];
	return NULL;
}

/* Where relative @link, found in @name, points to; NULL when that is outside the archive. */
static char *resolve_link(const char *name, const char *link)
{
	const char *slash = strrchr(name, '/');
	size_t dir_len = slash ? (size_t)(slash - name) : 0;
	AUTO_BUF path = BUF_INIT;

	if (*link == '/')
		return NULL;
	buf_add(&path, name, dir_len);
	while (*link) {
		size_t len = strcspn(link, "/");

		if (len == 2 && !memcmp(link, "..", 2)) {
			char *up = strrchr(path.data, '/');

			if (!path.len)
				return NULL;
			path.len = up ? (size_t)(up - path.data) : 0;
			buf_grow(&path, 1)[0] = '\0';
		} else if (len && !(len == 1 && *link == '.')) {
			if (path.len)
				buf_addc(&path, '/');
			buf_add(&path, link, len);
		}
		link += len + (link[len] == '/');
	}
	return buf_steal(&path);
}

const struct tar_member *tar_index_find(const struct tar_index *index, const char *name)
{
	const struct tar_member *m = find_last(index, name);

	for (int i = 0; i < LINKS_FOLLOWED && m && m->link; i++) {
		AUTO_FREE char *target = m->type == '1' ? plain_name(xstrdup(m->link))
							: resolve_link(m->name, m->link);

		m = target ? find_last(index, target) : NULL;
	}
	return m && (m->type == '0' || m->type == 'S') ? m : NULL;
}
