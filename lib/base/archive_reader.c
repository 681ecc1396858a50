/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  libarchive stores names of pax headers as UTF-8 and converts them to the
 * character set of the current locale, silently changing bytes where it can.  Where it cannot, it
 * hands out the bytes as they are and warns.  So every call into it is made with this thread's
 * locale set to "C": there nothing but ASCII can be converted, and ASCII converts to itself.
 */
#include "base/archive_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/library.h"
#include "base/text.h"

/* What is used of the library, which is loaded when it is first needed. */
/* clang-format off */
#define FUNCTIONS(X) \
	X(archive_entry_acl_next) X(archive_entry_acl_reset) \
	X(archive_entry_gid) X(archive_entry_hardlink) X(archive_entry_mode) \
	X(archive_entry_mtime) X(archive_entry_mtime_nsec) X(archive_entry_pathname) \
	X(archive_entry_rdevmajor) X(archive_entry_rdevminor) X(archive_entry_size) \
	X(archive_entry_symlink) X(archive_entry_uid) X(archive_entry_xattr_count) \
	X(archive_entry_xattr_next) X(archive_entry_xattr_reset) X(archive_errno) \
	X(archive_error_string) X(archive_read_append_filter) \
	X(archive_read_data_block) X(archive_read_free) \
	X(archive_read_new) X(archive_read_next_header) X(archive_read_open) \
	X(archive_read_open_fd) X(archive_read_support_filter_bzip2) \
	X(archive_read_support_filter_gzip) X(archive_read_support_filter_lz4) \
	X(archive_read_support_filter_lzma) X(archive_read_support_filter_xz) \
	X(archive_read_support_filter_zstd) X(archive_read_support_format_ar) \
	X(archive_read_support_format_cpio) X(archive_read_support_format_empty) \
	X(archive_read_support_format_raw) X(archive_read_support_format_tar) \
	X(archive_set_error) X(archive_version_string)
/* clang-format on */

static struct {
	FUNCTIONS(LIBRARY_MEMBER)
} lib;
static const struct library_symbol symbols[] = {FUNCTIONS(LIBRARY_SYMBOL)};
static struct library library = {"libarchive.so.13", symbols, ARRAY_LEN(symbols), false};

#define READ_BLOCK (128 * 1024)
#define ACLS	   2 /* access, default */
#define ACL_MANY   1024u

struct archive_reader {
	struct archive *archive;      /* owned */
	struct archive_entry *entry;  /* borrowed from archive, NULL before the first entry */
	struct archive_source source; /* read is NULL when reading a descriptor */
	struct fault *source_fault;   /* owned: why the source failed */
	char *what;		      /* owned, for messages */
	size_t next_xattr;	      /* what lib.archive_entry_xattr_next() gives next */
	size_t n_plain;		      /* xattrs without access control lists */
	struct acl {
		const char *name;
		struct buf value;
	} acls[ACLS]; /* the entry's lists as xattrs */
	size_t n_acls;
};

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c_locale)
		abort();
}

static locale_t enter_c_locale(void)
{
	pthread_once(&c_locale_once, make_c_locale);
	return uselocale(c_locale);
}

static void leave_c_locale(const locale_t *old)
{
	uselocale(*old);
}
#define IN_C_LOCALE                                                                                \
	__attribute__((cleanup(leave_c_locale))) locale_t old_locale = enter_c_locale();           \
	(void)old_locale

/* The fault for a failed call: the source's own one, or what libarchive says. */
static struct fault *reader_fault(struct archive_reader *r)
{
	AUTO_BUF text = BUF_INIT;
	const char *said = lib.archive_error_string(r->archive);
	int number = lib.archive_errno(r->archive);

	if (r->source_fault)
		return fault_wrap(steal_ptr(&r->source_fault), "reading %s", r->what);
	if (!said)
		said = "the archive is damaged";
	text_add_printable(&text, said, strnlen(said, 1024));
	if (number == EIO || number == EISDIR || number == EBADF)
		return fault_new(F_SYS, "reading %s: %s", r->what, text.data);
	return fault_new(F_CORRUPT, "reading %s: %s", r->what, text.data);
}

static la_ssize_t read_source(struct archive *a, void *context, const void **data)
{
	struct archive_reader *r = context;
	size_t len = 0;

	*data = NULL;
	r->source_fault = r->source.read(r->source.context, data, &len);
	if (r->source_fault) {
		lib.archive_set_error(a, EIO, "the source failed");
		return ARCHIVE_FATAL;
	}
	return (la_ssize_t)len;
}

/* -- compression -- */

