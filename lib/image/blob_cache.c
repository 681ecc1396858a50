/* SPDX-License-Identifier: MIT */
#include "image/blob_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"
#include "image/oci.h"

/* One file of references/. */
struct remembered {
	char *reference, *digest;
};

static const struct field remembered_fields[] = {
	FIELD_REQ(struct remembered, reference, FIELD_STRING),
	FIELD_REQ(struct remembered, digest, FIELD_STRING),
};

static const struct record_type remembered_type = {
	.name = "a remembered reference",
	.size = sizeof(struct remembered),
	.fields = remembered_fields,
	.n_fields = ARRAY_LEN(remembered_fields),
	.version = 1,
};

struct fault *blob_cache_open(const struct store *s, struct blob_cache *out)
{
	AUTO_FD top = -1, blobs = -1;
	struct fault *f;

	*out = BLOB_CACHE_INIT;
	TRY(store_cache_dir(s, "oci", &top));
	TRY(dir_make(top, "blobs", 0700, &blobs));
	f = dir_make(blobs, "sha256", 0700, &out->blobs);
	if (!f)
		f = dir_make(top, "downloads", 0700, &out->downloads);
	if (!f)
		f = dir_make(top, "references", 0700, &out->references);
	if (f)
		blob_cache_release(out);
	return f;
}

void blob_cache_release(struct blob_cache *c)
{
	fd_close(c->blobs);
	fd_close(c->downloads);
	fd_close(c->references);
	*c = BLOB_CACHE_INIT;
}

static int open_blob(const struct blob_cache *c, const char *hex)
{
	return openat(c->blobs, hex, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

int blob_cache_find(const struct blob_cache *c, const char *hex, uint64_t size)
{
	AUTO_FD fd = open_blob(c, hex);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
		return -1;
	return steal_fd(&fd);
}

struct fault *blob_cache_drop_bad(const struct blob_cache *c, const char *hex, bool *dropped)
{
	AUTO_FD fd = open_blob(c, hex);
	char got[SHA256_HEX_LEN + 1];

	*dropped = false;
	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd >= 0) {
		TRY(sha256_fd(fd, "a blob of the cache", got));
		if (!strcmp(got, hex))
			return NULL;
	}
	if (unlinkat(c->blobs, hex, 0) < 0 && errno != ENOENT)
		return fault_sys(F_SYS, "removing the damaged blob %s from the cache", hex);
	*dropped = true;
	return NULL;
}

struct fault *blob_cache_read(const struct blob_cache *c, const char *hex, size_t max,
			      struct buf *out, bool *there)
{
	AUTO_FD fd = open_blob(c, hex);
	size_t before = out->len;
	char got[SHA256_HEX_LEN + 1];
	struct sha256 *sha;
	struct stat st;

	*there = false;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)max)
		return NULL;
	TRY(file_read_fd(fd, max, "a document of the cache", out));
	sha = sha256_new();
	sha256_update(sha, out->data + before, out->len - before);
	sha256_finish(sha, got);
	*there = !strcmp(got, hex);
	if (*there)
		return NULL;
	out->len = before;
	out->data[before] = '\0';
	return NULL;
}

struct fault *blob_cache_put(const struct blob_cache *c, const char *hex, const struct buf *text)
{
	return file_write_volatile(c->blobs, hex, text->data, text->len, 0600);
}

static char *lock_name(const char *hex)
{
	return xasprintf("%s.lock", hex);
}

struct fault *blob_cache_lock(const struct blob_cache *c, const char *hex, struct lock *lock)
{
	AUTO_FREE char *name = lock_name(hex);

	return lock_take(c->downloads, name, LOCK_EXCLUSIVE, "a blob of the cache", "pull", 0, lock);
}

void blob_cache_unlock(const struct blob_cache *c, const char *hex, struct lock *lock)
{
	AUTO_FREE char *name = lock_name(hex);

	if (lock->fd >= 0)
		unlinkat(c->downloads, name, 0); /* lock_take() notices; a leftover does no harm */
	lock_drop(lock);
}

struct fault *blob_part_open(const struct blob_cache *c, const char *hex, int *fd)
{
	int got = openat(c->downloads, hex,
			 O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);

	if (got < 0)
		return fault_sys(F_SYS, "creating a file in the cache");
	*fd = got;
	return NULL;
}

struct fault *blob_part_publish(const struct blob_cache *c, const char *hex)
{
	if (renameat(c->downloads, hex, c->blobs, hex) < 0)
		return fault_sys(F_SYS, "putting a blob into the cache");
	return NULL;
}

void blob_part_discard(const struct blob_cache *c, const char *hex)
{
	unlinkat(c->downloads, hex, 0);
}

static char *reference_file(const char *reference)
{
	char hex[SHA256_HEX_LEN + 1];
	struct sha256 *sha = sha256_new();

	sha256_update(sha, reference, strlen(reference));
	sha256_finish(sha, hex);
	return xstrdup(hex);
}

struct fault *blob_cache_remember(const struct blob_cache *c, const char *reference,
				  const char *digest)
{
	AUTO_FREE char *name = reference_file(reference);
	struct remembered r = {(char *)(uintptr_t)reference, (char *)(uintptr_t)digest};

	return file_write_record_volatile(c->references, name, &remembered_type, &r);
}

struct fault *blob_cache_recall(const struct blob_cache *c, const char *reference, char **digest)
{
	AUTO_FREE char *name = reference_file(reference);
	struct remembered r = {0};
	AUTO_FAULT f = file_read_record(c->references, name, &remembered_type, "the cache", &r);
	AUTO_FAULT bad = f ? NULL : oci_digest_check(r.digest, "the cache");

	*digest = NULL;
	/* A broken file knows nothing: it is only a cache. */
	if (!f && !bad && !strcmp(r.reference, reference))
		*digest = steal_ptr(&r.digest);
	record_release(&remembered_type, &r);
	if (f && fault_kind(f) != F_NOT_FOUND && fault_kind(f) != F_CORRUPT)
		return steal_ptr(&f);
	return NULL;
}
