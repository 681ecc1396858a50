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

static struct fault *describe(const struct store *s, struct image_info *info)
{
	struct stat st;
	AUTO_FD dir = -1;

	TRY(store_object_open(s, COLLECTION_IMAGES, info->name, &dir));
	if (fstatat(dir, IMAGE_ROOTFS_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_sys(F_SYS, "image '%s': its root file system", info->name);
	info->size_bytes = (uint64_t)st.st_size;
	info->disk_bytes = (uint64_t)st.st_blocks * 512;
	TRY(store_users(s, COLLECTION_IMAGES, info->name, &info->users));
	TRY(image_load(s, info->name, &info->record));
	info->age_seconds = age_of(&info->record);
	return NULL;
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

	*out = (struct records){ 0 };
	TRY(store_names(s, COLLECTION_IMAGES, &names));
	for (size_t i = 0; i < names.n; i++) {
		struct image_info *info = records_add(out, sizeof(*info));

		info->name = xstrdup(names.v[i]);
		info->age_seconds = -1;
		info->fault = describe(s, info);
		if (info->fault && fault_kind(info->fault) == F_NOT_FOUND)
			drop_last(out); /* deleted since the names were read */
	}
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
