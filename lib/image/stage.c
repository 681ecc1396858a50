/* SPDX-License-Identifier: MIT */
#include "image/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/text.h"
#include "store/name.h"

#define SIZE_LEAST	 (8 * GIB)
#define SIZE_FACTOR	 8 /* unpacked to stored, generously: what is not used is a hole */
#define SIZE_MOST	 (1024 * GIB)
#define RECORD_BYTES_MAX (1u << 20) /* what a record may have to be read again */

static bool exists(const struct store *s, const char *name)
{
	AUTO_FD dir = -1;
	AUTO_FAULT f = store_object_open(s, COLLECTION_IMAGES, name, &dir);

	return !f || fault_kind(f) != F_NOT_FOUND;
}

struct fault *image_check_absent(const struct store *s, const char *name)
{
	if (!exists(s, name))
		return NULL;
	return fault_hint(fault_new(F_EXISTS, "image '%s' exists already", name),
			  "Replace it with --force, or give the new one another name with --name.");
}

struct fault *image_check_unused(const struct store *s, const char *name, const char *deed)
{
	struct strings users;
	AUTO_BUF list = BUF_INIT;

	TRY(store_users(s, COLLECTION_IMAGES, name, &users));
	for (size_t i = 0; i < users.n; i++)
		buf_addf(&list, "%s%s", i ? ", " : "", users.v[i]);
	strings_release(&users);
	if (!list.len)
		return NULL;
	return fault_hint(fault_new(F_BUSY, "image '%s' cannot be %s: it is used by %s", name, deed,
				    list.data),
			  "Delete these VMs first, with: banger vm delete NAME");
}

/* Under the lock. */
static struct fault *check_replaceable(const struct image_stage *stage)
{
	AUTO_FD dir = -1;

	if (stage->replace == IMAGE_NEW)
		return image_check_absent(stage->store, stage->name);
	if (stage->replace == IMAGE_REWRITE)
		return store_object_open(stage->store, COLLECTION_IMAGES, stage->name, &dir);
	return exists(stage->store, stage->name)
		       ? image_check_unused(stage->store, stage->name, "replaced")
		       : NULL;
}

static struct fault *make_files(struct image_stage *stage)
{
	TRY(store_stage(stage->store, COLLECTION_IMAGES, stage->name, &stage->stage_name,
			&stage->dir));
	stage->rootfs = openat(stage->dir, IMAGE_ROOTFS_FILE,
			       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (stage->rootfs < 0)
		return fault_sys(F_SYS, "creating the root file system of image '%s'", stage->name);
	return NULL;
}

struct fault *image_stage_open(const struct store *s, const char *name,
			       enum image_replace replace, const char *verb, struct image_stage *stage)
{
	struct fault *f;

	TRY(name_check_object("image", name));
	*stage = IMAGE_STAGE_INIT;
	stage->store = s;
	stage->replace = replace;
	TRY(store_object_lock(s, COLLECTION_IMAGES, name, LOCK_EXCLUSIVE, verb, &stage->lock));
	stage->name = xstrdup(name);
	f = check_replaceable(stage);
	if (!f)
		f = make_files(stage);
	return f ? image_stage_close(stage, f) : NULL;
}

struct fault *image_stage_build(struct image_stage *stage, uint64_t size_bytes,
				struct fault *(*fill)(void *context, struct image_builder *builder),
				void *context, struct progress *progress,
				struct image_record *record)
{
	struct image_builder_options options = { .size_bytes = size_bytes };
	struct image_builder *builder = NULL;
	struct image_summary summary = { 0 };
	struct fault *f;

	TRY(image_builder_open(stage->rootfs, &options, &builder));
	f = fill(context, builder);
	if (!f) {
		progress_stage(progress, "%s: writing the file system", stage->name);
		f = image_builder_finish(builder, &summary);
	}
	image_builder_free(builder);
	if (f)
		return f;
	record->size_bytes = summary.size_bytes;
	record->content_bytes = summary.content_bytes;
	record->entries = summary.entries;
	record->os = steal_ptr(&summary.os);
	image_summary_release(&summary);
	return NULL;
}

uint64_t image_default_size(uint64_t stored)
{
	uint64_t wanted;

	if (stored > SIZE_MOST / SIZE_FACTOR)
		return SIZE_MOST;
	wanted = (stored * SIZE_FACTOR + GIB - 1) / GIB * GIB;
	return wanted < SIZE_LEAST ? SIZE_LEAST : wanted;
}

static struct fault *write_record(const struct image_stage *stage,
				  const struct image_record *record)
{
	AUTO_BUF text = BUF_INIT;

	record_write(&image_record_type, record, &text);
	if (text.len > RECORD_BYTES_MAX)
		return fault_new(F_UNSUPPORTED, "the configuration of image '%s' is longer than %u "
				 "bytes", stage->name, RECORD_BYTES_MAX);
	return file_write_atomic(stage->dir, IMAGE_RECORD_FILE, text.data, text.len, 0600);
}

struct fault *image_stage_commit(struct image_stage *stage, const struct image_record *record)
{
	TRY(cancel_check());
	if (fchmod(stage->rootfs, 0444) < 0 || fsync(stage->rootfs) < 0)
		return fault_sys(F_SYS, "writing the root file system of image '%s'", stage->name);
	TRY(write_record(stage, record));
	TRY(cancel_check());
	TRY(store_publish(stage->store, COLLECTION_IMAGES, stage->stage_name, stage->name,
			  stage->replace != IMAGE_NEW));
	free(steal_ptr(&stage->stage_name));
	return NULL;
}

struct fault *image_stage_close(struct image_stage *stage, struct fault *first)
{
	cancel_hold();
	fd_close(stage->rootfs);
	fd_close(stage->dir);
	if (stage->stage_name)
		first = fault_attach(first, store_unstage(stage->store, COLLECTION_IMAGES,
							  stage->stage_name));
	free(stage->stage_name);
	free(stage->name);
	lock_drop(&stage->lock);
	*stage = IMAGE_STAGE_INIT;
	cancel_release();
	return first;
}
