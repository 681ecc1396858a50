/* SPDX-License-Identifier: MIT */
#include "image/image_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "base/text.h"
#include "disk/sparse.h"
#include "image/image.h"
#include "image/reference.h"
#include "image/rootfs.h"
#include "kernel/kernel.h"
#include "store/name.h"

#define LOCK_FILE_MAX (1u << 20)

static const struct field image_fields[] = {
	FIELD_REQ(struct image_lock_entry, name, FIELD_STRING),
	FIELD(struct image_lock_entry, reference, FIELD_STRING),
	FIELD(struct image_lock_entry, arch, FIELD_STRING),
	FIELD_REQ(struct image_lock_entry, digest, FIELD_STRING),
};

static const struct record_type image_type = {
	.name = "an image",
	.size = sizeof(struct image_lock_entry),
	.fields = image_fields,
	.n_fields = ARRAY_LEN(image_fields),
};

static const struct field kernel_fields[] = {
	FIELD_REQ(struct kernel_lock_entry, name, FIELD_STRING),
	FIELD_REQ(struct kernel_lock_entry, sha256, FIELD_STRING),
};

static const struct record_type kernel_type = {
	.name = "a kernel",
	.size = sizeof(struct kernel_lock_entry),
	.fields = kernel_fields,
	.n_fields = ARRAY_LEN(kernel_fields),
};

static const struct field lock_fields[] = {
	FIELD_SUB(struct image_locks, images, FIELD_RECORDS, &image_type),
	FIELD_SUB(struct image_locks, kernels, FIELD_RECORDS, &kernel_type),
};

const struct record_type image_locks_type = {
	.name = "the lock file",
	.size = sizeof(struct image_locks),
	.fields = lock_fields,
	.n_fields = ARRAY_LEN(lock_fields),
	.version = 1,
};

static const struct image_lock_entry *image_at(const struct image_locks *locks, size_t i)
{
	return (const struct image_lock_entry *)locks->images.v + i;
}

static const struct kernel_lock_entry *kernel_at(const struct image_locks *locks, size_t i)
{
	return (const struct kernel_lock_entry *)locks->kernels.v + i;
}

void image_locks_release(struct image_locks *locks)
{
	free(steal_ptr(&locks->path));
	record_release(&image_locks_type, locks);
}

/* ------------------------------------------------------------------------------------- reading */

static bool is_digest(const char *text)
{
	const char *colon = strchr(text, ':');

	return colon && sha256_is_hex(colon + 1) &&
	       (!strncmp(text, "sha256:", 7) ||
		!strncmp(text, SPARSE_DIGEST_PREFIX, strlen(SPARSE_DIGEST_PREFIX)));
}

static struct fault *check_entries(const struct image_locks *locks)
{
	for (size_t i = 0; i < locks->images.n; i++) {
		const struct image_lock_entry *e = image_at(locks, i);

		TRY(name_check_object("image", e->name));
		if (!is_digest(e->digest))
			return fault_new(F_CORRUPT, "'%.80s' of image '%s' is not a digest", e->digest,
					 e->name);
	}
	for (size_t i = 0; i < locks->kernels.n; i++)
		if (!sha256_is_hex(kernel_at(locks, i)->sha256))
			return fault_new(F_CORRUPT, "'%.80s' is not the SHA-256 of a kernel",
					 kernel_at(locks, i)->sha256);
	return NULL;
}

struct fault *image_locks_read(const char *path, struct image_locks *locks)
{
	AUTO_FD fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	AUTO_FREE char *what = xasprintf("'%s'", path);
	AUTO_BUF text = BUF_INIT;
	struct fault *f;

	if (fd < 0)
		return fault_hint(fault_sys(errno == ENOENT ? F_NOT_FOUND : F_SYS,
					    "opening the lock file '%s'", path),
				  "Make one with: banger image lock > %s", path);
	TRY(file_read_fd(fd, LOCK_FILE_MAX, what, &text));
	TRY(record_read(&image_locks_type, text.data, text.len, what, locks));
	locks->path = xstrdup(path);
	f = fault_wrap(check_entries(locks), "%s", what);
	if (f)
		image_locks_release(locks);
	return f;
}

/* ------------------------------------------------------------------------------------- looking */

struct fault *image_locks_digest(const struct image_locks *locks, const char *wanted,
				 const char *arch, const char **digest)
{
	AUTO_REFERENCE reference = { 0 };
	AUTO_FAULT none = reference_parse(wanted, &reference);
	AUTO_FREE char *text = none ? NULL : reference_text(&reference);

	for (size_t i = 0; i < locks->images.n; i++) {
		const struct image_lock_entry *e = image_at(locks, i);

		if (strcmp(e->name, wanted) &&
		    (!text || !e->reference || strcmp(e->reference, text)))
			continue;
		if (e->arch && strcmp(e->arch, arch))
			continue;
		*digest = e->digest;
		return NULL;
	}
	return fault_hint(fault_new(F_NOT_FOUND, "'%s' does not say which '%s' is meant", locks->path,
				    wanted),
			  "Get the image, and lock it: banger image lock > %s", locks->path);
}

struct fault *image_digest_check(const char *what, const char *wanted, const char *found)
{
	if (!wanted || !strcmp(wanted, found))
		return NULL;
	return fault_hint(fault_new(F_STATE, "%s is not the one that is locked: it is %s, and locked is "
				    "%s", what, found, wanted),
			  "Lock the new one with 'banger image lock' if that is what you want.");
}

