/* SPDX-License-Identifier: MIT */
#include "kernel/build.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/text.h"
#include "disk/ext4_tree.h"
#include "host/machine.h"
#include "host/spawn.h"
#include "kernel/bzimage.h"
#include "kernel/features.h"
#include "kernel/initrd.h"
#include "store/kernel_record.h"

#define WORK_DIR	   "work"
#define DEPMOD_DEADLINE_MS 300000

/* One build under way. */
struct making {
	const struct build *b;
	int stage;	   /* the staging directory, owned */
	char *stage_name;  /* owned */
	struct parts parts;
	struct module_index *index; /* owned, NULL = no modules */
	struct kernel_record record;
};

/* Open a file of the finished kernel for writing. */
static struct fault *create(const struct making *m, const char *name, int *fd)
{
	*fd = openat(m->stage, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
	if (*fd < 0)
		return fault_sys(F_SYS, "creating '%s'", name);
	return NULL;
}

/* ------------------------------------------------------------------------------- vmlinux */

static struct fault *check_release(const struct making *m)
{
	const struct parts *p = &m->parts;

	if (!m->record.release || !release_is_valid(m->record.release))
		return fault_new(F_CORRUPT, "%s does not say which Linux release it is", p->what);
	if (p->release && strcmp(p->release, m->record.release))
		return fault_new(F_INVALID, "%s: the kernel is release %s, but its modules are for "
				 "%s", p->what, m->record.release, p->release);
	return NULL;
}

static struct fault *take_config(struct making *m, int vmlinux)
{
	struct parts *p = &m->parts;

	if (p->has_config)
		return NULL;
	return features_embedded_config(vmlinux, p->what, &p->config, &p->has_config);
}

static struct fault *make_vmlinux(struct making *m)
{
	char digest[SHA256_HEX_LEN + 1];
	struct vmlinux info;
	AUTO_FD fd = -1;

	progress_stage(m->b->progress, "unpacking the kernel");
	TRY(create(m, KERNEL_VMLINUX_FILE, &fd));
	TRY(bzimage_extract(m->parts.image, fd, m->b->what, VMLINUX_BYTES_MAX, m->b->progress,
			    &info));
	m->record.arch = xstrdup(info.arch);
	m->record.vmlinux_bytes = info.bytes;
	TRY(vmlinux_release(fd, m->b->what, &m->record.release));
	TRY(check_release(m));
	TRY(take_config(m, fd));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return fault_sys(F_SYS, "reading the unpacked kernel");
	TRY(sha256_fd(fd, "the unpacked kernel", digest));
	m->record.vmlinux_sha256 = xstrdup(digest);
	return NULL;
}

/* ------------------------------------------------------------------------------- modules */

/* An ordinary user's PATH often lacks the directories that depmod is in. */
static char *find_depmod(void)
{
	static const char *const places[] = { "depmod", "/sbin/depmod", "/usr/sbin/depmod" };
	char *program = NULL;

	for (size_t i = 0; i < ARRAY_LEN(places) && !program; i++)
		program = machine_find_program(places[i]);
	return program;
}

/* What depmod wrote has the mode that our umask gave it; in the guest it is for everybody. */
static struct fault *open_up(int tree)
{
	struct strings names = { 0 };
	struct fault *f = NULL;

	TRY(dir_names(tree, "the module tree", &names));
	for (size_t i = 0; i < names.n && !f; i++)
		if (!strncmp(names.v[i], "modules.", 8) && fchmodat(tree, names.v[i], 0644, 0) < 0)
			f = fault_sys(F_SYS, "setting the mode of '%s'", names.v[i]);
	strings_release(&names);
	if (!f && fchmod(tree, 0755) < 0)
		f = fault_sys(F_SYS, "setting the mode of the module tree");
	return f;
}

static struct fault *run_depmod(const struct making *m)
{
	AUTO_FREE char *base = store_object_path(m->b->store, COLLECTION_KERNELS, m->stage_name,
						 WORK_DIR);
	AUTO_FREE char *program = find_depmod();
	const char *argv[] = { program, "-b", base, m->parts.release, NULL };
	struct spawn s = { SPAWN_INIT, .argv = argv, .deadline_ms = DEPMOD_DEADLINE_MS };

