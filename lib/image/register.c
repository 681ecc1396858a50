/* SPDX-License-Identifier: MIT */
#include "image/register.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/text.h"
#include "image/ext4_copy.h"
#include "image/image.h"
#include "image/rootfs.h"
#include "image/stage.h"
#include "kernel/kernel.h"
#include "store/catalog.h"
#include "store/name.h"

/* ---------------------------------------------------------------------------------- registering */

static struct fault *check_options(const struct image_register *r)
{
	if (!r->kernel_ref == !r->kernel)
		return fault_new(F_USAGE, "an image is registered with either --kernel-ref or --kernel");
	if (r->kernel_ref && (r->initrd || r->modules))
		return fault_new(F_USAGE, "--initrd and --modules go with --kernel");
	if (r->initrd && r->modules)
		return fault_new(F_USAGE, "the modules come either from --initrd or from --modules");
	return name_check_object("image", r->name);
}

static struct fault *open_rootfs(const char *path, int *fd)
{
	AUTO_FD file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (file < 0)
		return fault_sys(F_SYS, "opening '%s'", path);
	if (fstat(file, &st) < 0)
		return fault_sys(F_SYS, "looking at '%s'", path);
	if (!S_ISREG(st.st_mode))
		return fault_new(F_INVALID, "'%s' is not a regular file", path);
	*fd = steal_fd(&file);
	return NULL;
}

static struct fault *describe(const struct image_register *r, struct image_record *record)
{
	AUTO_FREE char *path = realpath(r->rootfs, NULL);
	AUTO_FREE char *what = xasprintf("'%s'", r->rootfs);
	struct ext4_facts facts;
	struct stat st;
	AUTO_FD fd = -1;

	if (!path)
		return fault_sys(errno == ENOENT ? F_NOT_FOUND : F_SYS, "opening '%s'", r->rootfs);
	TRY(open_rootfs(path, &fd));
	TRY(ext4_check(fd, what, &facts));
	if (fstat(fd, &st) < 0)
		return fault_sys(F_SYS, "looking at '%s'", path);
	image_rootfs_note(record, path, &st);
	record->name = xstrdup(r->name);
	record->source = xstrdup(path);
	record->source_kind = xstrdup("registered");
	record->created = text_time(time(NULL));
	record->size_bytes = facts.size_bytes;
	record->content_bytes = facts.used_bytes;
	record->entries = facts.inodes;
	record->kernel = xstrdup(r->kernel_ref ? r->kernel_ref : r->name);
	return NULL;
}

/* A kernel that is not here can be one that will be fetched when it is needed. */
static struct fault *check_kernel_ref(const struct store *s, const char *name)
{
	AUTO_CATALOG catalog = { 0 };
	AUTO_FD dir = -1;
	AUTO_FAULT f = store_object_open(s, COLLECTION_KERNELS, name, &dir);

	if (!f || fault_kind(f) != F_NOT_FOUND)
		return steal_ptr(&f);
	TRY(catalog_load(&catalog));
	if (catalog_find(&catalog.kernels, name))
		return NULL;
	return fault_hint(fault_new(F_NOT_FOUND, "there is no kernel '%s', neither here nor in the "
				    "catalogue", name),
			  "See what there is: banger kernel list; banger kernel list --available");
}

static struct fault *import_kernel(const struct store *s, const struct image_register *r)
{
	struct kernel_import import = { .name = r->name, .source = r->kernel, .initrd = r->initrd,
					.modules = r->modules, .replace = r->force };
	AUTO_FREE char *name = NULL;

	return kernel_import(s, &import, r->progress, &name);
}

/* From an open stage to an image. */
static struct fault *finish(const struct store *s, const struct image_register *r,
			    struct image_stage *stage, const struct image_record *record)
{
	struct fault *f;

	/* The stage's own file stays empty and unused. */
	if (unlinkat(stage->dir, IMAGE_ROOTFS_FILE, 0) < 0)
		return fault_sys(F_SYS, "registering image '%s'", r->name);
	if (r->kernel)
		TRY(import_kernel(s, r));
	f = image_stage_commit(stage, record);
	if (f && r->kernel)
		f = fault_attach(f, kernel_delete(s, r->name));
	return f;
}

static struct fault *do_register(const struct store *s, const struct image_register *r,
				 struct image_record *record)
{
	struct image_stage stage = IMAGE_STAGE_INIT;

	TRY(check_options(r));
	if (!r->force)
		TRY(image_check_absent(s, r->name));
	if (r->kernel_ref)
		TRY(check_kernel_ref(s, r->kernel_ref));
	TRY(describe(r, record));
	TRY(image_stage_open(s, r->name, r->force ? IMAGE_REPLACE : IMAGE_NEW, "register", &stage));
	return image_stage_close(&stage, finish(s, r, &stage, record));
}

struct fault *image_register(const struct store *s, const struct image_register *r)
{
	struct image_record record = { 0 };
	struct fault *f = do_register(s, r, &record);

	record_release(&image_record_type, &record);
	return f;
}

/* ------------------------------------------------------------------------------------ promoting */

static struct fault *copy(const struct store *s, struct image_stage *stage,
			  struct image_record *record, struct progress *progress)
{
	AUTO_FREE char *what = NULL;
	struct ext4_facts facts;
	AUTO_FD from = -1;
	AUTO_FD again = -1;

	TRY(image_load(s, stage->name, record));
	if (!record->rootfs_path)
		return fault_new(F_STATE, "image '%s' is in the state directory already", stage->name);
	what = xasprintf("'%s'", record->rootfs_path);
	TRY(image_rootfs_open(s, record, &from));
	progress_stage(progress, "%s: copying %s", stage->name, what);
	TRY(ext4_copy(from, stage->rootfs, what, progress, &facts));
	/* VMs depend on its being the same bytes: written to meanwhile, it may be neither. */
	TRY(image_rootfs_open(s, record, &again));
	image_rootfs_manage(record);
	return image_stage_commit(stage, record);
}

struct fault *image_promote(const struct store *s, const char *name, struct progress *progress)
{
	struct image_stage stage = IMAGE_STAGE_INIT;
	struct image_record record = { 0 };
	AUTO_FD dir = -1;
	struct fault *f;

	/* Looked for first, so that a wrong name leaves no lock file. */
	TRY(store_object_open(s, COLLECTION_IMAGES, name, &dir));
	TRY(image_stage_open(s, name, IMAGE_REWRITE, "promote", &stage));
	f = image_stage_close(&stage, copy(s, &stage, &record, progress));
	record_release(&image_record_type, &record);
	return f;
}