static const struct packing {
	const char *name;
	int filter; /* libarchive's number */
	const char *magic;
	size_t magic_len;
} packings[] = {
	[PACKED_NOT] = {"none", ARCHIVE_FILTER_NONE, "", 0},
	[PACKED_GZIP] = {"gzip", ARCHIVE_FILTER_GZIP, "\x1f\x8b\x08", 3},
	[PACKED_BZIP2] = {"bzip2", ARCHIVE_FILTER_BZIP2, "BZh", 3},
	[PACKED_XZ] = {"xz", ARCHIVE_FILTER_XZ, "\xfd" "7zXZ", 6},
	[PACKED_LZMA] = {"lzma", ARCHIVE_FILTER_LZMA, "\x5d\0\0", 3},
	[PACKED_ZSTD] = {"zstd", ARCHIVE_FILTER_ZSTD, "\x28\xb5\x2f\xfd", 4},
	[PACKED_LZ4] = {"lz4", ARCHIVE_FILTER_LZ4, "\x04\x22\x4d\x18", 4},
};

enum archive_packing archive_packing(const void *head, size_t len)
{
	const char *bytes = head;

	for (size_t i = PACKED_GZIP; i < ARRAY_LEN(packings); i++) {
		if (len < packings[i].magic_len ||
		    memcmp(bytes, packings[i].magic, packings[i].magic_len))
			continue;
		/* A tar whose first file is called "]" has zeros here, where lzma has a size. */
		if (i == PACKED_LZMA && (len < 5 || (!bytes[3] && !bytes[4])))
			continue;
		return (enum archive_packing)i;
	}
	return PACKED_NOT;
}

const char *archive_packing_name(enum archive_packing packing)
{
	return packings[packing].name;
}

static void choose_filters(struct archive *a)
{
	lib.archive_read_support_filter_gzip(a);
	lib.archive_read_support_filter_bzip2(a);
	lib.archive_read_support_filter_xz(a);
	lib.archive_read_support_filter_lzma(a);
	lib.archive_read_support_filter_zstd(a);
	lib.archive_read_support_filter_lz4(a);
}

static void choose_formats(struct archive *a, unsigned int formats)
{
	lib.archive_read_support_format_empty(a);
	if (formats & ARCHIVE_TAR)
		lib.archive_read_support_format_tar(a);
	if (formats & ARCHIVE_AR)
		lib.archive_read_support_format_ar(a);
	if (formats & ARCHIVE_CPIO)
		lib.archive_read_support_format_cpio(a);
	if (formats & ARCHIVE_RAW)
		lib.archive_read_support_format_raw(a);
}

static struct archive_reader *reader_new(unsigned int formats, const char *what)
{
	struct archive_reader *r = xcalloc(1, sizeof(*r));

	r->archive = lib.archive_read_new();
	if (!r->archive)
		abort();
	r->what = xstrdup(what);
	for (size_t i = 0; i < ACLS; i++)
		buf_init(&r->acls[i].value);
	choose_formats(r->archive, formats);
	return r;
}

/* A stream that fails in its first bytes looks to libarchive like an empty archive. */
static bool failed_at_once(const struct archive_reader *r)
{
	return r->source_fault || lib.archive_errno(r->archive);
}

static struct fault *reader_opened(struct archive_reader *r, int result,
				   struct archive_reader **out)
{
	if (result != ARCHIVE_OK || failed_at_once(r)) {
		struct fault *f = reader_fault(r);

		archive_reader_free(r);
		return f;
	}
	*out = r;
	return NULL;
}

static struct fault *open_source(struct archive_reader *r, const struct archive_source *source,
				 struct archive_reader **out)
{
	r->source = *source;
	return reader_opened(r, lib.archive_read_open(r->archive, r, NULL, read_source, NULL), out);
}

struct fault *archive_reader_open(const struct archive_source *source, unsigned int formats,
				  const char *what, struct archive_reader **out)
{
	IN_C_LOCALE;
	struct archive_reader *r;

	TRY(library_load(&library));
	r = reader_new(formats, what);
	choose_filters(r->archive);
	return open_source(r, source, out);
}

struct fault *archive_reader_open_packed(const struct archive_source *source,
					 enum archive_packing packing, unsigned int formats,
					 const char *what, struct archive_reader **out)
{
	IN_C_LOCALE;
	struct archive_reader *r;

	TRY(library_load(&library));
	r = reader_new(formats, what);
	if (packing != PACKED_NOT &&
	    lib.archive_read_append_filter(r->archive, packings[packing].filter) != ARCHIVE_OK)
		return reader_opened(r, ARCHIVE_FATAL, out);
	return open_source(r, source, out);
}

struct fault *archive_reader_open_fd(int fd, unsigned int formats, const char *what,
				     struct archive_reader **out)
{
	IN_C_LOCALE;
	struct archive_reader *r;

	TRY(library_load(&library));
	r = reader_new(formats, what);
	choose_filters(r->archive);
	return reader_opened(r, lib.archive_read_open_fd(r->archive, fd, READ_BLOCK), out);
}