	if (!program)
		return fault_hint(fault_new(F_MISSING, "program 'depmod' is not installed"),
				  "Install the package kmod.");
	/* Some builds of depmod look in usr/lib/modules below their base. */
	if (symlinkat(".", m->parts.work, "usr") < 0)
		return fault_sys(F_SYS, "preparing the module tree");
	return spawn_run(&s, NULL, 0);
}

static struct fault *index_modules(struct making *m)
{
	if (m->parts.tree < 0)
		return NULL;
	progress_stage(m->b->progress, "indexing the modules");
	if (faccessat(m->parts.tree, "modules.dep", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		TRY(run_depmod(m));
	TRY(open_up(m->parts.tree));
	return module_index_read(m->parts.tree, &m->index);
}

static struct fault *make_initrd(struct making *m)
{
	AUTO_BUF archive = BUF_INIT;
	AUTO_FD fd = -1;

	TRY(initrd_build(m->parts.tree, m->index, m->record.release, &archive,
			 &m->record.initrd_modules));
	TRY(create(m, KERNEL_INITRD_FILE, &fd));
	return file_write_all(fd, archive.data, archive.len, "the initial RAM disk");
}

static struct fault *make_modules_disk(struct making *m)
{
	const struct ext4_options options = { .label = "banger-modules", .root_mode = 0755,
					      .fixed = true, .all_root = true };
	struct ext4_tree_summary summary;
	AUTO_FD fd = -1;

	if (m->parts.tree < 0)
		return NULL;
	progress_stage(m->b->progress, "writing the modules disk");
	TRY(create(m, KERNEL_MODULES_FILE, &fd));
	TRY(ext4_from_directory(m->parts.tree, fd, &options, "the module tree", m->b->progress,
				&summary));
	m->record.has_modules = true;
	m->record.modules_bytes = summary.size_bytes;
	return NULL;
}

/* ------------------------------------------------------------------------------ the whole */

static struct fault *write_record(struct making *m)
{
	const char *distro = m->b->distro ? m->b->distro : m->parts.distro;

	m->record.name = xstrdup(m->b->name);
	m->record.source = xstrdup(m->b->source);
	m->record.distro = distro ? xstrdup(distro) : NULL;
	m->record.created = text_time(time(NULL));
	return file_write_record(m->stage, KERNEL_RECORD_FILE, &kernel_record_type, &m->record);
}

static struct fault *make_files(struct making *m)
{
	AUTO_FREE char *kernel = NULL;
	AUTO_FD work = -1;

	TRY(dir_make(m->stage, WORK_DIR, 0700, &work));
	m->parts.work = work;
	progress_stage(m->b->progress, "reading %s", m->b->what);
	TRY(m->b->gather(&m->parts, m->b->context));
	TRY(make_vmlinux(m));
	TRY(index_modules(m));
	kernel = xasprintf("kernel %s", m->record.release);
	TRY(features_check(m->parts.has_config ? m->parts.config.data : NULL, m->index, kernel));
	TRY(make_initrd(m));
	TRY(make_modules_disk(m));
	TRY(write_record(m));
	TRY(tree_remove(m->stage, WORK_DIR));
	return cancel_check();
}

static void making_release(struct making *m)
{
	parts_release(&m->parts);
	module_index_free(m->index);
	record_release(&kernel_record_type, &m->record);
	fd_close(m->stage);
	free(m->stage_name);
}

struct fault *kernel_build(const struct build *b)
{
	struct making m = { .b = b, .stage = -1 };
	struct fault *f;

	parts_init(&m.parts, -1, b->what, b->progress);
	f = store_stage(b->store, COLLECTION_KERNELS, b->name, &m.stage_name, &m.stage);
	if (!f)
		f = make_files(&m);
	cancel_hold();
	if (!f)
		f = store_publish(b->store, COLLECTION_KERNELS, m.stage_name, b->name, b->replace);
	if (f && m.stage_name)
		f = fault_attach(f, store_unstage(b->store, COLLECTION_KERNELS, m.stage_name));
	cancel_release();
	making_release(&m);
	return f;
}
