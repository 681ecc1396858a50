/* SPDX-License-Identifier: MIT */
/*
 * bundle.c - from a bundle to an image.
 *
 * Theory of operation.  A remote bundle is fetched into an unlinked file and hashed on the way; it is
 * read as an archive only when its digest is right, so that nothing unchecked is ever parsed.  One on
 * this host is hashed while it is unpacked, and the stage is only committed when the digest was right.
 */
#include "image/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/archive_reader.h"
#include "base/cancel.h"
#include "base/file.h"
#include "base/http.h"
#include "base/sha256.h"
#include "base/text.h"
#include "image/blob.h"
#include "image/ext4_copy.h"
#include "store/name.h"

#define MANIFEST	   "manifest.json"
#define MANIFEST_BYTES_MAX (1u << 20)
#define ROOTFS_BYTES_MAX   (1024 * GIB)
#define BUNDLE_BYTES_MAX   (64 * GIB) /* when the catalogue does not say */
#define FILE_SCHEME	   "file://"

struct unpacking {
	struct image_stage *stage;
	const char *what;
	struct image_record manifest; /* as the bundle has it */
	bool has_manifest, has_rootfs;
	struct ext4_facts facts;
};

/* ------------------------------------------------------------------------------------ unpacking */

static struct fault *take_manifest(struct unpacking *u, struct archive_reader *r)
{
	AUTO_FREE char *what = xasprintf(MANIFEST " of %s", u->what);
	AUTO_BUF text = BUF_INIT;
	const void *data;
	uint64_t offset;
	size_t len;

	for (;;) {
		TRY(archive_reader_data(r, &data, &len, &offset));
		if (!len)
			break;
		if (offset != text.len || len > MANIFEST_BYTES_MAX - text.len)
			return fault_new(F_CORRUPT, "%s is longer than %u bytes, or sparse", what,
					 MANIFEST_BYTES_MAX);
		buf_add(&text, data, len);
	}
	TRY(record_read(&image_record_type, text.data, text.len, what, &u->manifest));
	u->has_manifest = true;
	return u->manifest.kernel
		       ? fault_wrap(name_check_object("kernel", u->manifest.kernel), "%s", what)
		       : NULL;
}

static struct fault *take_rootfs(struct unpacking *u, struct archive_reader *r, uint64_t size)
{
	AUTO_FREE char *what = xasprintf(IMAGE_ROOTFS_FILE " of %s", u->what);
	const void *data;
	uint64_t offset;
	size_t len;

	u->has_rootfs = true;
	if (size > ROOTFS_BYTES_MAX)
		return fault_new(F_UNSUPPORTED, "%s is larger than 1T", what);
	if (ftruncate(u->stage->rootfs, (off_t)size) < 0)
		return fault_sys(F_SYS, "writing the root file system");
	for (;;) {
		TRY(cancel_check());
		TRY(archive_reader_data(r, &data, &len, &offset));
		if (!len)
			break;
		if (offset > size || len > size - offset)
			return fault_new(F_CORRUPT, "%s has more data than its size", what);
		TRY(file_pwrite_sparse(u->stage->rootfs, data, len, (off_t)offset,
				       "the root file system"));
	}
	return ext4_check(u->stage->rootfs, what, &u->facts);
}

static struct fault *take_member(struct unpacking *u, struct archive_reader *r,
				 const struct archive_item *item)
{
	AUTO_BUF shown = BUF_INIT;

	if (S_ISREG(item->mode) && !item->hardlink && !item->symlink) {
		if (!strcmp(item->path, MANIFEST) && !u->has_manifest)
			return take_manifest(u, r);
		if (!strcmp(item->path, IMAGE_ROOTFS_FILE) && !u->has_rootfs)
			return take_rootfs(u, r, item->size);
	}
	text_add_printable(&shown, item->path, strnlen(item->path, 256));
	return fault_new(F_CORRUPT, "%s is no bundle: beside one file " IMAGE_ROOTFS_FILE
			 " and one file " MANIFEST " it has '%s'", u->what, shown.data);
}

static struct fault *take_members(struct unpacking *u, struct archive_reader *r)
{
	struct archive_item item;
	bool end = false;

	for (;;) {
		TRY(cancel_check());
		TRY(archive_reader_next(r, &item, &end));
		if (end)
			break;
		TRY(take_member(u, r, &item));
	}
	if (!u->has_rootfs || !u->has_manifest)
		return fault_new(F_CORRUPT, "%s is no bundle: it has no %s", u->what,
				 u->has_rootfs ? MANIFEST : IMAGE_ROOTFS_FILE);
	return NULL;
}

/* @hex: the digest when it was not checked before, else NULL. */
static struct fault *unpack(struct unpacking *u, int fd, const char *hex, struct progress *progress)
{
	struct vault_part part = VAULT_PART_INIT;
	struct archive_reader *r = NULL;
	struct archive_source source;
	struct fault *f, *wrong;
	struct stat st;
	AUTO_BLOB blob = NULL;

