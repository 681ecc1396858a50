/* SPDX-License-Identifier: MIT */
/* doctor_state.c - banger's own: configuration, state directory, disks, default image and kernel, ssh. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/text.h"
#include "guest/ssh_config.h"
#include "host/machine.h"
#include "store/catalog.h"
#include "vm/doctor.h"
#include "vm/vm.h"

#define SPACE_LEAST  (1 * GIB)
#define SPACE_ENOUGH (5 * GIB)
/* An operation that takes longer than this has died. */
#define STAGE_OLD_S 3600
/* No header of the C library has these. */
#define BCACHEFS_MAGIC	       0xca451a4e
#define XFS_GEOMETRY	       _IOR('X', 126, uint8_t[256])
#define XFS_GEOMETRY_FLAGS_AT  96
#define XFS_GEOMETRY_REFLINK   (1u << 20)

void doctor_configuration(struct check_report *r, struct doctor_scene *s)
{
	if (s->config_fault)
		check_fault(r, true, s->config_fault);
	else
		check_pass(r, "read");
}

/* The one thing that is wrong with a directory of ours and that we may put right. */
static bool make_private(struct check_report *r, const char *path)
{
	AUTO_FD dir = -1;
	AUTO_FAULT f = dir_open(AT_FDCWD, path, &dir);
	struct stat st;

	if (f || fstat(dir, &st) < 0 || st.st_uid != geteuid() ||
	    !(st.st_mode & (S_IWGRP | S_IWOTH)) ||
	    fchmod(dir, st.st_mode & 07777 & ~(mode_t)(S_IWGRP | S_IWOTH)) < 0)
		return false;
	check_repaired(r, "took away others' right to write %s", path);
	return true;
}

void doctor_state(struct check_report *r, struct doctor_scene *s)
{
	if (s->store_fault && r->repair && s->state_path && make_private(r, s->state_path)) {
		fault_free(s->store_fault);
		s->store_fault = store_open(s->state_path, STORE_READ, &s->store);
	}
	if (s->store_fault)
		check_fault(r, true, s->store_fault);
	else if (s->store.dir < 0)
		check_pass(r, "%s is not there yet", s->store.path);
	else
		check_pass(r, "%s, layout %d", s->store.path, STORE_LAYOUT_VERSION);
}

/* ------------------------------------------------------------------------------------ disks */

/* The state directory or, before its first use, the nearest directory above that is there. */
static int open_place(const struct store *s)
{
	AUTO_FREE char *path = s->path ? xstrdup(s->path) : xstrdup("/");

	for (;;) {
		int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		char *slash = strrchr(path, '/');

		if (fd >= 0 || errno != ENOENT || !slash || !path[1])
			return fd;
		slash[slash == path] = '\0';
	}
}

