/* SPDX-License-Identifier: MIT */
/* import.c - kernels from files on this host, and kernels as objects. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "kernel/build.h"
#include "kernel/bzimage.h"
#include "kernel/kernel.h"
#include "store/name.h"

enum source_kind { SOURCE_DEB, SOURCE_DIRECTORY, SOURCE_IMAGE };

struct source {
	const struct kernel_import *import;
	enum source_kind kind;
	int fd; /* owned */
	char *what; /* "'./linux.deb'", owned */
};

static void source_release(struct source *s)
{
	fd_close(s->fd);
	free(s->what);
}

static struct fault *file_kind(struct source *s)
{
	static const char ar[] = "!<arch>\n";
	char head[8];
	ssize_t n = pread(s->fd, head, sizeof(head), 0);

	if (n < 0)
		return fault_sys(F_SYS, "reading %s", s->what);
	s->kind = n == sizeof(head) && !memcmp(head, ar, sizeof(head)) ? SOURCE_DEB : SOURCE_IMAGE;
	return NULL;
}

static struct fault *source_open(struct source *s)
{
	struct stat st;

	s->what = xasprintf("'%s'", s->import->source);
	s->fd = open(s->import->source, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (s->fd < 0)
		return fault_sys(errno == ENOENT ? F_INVALID : F_SYS, "opening %s", s->what);
	if (fstat(s->fd, &st) < 0)
		return fault_sys(F_SYS, "reading %s", s->what);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return fault_new(F_INVALID, "%s is neither a file nor a directory", s->what);
	if (S_ISDIR(st.st_mode))
		s->kind = SOURCE_DIRECTORY;
	else
		TRY(file_kind(s));
	if (s->import->initrd && s->kind != SOURCE_IMAGE)
		return fault_new(F_USAGE, "--initrd goes with a kernel file; %s brings its own "
				 "modules", s->what);
	if (s->import->modules && s->kind != SOURCE_IMAGE)
		return fault_new(F_USAGE, "--modules goes with a kernel file; %s brings its own "
				 "modules", s->what);
	return NULL;
}

static struct fault *source_peek(const struct source *s, char **release)
{
	switch (s->kind) {
	case SOURCE_DEB:
		return peek_deb(s->fd, s->what, release);
	case SOURCE_DIRECTORY:
		return peek_directory(s->fd, s->what, release);
	case SOURCE_IMAGE:
		break;
	}
	return bzimage_release(s->fd, s->what, release);
}

static struct fault *source_gather(struct parts *p, void *context)
{
	const struct source *s = context;

	switch (s->kind) {
	case SOURCE_DEB:
		return gather_deb(p, s->fd);
	case SOURCE_DIRECTORY:
		return gather_directory(p, s->fd);
	case SOURCE_IMAGE:
		break;
	}
	return gather_file(p, s->import->source, s->import->modules, s->import->initrd);
}

static struct fault *choose_name(const struct source *s, char **name)
{
	AUTO_FREE char *release = NULL;

	if (s->import->name) {
		*name = xstrdup(s->import->name);
		return NULL;
	}
	TRY(source_peek(s, &release));
	*name = name_from_text(release);
	return NULL;
}

struct fault *kernel_check_absent(const struct store *s, const char *name)
{
	AUTO_FD fd = -1;
	AUTO_FAULT f = store_object_open(s, COLLECTION_KERNELS, name, &fd);

	if (!f)
		return fault_hint(fault_new(F_EXISTS, "there is a kernel '%s' already", name),
				  "Use --force to replace it.");
	return fault_kind(f) == F_NOT_FOUND ? NULL : steal_ptr(&f);
}

static struct fault *import_locked(const struct store *s, struct source *source, const char *name,
				   struct progress *progress)
{
	struct build b = { .store = s, .name = name, .source = source->import->source,
			   .what = source->what, .replace = source->import->replace,
			   .progress = progress, .gather = source_gather, .context = source };
	AUTO_LOCK lock = LOCK_INIT;

	TRY(store_object_lock(s, COLLECTION_KERNELS, name, LOCK_EXCLUSIVE, "import", &lock));
	if (!b.replace)
		TRY(kernel_check_absent(s, name));
	return kernel_build(&b);
}

static struct fault *import_source(const struct store *s, struct source *source,
				   struct progress *progress, char **out)
{
	AUTO_FREE char *name = NULL;

	if (source->import->name)
		TRY(name_check_object("kernel", source->import->name));
	TRY(source_open(source));
	TRY(choose_name(source, &name));
	TRY(name_check_object("kernel", name));
	TRY(import_locked(s, source, name, progress));
	*out = steal_ptr(&name);
	return NULL;
}

struct fault *kernel_import(const struct store *s, const struct kernel_import *import,
			    struct progress *progress, char **name)
{
	struct source source = { .import = import, .fd = -1 };
	struct fault *f = import_source(s, &source, progress, name);

	source_release(&source);
	return f;
}

struct fault *kernel_load(const struct store *s, const char *name, struct kernel_record *record)
{
	AUTO_FREE char *what = xasprintf("kernel '%s'", name);
	AUTO_FD fd = -1;

	TRY(store_object_open(s, COLLECTION_KERNELS, name, &fd));
	return file_read_record(fd, KERNEL_RECORD_FILE, &kernel_record_type, what, record);
}

/* "a, b and c" */
static void list_names(const struct strings *names, struct buf *out)
{
	for (size_t i = 0; i < names->n; i++)
		buf_addf(out, "%s%s", i == 0 ? "" : i + 1 < names->n ? ", " : " and ", names->v[i]);
}

static struct fault *check_unused(const struct store *s, const char *name)
{
	struct strings users = { 0 };
	AUTO_BUF list = BUF_INIT;
	struct fault *f;

	TRY(store_users(s, COLLECTION_KERNELS, name, &users));
	list_names(&users, &list);
	f = !users.n ? NULL
	    : fault_hint(fault_new(F_BUSY, "kernel '%s' is used by VM %s", name, list.data),
			 "Delete the VM first: banger vm delete %s", users.v[0]);
	strings_release(&users);
	return f;
}

struct fault *kernel_delete(const struct store *s, const char *name)
{
	AUTO_LOCK lock = LOCK_INIT;
	AUTO_FD fd = -1;

	TRY(store_object_open(s, COLLECTION_KERNELS, name, &fd));
	TRY(store_object_lock(s, COLLECTION_KERNELS, name, LOCK_EXCLUSIVE, "delete", &lock));
	TRY(check_unused(s, name));
	return store_object_remove(s, COLLECTION_KERNELS, name);
}