	if (fstat(fd, &st) < 0)
		return fault_sys(F_SYS, "reading %s", u->what);
	part.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (part.fd < 0)
		return fault_sys(F_SYS, "reading %s", u->what);
	part.size = (uint64_t)st.st_size;
	blob = blob_of_part(&part, hex, u->what, progress);
	source = blob_source(blob);
	f = archive_reader_open(&source, ARCHIVE_TAR, u->what, &r);
	if (!f)
		f = take_members(u, r);
	archive_reader_free(r);
	if (f && (!hex || fault_kind(f) != F_CORRUPT))
		return f;
	/* A wrong digest says more than what was wrong because of it. */
	wrong = blob_finish(blob);
	if (!wrong)
		return f;
	fault_free(f);
	return wrong;
}

static void describe(struct unpacking *u, const struct catalog_source *source,
		     struct image_record *record)
{
	struct image_record *m = &u->manifest;

	record->source = xstrdup(source->url);
	record->source_kind = xstrdup("bundle");
	record->created = text_time(time(NULL));
	record->arch = steal_ptr(&m->arch);
	record->platform = steal_ptr(&m->platform);
	record->os = steal_ptr(&m->os);
	record->kernel = steal_ptr(&m->kernel);
	record->config = m->config;
	m->config = (struct image_config){ 0 };
	record->size_bytes = u->facts.size_bytes;
	record->content_bytes = m->content_bytes;
	record->entries = m->entries;
}

/* ------------------------------------------------------------------------------------- fetching */

struct fetching {
	int fd;
	const char *what;
	struct sha256 *hash;
	uint64_t got;
};

static struct fault *keep(void *context, const void *data, size_t len)
{
	struct fetching *g = context;

	sha256_update(g->hash, data, len);
	g->got += len;
	return file_write_all(g->fd, data, len, g->what);
}

static struct fault *check_fetched(struct fetching *g, const struct catalog_source *source)
{
	char hex[SHA256_HEX_LEN + 1];

	sha256_finish(steal_ptr(&g->hash), hex);
	if (source->size && g->got != source->size)
		return fault_new(F_CORRUPT, "'%s' has %llu bytes, the catalogue says %llu", source->url,
				 (unsigned long long)g->got, (unsigned long long)source->size);
	if (strcmp(hex, source->sha256))
		return fault_new(F_CORRUPT, "'%s' has the digest sha256:%s, the catalogue says "
				 "sha256:%s", source->url, hex, source->sha256);
	return NULL;
}

static struct fault *fetch(struct image_stage *stage, const struct catalog_source *source,
			   struct progress *progress, int *fd)
{
	struct fetching g = { .what = "the bundle" };
	const struct http_get get = { .url = source->url, .size = source->size,
				      .max = source->size ? source->size : BUNDLE_BYTES_MAX,
				      .progress = progress, .sink = keep, .context = &g };
	AUTO_FREE char *temp = NULL;
	AUTO_FD file = -1;
	struct fault *f;

	TRY(file_temp(stage->dir, "bundle", 0600, &temp, &file));
	if (unlinkat(stage->dir, temp, 0) < 0)
		return fault_sys(F_SYS, "making a temporary file");
	progress_stage(progress, "%s: fetching %s", stage->name, source->url);
	g.fd = file;
	g.hash = sha256_new();
	f = http_get(&get);
	if (!f)
		f = check_fetched(&g, source);
	sha256_free(g.hash);
	if (!f)
		*fd = steal_fd(&file);
	return f;
}

/* The path of a bundle on this host, or NULL.  "file:///a%20b" is not decoded: paths are written as
 * they are. */
static const char *local_path(const char *url)
{
	if (url[0] == '/')
		return url;
	if (!strncmp(url, FILE_SCHEME "/", strlen(FILE_SCHEME "/")))
		return url + strlen(FILE_SCHEME);
	return NULL;
}

static struct fault *open_local(const char *path, uint64_t size, int *fd)
{
	AUTO_FD file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (file < 0)
		return fault_sys(errno == ENOENT ? F_NOT_FOUND : F_SYS, "opening '%s'", path);
	if (fstat(file, &st) < 0 || !S_ISREG(st.st_mode))
		return fault_new(F_INVALID, "'%s' is not a regular file", path);
	if (size && (uint64_t)st.st_size != size)
		return fault_new(F_CORRUPT, "'%s' has %llu bytes, the catalogue says %llu", path,
				 (unsigned long long)st.st_size, (unsigned long long)size);
	*fd = steal_fd(&file);
	return NULL;
}

struct fault *bundle_build(struct image_stage *stage, const struct catalog_source *source,
			   bool offline, struct progress *progress, struct image_record *record)
{
	AUTO_FREE char *what = xasprintf("'%s'", source->url);
	struct unpacking u = { .stage = stage, .what = what };
	const char *path = local_path(source->url);
	struct fault *f;
	AUTO_FD fd = -1;

	if (path)
		TRY(open_local(path, source->size, &fd));
	else if (offline)
		return fault_new(F_NOT_FOUND, "'%s' is not on this host", source->url);
	else
		TRY(fetch(stage, source, progress, &fd));
	progress_stage(progress, "%s: unpacking", stage->name);
	f = unpack(&u, fd, path ? source->sha256 : NULL, progress);
	if (!f)
		describe(&u, source, record);
	record_release(&image_record_type, &u.manifest);
	return f;
}