struct fault *image_locks_kernel(const struct image_locks *locks, const struct store *s,
				 const char *name)
{
	AUTO_FREE char *what = xasprintf("kernel '%s'", name);
	struct kernel_record record = { 0 };
	const char *wanted = NULL;
	struct fault *f;

	for (size_t i = 0; i < locks->kernels.n; i++)
		if (!strcmp(kernel_at(locks, i)->name, name))
			wanted = kernel_at(locks, i)->sha256;
	if (!wanted)
		return fault_hint(fault_new(F_NOT_FOUND, "'%s' does not say which kernel '%s' is "
					    "meant", locks->path, name),
				  "Get the kernel, and lock it: banger image lock > %s", locks->path);
	TRY(kernel_load(s, name, &record));
	f = image_digest_check(what, wanted, record.vmlinux_sha256 ? record.vmlinux_sha256 : "unknown");
	record_release(&kernel_record_type, &record);
	return f;
}

/* -------------------------------------------------------------------------------------- making */

struct fault *image_digest(const struct store *s, const char *name,
			   const struct image_record *record, char **digest)
{
	AUTO_FREE char *what = xasprintf("the root file system of image '%s'", name);
	AUTO_FD fd = -1;

	if (record->manifest_digest) {
		*digest = xstrdup(record->manifest_digest);
		return NULL;
	}
	TRY(image_rootfs_open(s, record, &fd));
	return sparse_digest(fd, what, digest);
}

static bool has_kernel(const struct image_locks *locks, const char *name)
{
	for (size_t i = 0; i < locks->kernels.n; i++)
		if (!strcmp(kernel_at(locks, i)->name, name))
			return true;
	return false;
}

/* A kernel that is not there has no digest yet; whoever insists on one will be told. */
static void add_kernel(const struct store *s, const char *name, struct image_locks *locks)
{
	struct kernel_record record = { 0 };
	AUTO_FAULT f = NULL;
	struct kernel_lock_entry *all;

	if (has_kernel(locks, name))
		return;
	f = kernel_load(s, name, &record);
	if (f || !record.vmlinux_sha256 || !sha256_is_hex(record.vmlinux_sha256)) {
		record_release(&kernel_record_type, &record);
		return;
	}
	all = xrealloc_array(locks->kernels.v, locks->kernels.n + 1, sizeof(*all));
	all[locks->kernels.n++] = (struct kernel_lock_entry){
		.name = xstrdup(name), .sha256 = xstrdup(record.vmlinux_sha256)
	};
	locks->kernels.v = all;
	record_release(&kernel_record_type, &record);
}

static struct fault *add_image(const struct store *s, const char *name, const char *default_kernel,
			       struct image_locks *locks)
{
	struct image_lock_entry *all;
	struct image_record record;
	char *digest = NULL;
	struct fault *f;

	TRY(image_load(s, name, &record));
	f = image_digest(s, name, &record, &digest);
	if (!f) {
		all = xrealloc_array(locks->images.v, locks->images.n + 1, sizeof(*all));
		all[locks->images.n++] = (struct image_lock_entry){
			.name = xstrdup(name),
			.reference = steal_ptr(&record.reference),
			.arch = steal_ptr(&record.arch),
			.digest = digest,
		};
		locks->images.v = all;
		add_kernel(s, record.kernel ? record.kernel : default_kernel, locks);
	}
	record_release(&image_record_type, &record);
	return f;
}

static int compare_images(const void *a, const void *b)
{
	const struct image_lock_entry *one = a, *other = b;

	return strcmp(one->name, other->name);
}

static int compare_kernels(const void *a, const void *b)
{
	const struct kernel_lock_entry *one = a, *other = b;

	return strcmp(one->name, other->name);
}

static bool is_in(const struct strings *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (!strcmp(names->v[i], name))
			return true;
	return false;
}

/* The names that were given, each once, or all. */
static struct fault *choose(const struct store *s, const struct strings *given,
			    struct strings *names)
{
	*names = (struct strings){ 0 };
	if (!given->n)
		return store_names(s, COLLECTION_IMAGES, names);
	for (size_t i = 0; i < given->n; i++) {
		AUTO_FREE char *name = NULL;
		struct fault *f = image_resolve(s, given->v[i], &name);

		if (f) {
			strings_release(names);
			return f;
		}
		if (!is_in(names, name))
			strings_add(names, name);
	}
	return NULL;
}

struct fault *image_locks_make(const struct store *s, const struct strings *given,
			       const char *default_kernel, struct image_locks *locks)
{
	struct strings names;
	struct fault *f = NULL;

	*locks = (struct image_locks){ 0 };
	TRY(choose(s, given, &names));
	for (size_t i = 0; i < names.n && !f; i++)
		f = add_image(s, names.v[i], default_kernel, locks);
	strings_release(&names);
	if (f) {
		image_locks_release(locks);
		return f;
	}
	if (locks->images.n)
		qsort(locks->images.v, locks->images.n, sizeof(struct image_lock_entry),
		      compare_images);
	if (locks->kernels.n)
		qsort(locks->kernels.v, locks->kernels.n, sizeof(struct kernel_lock_entry),
		      compare_kernels);
	return NULL;
}