/* A warning that only says that a name is not ASCII: its bytes are handed out unchanged. */
static bool is_name_warning(struct archive *a)
{
	const char *said = lib.archive_error_string(a);

	return said && strstr(said, "can't be converted");
}

/*
 * libarchive (3.6 to 3.8) reads the pax time "-2.25" as the second -2 and, after it, a quarter; it
 * means a quarter before -2.
 */
static void fix_negative_time(struct archive_item *item)
{
	if (item->mtime_sec < 0 && item->mtime_sec > INT64_MIN && item->mtime_nsec) {
		item->mtime_sec--;
		item->mtime_nsec = 1000000000 - item->mtime_nsec;
	}
}

/* -- access control lists, which tar has as text, as the xattrs that Linux has them in -- */

struct acl_entry {
	uint16_t tag, permissions;
	uint32_t id;
};

static bool acl_tag(int tag, struct acl_entry *e)
{
	static const struct {
		int theirs;
		uint16_t ours;
	} tags[] = {
		{ARCHIVE_ENTRY_ACL_USER_OBJ, 0x01},  {ARCHIVE_ENTRY_ACL_USER, 0x02},
		{ARCHIVE_ENTRY_ACL_GROUP_OBJ, 0x04}, {ARCHIVE_ENTRY_ACL_GROUP, 0x08},
		{ARCHIVE_ENTRY_ACL_MASK, 0x10},	     {ARCHIVE_ENTRY_ACL_OTHER, 0x20},
	};

	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (tags[i].theirs == tag) {
			e->tag = tags[i].ours;
			return true;
		}
	return false;
}

