/* SPDX-License-Identifier: MIT */
#include "image/prune.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/sha256.h"
#include "image/blob_cache.h"
#include "image/image.h"

static const struct field prune_image_fields[] = {
	FIELD(struct prune_image, name, FIELD_STRING),
	FIELD(struct prune_image, disk_bytes, FIELD_U64),
};

const struct record_type prune_image_type = {
	.name = "image",
	.size = sizeof(struct prune_image),
	.fields = prune_image_fields,
	.n_fields = ARRAY_LEN(prune_image_fields),
};

struct fault *prune_images_find(const struct store *s, struct records *out)
{
	const struct image_info *images;
	struct records list;

	*out = (struct records){ 0 };
	TRY(image_list(s, &list));
	images = list.v;
	for (size_t i = 0; i < list.n; i++) {
		struct prune_image *found;

		if (images[i].users.n)
			continue;
		found = records_add(out, sizeof(*found));
		found->name = xstrdup(images[i].name);
		found->disk_bytes = images[i].disk_bytes;
	}
	image_list_release(&list);
	return NULL;
}

void prune_images_release(struct records *list)
{
	for (size_t i = 0; i < list->n; i++)
		record_release(&prune_image_type, (struct prune_image *)list->v + i);
	free(list->v);
	*list = (struct records){ 0 };
}

static bool is_doomed(const struct records *doomed, const char *name)
{
	const struct prune_image *images = doomed->v;

	for (size_t i = 0; i < doomed->n; i++)
		if (!strcmp(images[i].name, name))
			return true;
	return false;
}

static void keep_digest(struct strings *kept, const char *digest)
{
	if (digest && !strncmp(digest, "sha256:", 7))
		strings_add(kept, digest + 7);
}

/* The digests that images which stay are made of.  One whose record is broken keeps nothing. */
static struct fault *find_kept(const struct store *s, const struct records *doomed,
			       struct strings *kept)
{
	const struct image_info *images;
	struct records list;

	TRY(image_list(s, &list));
	images = list.v;
	for (size_t i = 0; i < list.n; i++) {
		const struct image_record *record = &images[i].record;

		if (is_doomed(doomed, images[i].name))
			continue;
		keep_digest(kept, record->manifest_digest);
		keep_digest(kept, record->config_digest);
		for (size_t k = 0; k < record->layers.n; k++)
			keep_digest(kept, record->layers.v[k]);
	}
	image_list_release(&list);
	return NULL;
}

static bool is_kept(const struct strings *kept, const char *hex)
{
	for (size_t i = 0; i < kept->n; i++)
		if (!strcmp(kept->v[i], hex))
			return true;
	return false;
}

static struct fault *prune_file(int dir, const char *name, bool dry_run, struct prune_blobs *out)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NULL : fault_sys(F_SYS, "looking at blob '%s'", name);
	if (!dry_run && unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return fault_sys(F_SYS, "removing blob '%s'", name);
	out->blobs++;
	out->bytes += (uint64_t)st.st_blocks * 512;
	return NULL;
}

static struct fault *prune_finished(const struct blob_cache *c, const struct strings *kept,
				    bool dry_run, struct prune_blobs *out)
{
	struct strings names;
	struct fault *f = dir_names(c->blobs, "the blob cache", &names);

	if (f)
		return f;
	for (size_t i = 0; i < names.n && !f; i++) {
		f = cancel_check();
		if (!f && !is_kept(kept, names.v[i]))
			f = prune_file(c->blobs, names.v[i], dry_run, out);
	}
	strings_release(&names);
	return f;
}

/* What killed downloads left; one that is under way holds its lock. */
static struct fault *prune_partial(const struct blob_cache *c, bool dry_run,
				   struct prune_blobs *out)
{
	struct strings names;
	struct fault *f = dir_names(c->downloads, "downloads", &names);

	if (f)
		return f;
	for (size_t i = 0; i < names.n && !f; i++) {
		struct lock lock = LOCK_INIT;

		if (!sha256_is_hex(names.v[i]))
			continue; /* a lock's file */
		f = blob_cache_lock(c, names.v[i], &lock);
		if (f && fault_kind(f) == F_BUSY) {
			fault_free(f);
			f = NULL;
			continue;
		}
		if (f)
			break;
		f = prune_file(c->downloads, names.v[i], dry_run, out);
		blob_cache_unlock(c, names.v[i], &lock);
	}
	strings_release(&names);
	return f;
}

struct fault *prune_blobs(const struct store *s, const struct records *doomed, bool dry_run,
			  struct prune_blobs *out)
{
	AUTO_BLOB_CACHE cache = BLOB_CACHE_INIT;
	struct strings kept = { 0 };
	struct fault *f;

	*out = (struct prune_blobs){ 0 };
	TRY(blob_cache_open(s, &cache));
	f = doomed ? find_kept(s, doomed, &kept) : NULL;
	if (!f)
		f = prune_finished(&cache, &kept, dry_run, out);
	if (!f)
		f = prune_partial(&cache, dry_run, out);
	strings_release(&kept);
	return f;
}
