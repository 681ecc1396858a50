/* SPDX-License-Identifier: MIT */
#include "kernel/bzimage.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/archive_reader.h"
#include "base/cancel.h"
#include "base/file.h"

#define SECTOR		    512
#define SETUP_SECTS	    0x1f1
#define BOOT_FLAG	    0x1fe
#define HEADER_MAGIC	    0x202
#define HEADER_VERSION	    0x206
#define VERSION_POINTER	    0x20e /* of a text, less SECTOR */
#define PAYLOAD_OFFSET	    0x248
#define PAYLOAD_LENGTH	    0x24c
#define HEADER_BYTES	    0x250
#define VERSION_WITH_PAYLOAD 0x0208 /* boot protocol 2.08, Linux 2.6.26 */
#define COPY_BYTES	    65536

struct codec {
	const char *name;
	const char *magic;
	size_t magic_len;
	bool own_trailer; /* gzip: ends in check sum and size; else the build adds the size */
	bool known;
};

static const struct codec codecs[] = {
	{ "gzip", "\x1f\x8b", 2, true, true },
	{ "bzip2", "BZh", 3, false, true },
	{ "lzma", "\x5d\0\0", 3, false, true },
	{ "xz", "\xfd" "7zXZ\0", 6, false, true },
	{ "lz4", "\x02\x21\x4c\x18", 4, false, true },
	{ "zstd", "\x28\xb5\x2f\xfd", 4, false, true },
	{ "lzo", "\x89LZO", 4, false, false },
};

/* The compressed kernel as a source of bytes, never reading past its end. */
struct payload {
	int fd;
	const char *what;
	uint64_t at, end;
	char block[COPY_BYTES];
};

/* Where the ELF kernel goes: bounded, and the header kept to be looked at. */
struct sink {
	int fd;
	const char *what;
	uint64_t bytes, max;
	uint32_t *crc_table; /* owned; NULL = no check sum wanted */
	uint32_t crc;
	unsigned char head[sizeof(Elf64_Ehdr)];
};

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

/* Read @len bytes at @at, or fewer at the end of the file. */
static struct fault *read_at(int fd, uint64_t at, void *data, size_t len, const char *what,
			     size_t *got)
{
	*got = 0;
	while (*got < len) {
		ssize_t n = pread(fd, (char *)data + *got, len - *got, (off_t)(at + *got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "reading %s", what);
		if (n == 0)
			break;
		*got += (size_t)n;
	}
	return NULL;
}

/* libarchive leaves gzip's check sum (RFC 1952, CRC-32) unread, so it is done here. */
static uint32_t *make_crc_table(void)
{
	uint32_t *table = xmalloc(256 * sizeof(*table));

	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
	}
	return table;
}

static void sink_crc(struct sink *s, const unsigned char *data, size_t len)
{
	uint32_t crc = ~s->crc;

	for (size_t i = 0; s->crc_table && i < len; i++)
		crc = crc >> 8 ^ s->crc_table[(crc ^ data[i]) & 0xff];
	s->crc = ~crc;
}

static struct fault *sink_add(struct sink *s, const void *data, size_t len)
{
	if (len > s->max - s->bytes)
		return fault_new(F_CORRUPT, "%s: the kernel is longer than %llu bytes", s->what,
				 (unsigned long long)s->max);
	if (s->bytes < sizeof(s->head)) {
		size_t room = sizeof(s->head) - s->bytes;

		memcpy(s->head + s->bytes, data, len < room ? len : room);
	}
	sink_crc(s, data, len);
	TRY(file_write_all(s->fd, data, len, "the unpacked kernel"));
	s->bytes += len;
	return NULL;
}

static struct fault *machine_name(const Elf64_Ehdr *elf, const char *what, const char **arch)
{
	uint16_t machine = le16toh(elf->e_machine);

	*arch = machine == EM_X86_64	? "amd64"
		: machine == EM_AARCH64 ? "arm64"
		: machine == EM_RISCV	? "riscv64"
					: NULL;
	if (!*arch)
		return fault_new(F_UNSUPPORTED, "%s: the kernel is for ELF machine %u, which banger "
				 "does not know", what, machine);
	return NULL;
}

/* Is what was written an ELF kernel? */
static struct fault *check_elf(const struct sink *s, const char **arch)
{
	uint16_t type;
	Elf64_Ehdr elf;

	memcpy(&elf, s->head, sizeof(elf));
	type = le16toh(elf.e_type);
	if (s->bytes < sizeof(elf) || memcmp(elf.e_ident, ELFMAG, SELFMAG))
		return fault_new(F_CORRUPT, "%s: what it contains is no ELF kernel", s->what);
	if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_ident[EI_DATA] != ELFDATA2LSB)
		return fault_new(F_UNSUPPORTED, "%s: the kernel is not a 64-bit little-endian one",
				 s->what);
	if ((type != ET_EXEC && type != ET_DYN) || !le16toh(elf.e_phnum))
		return fault_new(F_CORRUPT, "%s: the ELF file in it cannot be started", s->what);
	return machine_name(&elf, s->what, arch);
}

