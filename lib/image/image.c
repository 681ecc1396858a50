/* SPDX-License-Identifier: MIT */
#include "image/image.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "image/stage.h"
#include "store/name.h"

struct fault *image_load(const struct store *s, const char *name, struct image_record *record)
{
	AUTO_FREE char *what = xasprintf("image '%s'", name);
	AUTO_FD dir = -1;

	TRY(fault_hint(store_object_open(s, COLLECTION_IMAGES, name, &dir),
		       "See what there is with: banger image list"));
	return file_read_record(dir, IMAGE_RECORD_FILE, &image_record_type, what, record);
}

struct fault *image_resolve(const struct store *s, const char *wanted, char **name)
{
	struct strings names;
	struct fault *f;
	size_t index;

	TRY(store_names(s, COLLECTION_IMAGES, &names));
	f = name_find("image", &names, wanted, &index);
	if (!f)
		*name = xstrdup(names.v[index]);
	strings_release(&names);
	return f;
}

static int64_t age_of(const struct image_record *record)
{
	time_t created;

	if (!record->created || !text_parse_time(record->created, &created))
		return -1;
	return time(NULL) > created ? time(NULL) - created : 0;
}

/* Sizes of the file system, wherever it is. */
static struct fault *measure(int dir, struct image_info *info)
{
	const char *path = info->record.rootfs_path;
	struct stat st;

	if (fstatat(path ? AT_FDCWD : dir, path ? path : IMAGE_ROOTFS_FILE, &st,
		    AT_SYMLINK_NOFOLLOW) < 0)
		return path ? fault_sys(F_SYS, "its file '%s'", path)
			    : fault_sys(F_SYS, "image '%s': its root file system", info->name);
	info->size_bytes = (uint64_t)st.st_size;
	info->disk_bytes = path ? 0 : (uint64_t)st.st_blocks * 512;
	return NULL;
}

static struct fault *describe(const struct store *s, struct image_info *info)
{
	AUTO_FD dir = -1;
	AUTO_FD again = -1;
	AUTO_FAULT f = NULL;

	TRY(store_object_open(s, COLLECTION_IMAGES, info->name, &dir));
	f = image_load(s, info->name, &info->record);
	if (f && fault_kind(f) == F_NOT_FOUND) { /* the image, or only its record? */
		TRY(store_object_open(s, COLLECTION_IMAGES, info->name, &again));
		return fault_new(F_CORRUPT, "image '%s' has no record", info->name);
	}
	if (f)
		return fault_attach(steal_ptr(&f), measure(dir, info));
	info->age_seconds = age_of(&info->record);
	return measure(dir, info);
}

static void info_release(struct image_info *info)
{
	free(info->name);
	fault_free(info->fault);
	strings_release(&info->users);
	record_release(&image_record_type, &info->record);
}

static void drop_last(struct records *list)
{
	info_release((struct image_info *)list->v + --list->n);
}

struct fault *image_list(const struct store *s, struct records *out)
{
	struct strings names;
	struct records uses;
	struct fault *f;

	*out = (struct records){ 0 };
	TRY(store_names(s, COLLECTION_IMAGES, &names));
	f = store_uses(s, &uses);
	if (f) {
		strings_release(&names);
		return f;
	}
	for (size_t i = 0; i < names.n; i++) {
		struct image_info *info = records_add(out, sizeof(*info));

		info->name = xstrdup(names.v[i]);
		info->age_seconds = -1;
		info->fault = describe(s, info);
		store_uses_find(&uses, COLLECTION_IMAGES, info->name, &info->users);
		if (info->fault && fault_kind(info->fault) == F_NOT_FOUND)
			drop_last(out); /* deleted since the names were read */
	}
	store_uses_release(&uses);
	strings_release(&names);
	return NULL;
}

void image_list_release(struct records *list)
{
	struct image_info *info = list->v;

	for (size_t i = 0; i < list->n; i++)
		info_release(&info[i]);
	free(info);
	*list = (struct records){ 0 };
}

struct fault *image_delete(const struct store *s, const char *name)
{
	AUTO_LOCK lock = LOCK_INIT;
	AUTO_FD before = -1;
	AUTO_FD after = -1;

	/* Looked for first, so that a wrong name leaves no lock file, and again under the lock. */
	TRY(store_object_open(s, COLLECTION_IMAGES, name, &before));
	TRY(store_object_lock(s, COLLECTION_IMAGES, name, LOCK_EXCLUSIVE, "delete", &lock));
	TRY(store_object_open(s, COLLECTION_IMAGES, name, &after));
	TRY(image_check_unused(s, name, "deleted"));
	return store_object_remove(s, COLLECTION_IMAGES, name);
}
