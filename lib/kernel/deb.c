/* SPDX-License-Identifier: MIT */
#include "kernel/deb.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cancel.h"

struct deb {
	char *what;
	struct archive_reader *members; /* of the ar archive */
	struct archive_reader *files;	/* of data.tar */
	struct buf path;		/* of the current entry, cleaned */
};

bool path_is_clean(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (!len || (len == 1 && path[0] == '.') || (len == 2 && !memcmp(path, "..", 2)))
			return false;
		path += len;
		if (*path == '/' && !*++path)
			return false;
	}
	return true;
}

void deb_free(struct deb *d)
{
	if (!d)
		return;
	archive_reader_free(d->files);
	archive_reader_free(d->members);
	buf_release(&d->path);
	free(d->what);
	free(d);
}

static struct fault *not_a_package(const struct deb *d)
{
	return fault_new(F_CORRUPT, "%s is not a Debian package", d->what);
}

/* The first member holds the format's version: "2.0". */
static struct fault *check_version(struct deb *d)
{
	struct archive_item item;
	const void *data;
	uint64_t offset;
	size_t len;
	bool end;

	TRY(archive_reader_next(d->members, &item, &end));
	if (end || strcmp(item.path, "debian-binary"))
		return not_a_package(d);
	TRY(archive_reader_data(d->members, &data, &len, &offset));
	if (len < 4 || memcmp(data, "2.", 2))
		return fault_new(F_UNSUPPORTED, "%s has a package format that is not 2.x", d->what);
	return NULL;
}

static struct fault *member_read(void *context, const void **data, size_t *len)
{
	struct deb *d = context;
	uint64_t offset;

	TRY(cancel_check());
	return archive_reader_data(d->members, data, len, &offset);
}

static struct fault *open_files(struct deb *d)
{
	struct archive_source source = { member_read, d };
	struct archive_item item;
	bool end;

	do {
		TRY(archive_reader_next(d->members, &item, &end));
		if (end)
			return fault_new(F_CORRUPT, "%s has no member data.tar", d->what);
	} while (strncmp(item.path, "data.tar", 8));
	return archive_reader_open(&source, ARCHIVE_TAR, d->what, &d->files);
}

struct fault *deb_open(int fd, const char *what, struct deb **out)
{
	AUTO_DEB d = xcalloc(1, sizeof(*d));

	d->what = xstrdup(what);
	buf_init(&d->path);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return fault_sys(F_SYS, "reading %s", what);
	TRY(archive_reader_open_fd(fd, ARCHIVE_AR, what, &d->members));
	TRY(check_version(d));
	TRY(open_files(d));
	*out = steal_ptr(&d);
	return NULL;
}

struct fault *deb_next(struct deb *d, struct archive_item *item, bool *end)
{
	const char *path;
	size_t len;

	TRY(cancel_check());
	TRY(archive_reader_next(d->files, item, end));
	if (*end)
		return NULL;
	path = item->path;
	while (!strncmp(path, "./", 2))
		path += 2;
	len = strcmp(path, ".") ? strlen(path) : 0;
	if (S_ISDIR(item->mode) && len && path[len - 1] == '/')
		len--;
	buf_clear(&d->path);
	buf_add(&d->path, path, len);
	if (!path_is_clean(d->path.data))
		return fault_new(F_CORRUPT, "%s holds a file with an unsafe name", d->what);
	item->path = d->path.data;
	return NULL;
}

struct fault *deb_data(struct deb *d, const void **data, size_t *len, uint64_t *offset)
{
	return archive_reader_data(d->files, data, len, offset);
}