/* ------------------------------------------------------------------------------- the payload */

static struct fault *payload_read(void *context, const void **data, size_t *len)
{
	struct payload *p = context;
	uint64_t left = p->end - p->at;
	size_t want = left < sizeof(p->block) ? (size_t)left : sizeof(p->block);

	TRY(cancel_check());
	TRY(read_at(p->fd, p->at, p->block, want, p->what, len));
	if (*len < want)
		return fault_new(F_CORRUPT, "%s is cut off", p->what);
	p->at += *len;
	*data = p->block;
	return NULL;
}

static struct fault *find_codec(int fd, uint64_t at, uint64_t length, const char *what,
				const struct codec **codec)
{
	unsigned char head[8];
	size_t got;

	TRY(read_at(fd, at, head, length < sizeof(head) ? (size_t)length : sizeof(head), what,
		    &got));
	for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
		const struct codec *c = &codecs[i];

		if (got < c->magic_len || memcmp(head, c->magic, c->magic_len))
			continue;
		if (!c->known)
			return fault_new(F_UNSUPPORTED, "%s is compressed with %s, which banger "
					 "cannot read", what, c->name);
		*codec = c;
		return NULL;
	}
	return fault_new(F_CORRUPT, "%s: the compressed kernel has an unknown format", what);
}

static struct fault *unpack(struct payload *p, struct sink *s, struct progress *progress)
{
	struct archive_source source = { payload_read, p };
	struct archive_reader *reader;
	struct archive_item item;
	uint64_t begin = p->at;
	struct fault *f;
	bool end = false;

	TRY(archive_reader_open(&source, ARCHIVE_RAW, p->what, &reader));
	f = archive_reader_next(reader, &item, &end);
	while (!f && !end) {
		const void *data;
		uint64_t offset;
		size_t len;

		f = archive_reader_data(reader, &data, &len, &offset);
		if (f || !len)
			break;
		f = sink_add(s, data, len);
		progress_amount(progress, p->at - begin, p->end - begin);
	}
	archive_reader_free(reader);
	return f;
}

/* The build puts the size of the result, modulo 4 GiB, behind (or as the end of) the payload. */
static struct fault *check_trailer(int fd, uint64_t end, const struct sink *s)
{
	unsigned char trailer[8];
	size_t got;

	TRY(read_at(fd, end - sizeof(trailer), trailer, sizeof(trailer), s->what, &got));
	if (got < sizeof(trailer))
		return fault_new(F_CORRUPT, "%s is cut off", s->what);
	if (get32(trailer + 4) != (uint32_t)s->bytes)
		return fault_new(F_CORRUPT, "%s: the unpacked kernel has %llu bytes, but %u are "
				 "announced", s->what, (unsigned long long)s->bytes,
				 get32(trailer + 4));
	if (s->crc_table && get32(trailer) != s->crc)
		return fault_new(F_CORRUPT, "%s: the unpacked kernel does not match its check sum",
				 s->what);
	return NULL;
}

static struct fault *extract_payload(int in, const unsigned char *head, uint64_t file_bytes,
				     struct sink *s, struct progress *progress)
{
	unsigned int sectors = head[SETUP_SECTS] ? head[SETUP_SECTS] : 4;
	uint64_t at = (uint64_t)(sectors + 1) * SECTOR + get32(head + PAYLOAD_OFFSET);
	uint64_t length = get32(head + PAYLOAD_LENGTH);
	const struct codec *codec;
	AUTO_FREE struct payload *p = NULL;

	if (length < 16)
		return fault_new(F_CORRUPT, "%s: the header announces no compressed kernel",
				 s->what);
	if (at + length > file_bytes)
		return fault_new(F_CORRUPT, "%s is cut off: the compressed kernel ends at byte "
				 "%llu of %llu", s->what, (unsigned long long)(at + length),
				 (unsigned long long)file_bytes);
	TRY(find_codec(in, at, length, s->what, &codec));
	p = xmalloc(sizeof(*p));
	p->fd = in;
	p->what = s->what;
	p->at = at;
	p->end = at + length - (codec->own_trailer ? 0 : 4);
	s->crc_table = codec->own_trailer ? make_crc_table() : NULL;
	TRY(unpack(p, s, progress));
	return check_trailer(in, at + length, s);
}

static struct fault *copy_elf(int in, struct sink *s)
{
	AUTO_FREE char *block = xmalloc(COPY_BYTES);
	size_t got;