static int compare_acl(const void *left, const void *right)
{
	const struct acl_entry *a = left, *b = right;

	if (a->tag != b->tag)
		return a->tag < b->tag ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static bool is_named(const struct acl_entry *e)
{
	return e->tag == 0x02 || e->tag == 0x08;
}

/* Entries of @type in the kernel's order; those that name somebody without a number are left out.
 */
static size_t read_acl(struct archive_reader *r, int type, struct acl_entry *out)
{
	int at, permissions, tag, id;
	const char *name;
	size_t n = 0;

	if (lib.archive_entry_acl_reset(r->entry, type) <= 0)
		return 0;
	while (n < ACL_MANY && lib.archive_entry_acl_next(r->entry, type, &at, &permissions, &tag,
							  &id, &name) == ARCHIVE_OK) {
		if (!acl_tag(tag, &out[n]) || (is_named(&out[n]) && id < 0))
			continue;
		out[n].permissions = (uint16_t)(permissions & 7);
		out[n].id = is_named(&out[n]) ? (uint32_t)id : UINT32_MAX;
		n++;
	}
	qsort(out, n, sizeof(*out), compare_acl);
	return n;
}

static void put_le(struct buf *b, uint32_t value, size_t bytes)
{
	for (; bytes; bytes--, value >>= 8)
		buf_addc(b, (char)(value & 0xff));
}

static bool has_xattr(struct archive_reader *r, const char *wanted)
{
	const char *name = NULL;
	const void *value;
	size_t len;
	bool has = false;

	lib.archive_entry_xattr_reset(r->entry);
	while (!has && lib.archive_entry_xattr_next(r->entry, &name, &value, &len) == ARCHIVE_OK)
		has = !strcmp(name, wanted);
	lib.archive_entry_xattr_reset(r->entry);
	return has;
}

/* @item's mode has the owning group's bits; with a mask, a file's mode shows the mask instead. */
static void add_acl(struct archive_reader *r, int type, const char *name, struct archive_item *item)
{
	struct acl_entry entries[ACL_MANY];
	size_t n = read_acl(r, type, entries);
	struct acl *acl = &r->acls[r->n_acls];
	bool masked = false;

	for (size_t i = 0; i < n; i++) {
		masked |= entries[i].tag == 0x10;
		if (entries[i].tag == 0x10 && type == ARCHIVE_ENTRY_ACL_TYPE_ACCESS)
			item->mode = (item->mode & ~070u) | (mode_t)entries[i].permissions << 3;
	}
	/* Without a mask nobody is named: an access list then says what the mode says. */
	if (!n || (!masked && type == ARCHIVE_ENTRY_ACL_TYPE_ACCESS) || has_xattr(r, name))
		return;
	acl->name = name;
	buf_clear(&acl->value);
	put_le(&acl->value, 2, 4);
	for (size_t i = 0; i < n; i++) {
		put_le(&acl->value, entries[i].tag, 2);
		put_le(&acl->value, entries[i].permissions, 2);
		put_le(&acl->value, entries[i].id, 4);
	}
	r->n_acls++;
}

static void fill_acls(struct archive_reader *r, struct archive_item *item)
{
	r->n_acls = 0;
	r->n_plain = item->n_xattrs;
	add_acl(r, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, "system.posix_acl_access", item);
	if (S_ISDIR(item->mode))
		add_acl(r, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, "system.posix_acl_default", item);
	item->n_xattrs += r->n_acls;
}

static void fill_item(struct archive_reader *r, struct archive_item *item)
{
	struct archive_entry *e = r->entry;
	const char *path = lib.archive_entry_pathname(e);
	int64_t size = lib.archive_entry_size(e);

	*item = (struct archive_item){
		.path = path ? path : "",
		.hardlink = lib.archive_entry_hardlink(e),
		.symlink = lib.archive_entry_symlink(e),
		.mode = lib.archive_entry_mode(e),
		.uid = (uint32_t)lib.archive_entry_uid(e),
		.gid = (uint32_t)lib.archive_entry_gid(e),
		.size = size > 0 ? (uint64_t)size : 0,
		.mtime_sec = lib.archive_entry_mtime(e),
		.mtime_nsec = (uint32_t)lib.archive_entry_mtime_nsec(e),
		.rdev_major = (uint32_t)lib.archive_entry_rdevmajor(e),
		.rdev_minor = (uint32_t)lib.archive_entry_rdevminor(e),
		.n_xattrs = (size_t)lib.archive_entry_xattr_count(e),
	};
	fix_negative_time(item);
	fill_acls(r, item);
}

/* Owners are 32 bits everywhere we write them; a larger one is not to be cut silently to root. */
static struct fault *check_owner(struct archive_reader *r)
{
	int64_t uid = lib.archive_entry_uid(r->entry), gid = lib.archive_entry_gid(r->entry);
	const char *path = lib.archive_entry_pathname(r->entry);
	AUTO_BUF name = BUF_INIT;

	if (uid >= 0 && uid <= UINT32_MAX && gid >= 0 && gid <= UINT32_MAX)
		return NULL;
	text_add_printable(&name, path ? path : "", path ? strnlen(path, 256) : 0);
	return fault_new(F_CORRUPT,
			 "reading %s: '%s' has the owner %" PRId64 ":%" PRId64
			 ", which is out of range",
			 r->what, name.data, uid, gid);
}

struct fault *archive_reader_next(struct archive_reader *r, struct archive_item *item, bool *end)
{
	IN_C_LOCALE;
	int result = lib.archive_read_next_header(r->archive, &r->entry);

	if (result == ARCHIVE_EOF) {
		*end = true;
		return NULL;
	}
	if (result != ARCHIVE_OK && !(result == ARCHIVE_WARN && is_name_warning(r->archive)))
		return reader_fault(r);
	TRY(check_owner(r));
	r->next_xattr = 0;
	lib.archive_entry_xattr_reset(r->entry);
	fill_item(r, item);
	*end = false;
	return NULL;
}

void archive_reader_xattr(struct archive_reader *r, size_t index, const char **name,
			  const void **value, size_t *len)
{
	if (index >= r->n_plain && index - r->n_plain < r->n_acls) {
		const struct acl *acl = &r->acls[index - r->n_plain];

		*name = acl->name;
		*value = acl->value.data;
		*len = acl->value.len;
		return;
	}
	if (index < r->next_xattr) {
		lib.archive_entry_xattr_reset(r->entry);
		r->next_xattr = 0;
	}
	do {
		*name = "";
		*value = "";
		*len = 0;
		lib.archive_entry_xattr_next(r->entry, name, value, len);
	} while (r->next_xattr++ < index);
}

struct fault *archive_reader_data(struct archive_reader *r, const void **data, size_t *len,
				  uint64_t *offset)
{
	IN_C_LOCALE;
	la_int64_t at = 0;
	int result;

	*data = NULL;
	*len = 0;
	do
		result = lib.archive_read_data_block(r->archive, data, len, &at);
	while (result == ARCHIVE_OK && !*len);
	if (result == ARCHIVE_EOF) {
		*len = 0;
		return NULL;
	}
	if (result != ARCHIVE_OK)
		return reader_fault(r);
	if (at < 0)
		return fault_new(F_CORRUPT, "reading %s: data at a negative offset", r->what);
	*offset = (uint64_t)at;
	return NULL;
}

void archive_reader_free(struct archive_reader *r)
{
	if (!r)
		return;
	lib.archive_read_free(r->archive);
	for (size_t i = 0; i < ACLS; i++)
		buf_release(&r->acls[i].value);
	fault_free(r->source_fault);
	free(r->what);
	free(r);
}

const char *archive_reader_library(void)
{
	AUTO_FAULT f = library_load(&library);

	return f ? NULL : strchr(lib.archive_version_string(), ' ') + 1;
}