/* What the VM's disks can still grow by. */
static uint64_t vm_growth(const struct store *s, const char *name)
{
	static const char *const disks[] = { VM_ROOT_FILE, VM_COW_FILE, VM_WORK_FILE };
	uint64_t growth = 0;
	AUTO_FD dir = -1;
	AUTO_FAULT f = store_object_open(s, COLLECTION_VMS, name, &dir);
	struct stat st;

	for (size_t i = 0; !f && i < ARRAY_LEN(disks); i++) {
		uint64_t used;

		if (fstatat(dir, disks[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		used = (uint64_t)st.st_blocks * 512;
		if ((uint64_t)st.st_size > used)
			growth += (uint64_t)st.st_size - used;
	}
	return growth;
}

static uint64_t all_growth(const struct store *s)
{
	struct strings names;
	AUTO_FAULT f = store_names(s, COLLECTION_VMS, &names);
	uint64_t growth = 0;

	if (f)
		return 0;
	for (size_t i = 0; i < names.n; i++)
		growth += vm_growth(s, names.v[i]);
	strings_release(&names);
	return growth;
}

void doctor_space(struct check_report *r, struct doctor_scene *s)
{
	AUTO_FD place = open_place(&s->store);
	AUTO_FREE char *space = NULL, *more = NULL;
	uint64_t left = 0, growth = all_growth(&s->store);
	AUTO_FAULT f = place < 0 ? fault_sys(F_SYS, "opening the place of the state directory")
				 : machine_free_bytes(place, &left);

	if (f) {
		check_fault(r, false, f);
		return;
	}
	space = text_size(left);
	more = text_size(growth);
	if (left < SPACE_LEAST)
		check_fail(r, "banger system df", "%s left for machines and images", space);
	else if (growth > left)
		check_warn(r, "banger system df",
			   "%s left, but the disks of the machines may still grow by %s: one that finds no "
			   "room gets errors from its disk", space, more);
	else if (left < SPACE_ENOUGH)
		check_warn(r, "banger system df", "%s left for machines and images", space);
	else if (growth)
		check_pass(r, "%s left; disks of machines may still grow by %s", space, more);
	else
		check_pass(r, "%s left for machines and images", space);
}

static bool xfs_has_reflinks(int fd)
{
	uint8_t geometry[256] = { 0 };
	uint32_t flags;

	if (ioctl(fd, XFS_GEOMETRY, geometry) < 0)
		return false;
	memcpy(&flags, geometry + XFS_GEOMETRY_FLAGS_AT, sizeof(flags));
	return flags & XFS_GEOMETRY_REFLINK;
}

void doctor_reflink(struct check_report *r, struct doctor_scene *s)
{
	AUTO_FD place = open_place(&s->store);
	struct statfs fs;

	if (place < 0 || fstatfs(place, &fs) < 0)
		check_pass(r, "not known");
	else if (fs.f_type == BTRFS_SUPER_MAGIC || (uint32_t)fs.f_type == BCACHEFS_MAGIC ||
		 (fs.f_type == XFS_SUPER_MAGIC && xfs_has_reflinks(place)))
		check_pass(r, "root disks share their image's blocks");
	else
		check_pass(r, "the file system of the state directory has none: root disks are snapshots, "
			   "overlays or copies");
}

/* -------------------------------------------------------------------------------- leftovers */

struct leftovers {
	size_t removed, staged, sockets;
};

static void count_hidden(const struct store *s, enum collection c, struct leftovers *sum)
{
	struct strings names = { 0 };
	AUTO_FAULT f = s->collections[c] < 0 ? NULL
					     : dir_names(s->collections[c], store_directory(c), &names);
	struct stat st;

	for (size_t i = 0; !f && i < names.n; i++) {
		if (store_is_removed(names.v[i]))
			sum->removed++;
		else if (names.v[i][0] == '.' &&
			 !fstatat(s->collections[c], names.v[i], &st, AT_SYMLINK_NOFOLLOW) &&
			 st.st_ctime < time(NULL) - STAGE_OLD_S)
			sum->staged++;
	}
	strings_release(&names);
}

/* Directories for sockets whose VM is gone: their link leads nowhere. */
static void count_sockets(const struct store *s, struct leftovers *sum)
{
	struct strings names = { 0 };
	AUTO_FD dir = s->run_path ? open(s->run_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	AUTO_FAULT f = dir < 0 ? NULL : dir_names(dir, s->run_path, &names);
	struct stat st;

	for (size_t i = 0; !f && i < names.n; i++) {
		AUTO_FREE char *link = xasprintf("%s/vm", names.v[i]);

		if (!fstatat(dir, link, &st, AT_SYMLINK_NOFOLLOW) && fstatat(dir, link, &st, 0) < 0 &&
		    errno == ENOENT)
			sum->sockets++;
	}
	strings_release(&names);
}

static void count_all(const struct store *s, struct leftovers *sum)
{
	*sum = (struct leftovers){ 0 };
	for (unsigned int c = 0; c < COLLECTIONS; c++)
		count_hidden(s, (enum collection)c, sum);
	count_sockets(s, sum);
}

void doctor_leftovers(struct check_report *r, struct doctor_scene *s)
{
	struct leftovers sum;

	count_all(&s->store, &sum);
	if (sum.removed && r->repair) {
		AUTO_FAULT f = store_sweep(&s->store);

		if (!f)
			check_repaired(r, "removed %zu halves of deleted objects", sum.removed);
		count_all(&s->store, &sum);
	}
	if (!sum.removed && !sum.staged && !sum.sockets)
		check_pass(r, "none");
	else
		check_warn(r, sum.removed ? "banger doctor --fix" : NULL,
			   "%zu halves of deleted objects, %zu of objects in the making, %zu directories "
			   "for sockets without a machine", sum.removed, sum.staged, sum.sockets);
}

/* --------------------------------------------------------------------------------- defaults */

static void check_object(struct check_report *r, struct doctor_scene *s, enum collection c,
			 const char *name)
{
	const char *noun = store_noun(c);
	AUTO_FREE char *list = xasprintf("banger %s list", noun);
	AUTO_CATALOG catalog = { 0 };
	AUTO_FD dir = -1;
	AUTO_FAULT here = store_object_open(&s->store, c, name, &dir);
	AUTO_FAULT f = NULL;

	if (!here) {
		check_pass(r, "%s is here", name);
		return;
	}
	f = catalog_load(&catalog);
	if (f)
		check_fault(r, true, f);
	else if (catalog_find(c == COLLECTION_IMAGES ? &catalog.images : &catalog.kernels, name))
		check_pass(r, "%s is pulled when it is first needed", name);
	else
		check_fail(r, list, "%s '%s' is neither here nor in the catalogue", noun, name);
}

void doctor_image(struct check_report *r, struct doctor_scene *s)
{
	check_object(r, s, COLLECTION_IMAGES, s->config.default_image);
}

void doctor_kernel(struct check_report *r, struct doctor_scene *s)
{
	check_object(r, s, COLLECTION_KERNELS, s->config.default_kernel);
}

void doctor_sizes(struct check_report *r, struct doctor_scene *s)
{
	uint64_t available = machine_memory_available();
	AUTO_FREE char *memory = text_size(s->config.memory_bytes);
	AUTO_FREE char *disk = text_size(s->config.disk_size_bytes);
	AUTO_FREE char *left = text_size(available);

	if (available && s->config.memory_bytes > available)
		check_warn(r, "banger vm run --memory SIZE",
			   "a machine gets %s of memory, and %s is available", memory, left);
	else
		check_pass(r, "%llu CPUs, %s of memory, %s of work disk",
			   (unsigned long long)s->config.vcpu, memory, disk);
}

void doctor_ssh(struct check_report *r, struct doctor_scene *s)
{
	AUTO_SSH_CONFIG c = { 0 };
	bool own = false, included = false;
	AUTO_FAULT f = ssh_config_find(&c);

	(void)s;
	if (!f)
		f = ssh_config_state(&c, &own, &included);
	if (f)
		check_fault(r, false, f);
	else if (own && !included)
		check_warn(r, "banger ssh-config --install", "%s is there but %s does not include it",
			   c.own, c.theirs);
	else if (own)
		check_pass(r, "ssh knows NAME.vm");
	else
		check_pass(r, "ssh does not know NAME.vm; 'banger ssh-config --install' changes that");
}