	do {
		TRY(cancel_check());
		TRY(read_at(in, s->bytes, block, COPY_BYTES, s->what, &got));
		TRY(sink_add(s, block, got));
	} while (got == COPY_BYTES);
	return NULL;
}

static bool is_bzimage(const unsigned char *head, size_t len)
{
	return len == HEADER_BYTES && get16(head + BOOT_FLAG) == 0xaa55 &&
	       !memcmp(head + HEADER_MAGIC, "HdrS", 4);
}

static struct fault *extract(int in, struct sink *s, struct progress *progress)
{
	unsigned char head[HEADER_BYTES];
	struct stat st;
	size_t got;

	if (fstat(in, &st) < 0)
		return fault_sys(F_SYS, "reading %s", s->what);
	TRY(read_at(in, 0, head, sizeof(head), s->what, &got));
	if (got >= SELFMAG && !memcmp(head, ELFMAG, SELFMAG))
		return copy_elf(in, s);
	if (!is_bzimage(head, got))
		return fault_new(F_CORRUPT, "%s is neither a bzImage nor an ELF kernel", s->what);
	if (get16(head + HEADER_VERSION) < VERSION_WITH_PAYLOAD)
		return fault_new(F_UNSUPPORTED, "%s is from before Linux 2.6.26", s->what);
	return extract_payload(in, head, (uint64_t)st.st_size, s, progress);
}

struct fault *bzimage_extract(int in, int out, const char *what, uint64_t max,
			      struct progress *progress, struct vmlinux *info)
{
	struct sink s = { .fd = out, .what = what, .max = max };
	struct fault *f = extract(in, &s, progress);
	const char *arch;

	free(s.crc_table);
	TRY(f);
	TRY(check_elf(&s, &arch));
	*info = (struct vmlinux){ .arch = arch, .bytes = s.bytes };
	return NULL;
}

/* ---------------------------------------------------------------------------------- release */

#define BANNER	    "Linux version "
#define RELEASE_MAX 64 /* __NEW_UTS_LEN of Linux */

static bool is_release_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("._+-~", c));
}

/* The release after a banner at @text (NUL-terminated), or NULL when this is no banner. */
static char *banner_release(const char *text)
{
	size_t len = 0;

	while (is_release_byte(text[len]))
		len++;
	if (!len || len > RELEASE_MAX || text[0] < '0' || text[0] > '9' || text[len] != ' ')
		return NULL;
	return xstrndup(text, len);
}

struct fault *vmlinux_find(int fd, const char *what, const void *needle, size_t len, uint64_t from,
			   uint64_t *at, bool *found)
{
	AUTO_FREE char *block = xmalloc(COPY_BYTES);
	size_t got;

	do {
		const char *hit;

		TRY(cancel_check());
		TRY(read_at(fd, from, block, COPY_BYTES, what, &got));
		hit = memmem(block, got, needle, len);
		if (hit) {
			*at = from + (uint64_t)(hit - block);
			*found = true;
			return NULL;
		}
		from += COPY_BYTES - (len - 1);
	} while (got == COPY_BYTES);
	*found = false;
	return NULL;
}

struct fault *vmlinux_release(int fd, const char *what, char **release)
{
	char text[RELEASE_MAX + 2];
	uint64_t at = 0;
	bool found;
	size_t got;

	*release = NULL;
	for (;;) {
		TRY(vmlinux_find(fd, what, BANNER, strlen(BANNER), at, &at, &found));
		if (!found)
			return NULL;
		at += strlen(BANNER);
		TRY(read_at(fd, at, text, sizeof(text) - 1, what, &got));
		text[got] = '\0';
		*release = banner_release(text);
		if (*release)
			return NULL;
	}
}

/* The setup header points at a text that starts with the release. */
static struct fault *header_release(int fd, const unsigned char *head, const char *what,
				    char **release)
{
	char text[RELEASE_MAX + 2];
	size_t got;

	TRY(read_at(fd, (uint64_t)get16(head + VERSION_POINTER) + SECTOR, text, sizeof(text) - 1,
		    what, &got));
	text[got] = '\0';
	*release = banner_release(text);
	return NULL;
}

struct fault *bzimage_release(int fd, const char *what, char **release)
{
	unsigned char head[HEADER_BYTES];
	char *found = NULL;
	size_t got;

	TRY(read_at(fd, 0, head, sizeof(head), what, &got));
	if (got >= SELFMAG && !memcmp(head, ELFMAG, SELFMAG))
		TRY(vmlinux_release(fd, what, &found));
	else if (is_bzimage(head, got))
		TRY(header_release(fd, head, what, &found));
	else
		return fault_new(F_CORRUPT, "%s is neither a bzImage nor an ELF kernel", what);
	if (!found)
		return fault_new(F_CORRUPT, "%s does not say which Linux release it is", what);
	*release = found;
	return NULL;
}
