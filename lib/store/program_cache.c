/* SPDX-License-Identifier: MIT */
#include "store/program_cache.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

#define SUB	  "programs"
#define ENTRY_MAX 8192

struct entry {
	char *path;
	char *said;
	uint64_t device, inode, size;
	uint64_t modified, modified_ns, changed, changed_ns;
};

#define NUMBER(member) FIELD_REQ(struct entry, member, FIELD_U64)
static const struct field entry_fields[] = {
	{ "path", FIELD_STRING, offsetof(struct entry, path), true, PATH_MAX, NULL },
	{ "said", FIELD_STRING, offsetof(struct entry, said), true, PROGRAM_SAID_MAX - 1, NULL },
	NUMBER(device), NUMBER(inode), NUMBER(size),
	NUMBER(modified), NUMBER(modified_ns), NUMBER(changed), NUMBER(changed_ns),
};

static const struct record_type entry_type = { .name = "a program's version",
					       .size = sizeof(struct entry),
					       .fields = entry_fields,
					       .n_fields = ARRAY_LEN(entry_fields),
					       .version = 1 };

/* Without the strings. */
static struct entry key_of(const struct stat *st)
{
	return (struct entry){ .device = st->st_dev, .inode = st->st_ino,
			       .size = (uint64_t)st->st_size,
			       .modified = (uint64_t)st->st_mtim.tv_sec,
			       .modified_ns = (uint64_t)st->st_mtim.tv_nsec,
			       .changed = (uint64_t)st->st_ctim.tv_sec,
			       .changed_ns = (uint64_t)st->st_ctim.tv_nsec };
}

static bool same_key(const struct entry *a, const struct entry *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->modified == b->modified && a->modified_ns == b->modified_ns && a->changed == b->changed &&
	       a->changed_ns == b->changed_ns;
}

/* One line that can be shown: so nothing in the cache gets onto a terminal that a program did not say. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

/* Ours, and nobody else could have written it. */
static bool read_own(int dir, const char *kind, struct buf *text)
{
	AUTO_FD fd = openat(dir, kind, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_FAULT f = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
	    st.st_uid != geteuid() || (st.st_mode & 022) || st.st_size > ENTRY_MAX)
		return false;
	f = file_read_fd(fd, ENTRY_MAX, kind, text);
	return !f;
}

bool program_recall(const struct store *s, const char *kind, const char *path,
		    const struct stat *file, struct buf *said)
{
	const struct entry key = key_of(file);
	AUTO_BUF text = BUF_INIT;
	AUTO_FAULT f = NULL;
	AUTO_FD dir = -1;
	struct entry known;
	bool good;

	if (s->dir < 0)
		return false;
	f = dir_open(s->dir, "cache/" SUB, &dir);
	if (f || !read_own(dir, kind, &text))
		return false;
	f = record_read(&entry_type, text.data, text.len, kind, &known);
	if (f)
		return false;
	good = same_key(&known, &key) && !strcmp(known.path, path) && is_plain(known.said);
	if (good)
		buf_adds(said, known.said);
	record_release(&entry_type, &known);
	return good;
}

static struct fault *keep(const struct store *s, const char *kind, const struct entry *e)
{
	AUTO_FD dir = -1;

	TRY(store_cache_dir(s, SUB, &dir));
	return file_write_record_volatile(dir, kind, &entry_type, e);
}

void program_remember(const struct store *s, const char *kind, const char *path,
		      const struct stat *file, const char *said)
{
	struct entry e = key_of(file);

	if (s->mode != STORE_WRITE || s->dir < 0 || strlen(said) >= PROGRAM_SAID_MAX ||
	    strlen(path) > PATH_MAX || !is_plain(said))
		return;
	e.path = xstrdup(path);
	e.said = xstrdup(said);
	fault_free(keep(s, kind, &e));
	record_release(&entry_type, &e);
}
