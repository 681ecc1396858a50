/* SPDX-License-Identifier: MIT */
#include "vm/root_disk.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "disk/root_disk.h"
#include "host/dm.h"
#include "image/rootfs.h"

/* A process that has just ended may be closing its files still. */
#define CLOSE_WAIT_MS 3000

static bool is_dm(const struct vm *vm)
{
	return !vm->spec_fault && !strcmp(vm->spec.disk_mode, DISK_MODE_DM);
}

static char *device_name(const char *id)
{
	return xasprintf(DM_PREFIX "%.*s", SHORT_ID_LEN, id);
}

/* A copy of the state directory has VMs with the same ids, but in directories of their own. */
static struct fault *owner_of(const struct vm *vm, char **owner)
{
	struct stat st;

	if (fstat(vm->dir.fd, &st) < 0)
		return fault_sys(F_SYS, "looking at '%s'", vm->dir.path);
	*owner = xasprintf("%llx-%llx", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	return NULL;
}

char *vm_root_path(const struct vm *vm)
{
	AUTO_FREE char *name = is_dm(vm) ? device_name(vm->spec.id) : NULL;

	return name ? dm_path(name) : xasprintf("%s/" VM_ROOT_FILE, vm->dir.path);
}

static struct fault *open_cow(const struct vm *vm, int flags, int *fd)
{
	*fd = openat(vm->dir.fd, VM_COW_FILE, flags | O_NOFOLLOW | O_CLOEXEC);
	if (*fd < 0)
		return fault_sys(F_MISSING, "the root disk of VM '%s'", vm->dir.name);
	return NULL;
}

/* ------------------------------------------------------------------------------------ start steps */

static struct fault *explain_lost(const struct vm *vm, struct fault *f)
{
	f = fault_wrap(f, "VM '%s'", vm->dir.name);
	if (f && (fault_kind(f) == F_STATE || fault_kind(f) == F_CORRUPT))
		f = fault_hint(f, "Give it a new root disk, and keep /root, with: banger vm reset %s",
			       vm->dir.name);
	return f;
}

static struct fault *check_cow(const struct vm *vm)
{
	AUTO_FD fd = -1;
	struct fault *f = snapshot_check();

	if (f)
		return fault_wrap(f, "VM '%s' has a root disk of mode dm", vm->dir.name);
	TRY(open_cow(vm, O_RDWR, &fd));
	return explain_lost(vm, snapshot_check_cow(fd));
}

/* What keeps the image from being used is said with the VM's name, and what helps when it is gone. */
static struct fault *check_image(const struct vm *vm)
{
	AUTO_FREE char *path = NULL;
	struct fault *f = image_rootfs_path(vm->store, vm->spec.image, &path);
	bool gone = f && (fault_kind(f) == F_NOT_FOUND || fault_kind(f) == F_MISSING);

	f = fault_wrap(f, "VM '%s'", vm->dir.name);
	if (gone && !fault_hint_text(f))
		f = fault_hint(f, "Get it again with: banger image pull %s", vm->spec.image);
	return f;
}

struct fault *vm_root_check(const struct vm *vm)
{
	struct fault *f = check_image(vm);

	if (is_dm(vm))
		return fault_attach(f, check_cow(vm));
	if (faccessat(vm->dir.fd, VM_ROOT_FILE, R_OK | W_OK, AT_SYMLINK_NOFOLLOW) < 0)
		f = fault_attach(f, fault_sys(F_MISSING, "the root disk of VM '%s'", vm->dir.name));
	return f;
}

struct fault *vm_snapshot_open(const struct vm *vm)
{
	AUTO_FREE char *tag = store_tag(vm->store);
	AUTO_FREE char *name = NULL;
	AUTO_FREE char *owner = NULL;
	AUTO_FREE char *path = NULL;
	AUTO_FD image = -1;
	AUTO_FD cow = -1;
	struct fault *f;

	if (!is_dm(vm))
		return NULL;
	name = device_name(vm->spec.id);
	TRY(owner_of(vm, &owner));
	TRY(image_rootfs_path(vm->store, vm->spec.image, &path));
	image = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (image < 0)
		return fault_sys(F_SYS, "opening '%s'", path);
	TRY(open_cow(vm, O_RDWR, &cow));
	f = snapshot_open(&(struct snapshot){ name, owner, tag }, image, cow, vm->spec.system_bytes);
	if (f && fault_kind(f) == F_EXISTS)
		f = fault_hint(f, "Somebody still has it open, or a VM of another state directory has the "
			       "same id. See: dmsetup info %s", name);
	return explain_lost(vm, f);
}

/* Without a usable spec.json the name is not known, but whose the device is. */
static struct fault *find_name(const struct vm *vm, const char *owner, char **name)
{
	if (!vm->spec_fault) {
		*name = device_name(vm->spec.id);
		return NULL;
	}
	return snapshot_find(owner, name);
}

/* Nobody but root can have made a device. */
static bool may_have_device(const struct vm *vm)
{
	return geteuid() == 0 && (is_dm(vm) || vm->spec_fault);
}

struct fault *vm_snapshot_close(const struct vm *vm, bool *deferred)
{
	AUTO_FREE char *name = NULL;
	AUTO_FREE char *owner = NULL;
	struct fault *f;

	*deferred = false;
	if (!may_have_device(vm))
		return NULL;
	TRY(owner_of(vm, &owner));
	f = find_name(vm, owner, &name);
	if (!f && name)
		f = snapshot_close(&(struct snapshot){ name, owner, NULL }, CLOSE_WAIT_MS, deferred);
	/* A host without device mapper has no device of ours. */
	if (f && fault_kind(f) == F_MISSING) {
		fault_free(f);
		return NULL;
	}
	return f;
}

/* ------------------------------------------------------------------------------------- looking */

static struct fault *use_of_file(const struct vm *vm, struct snapshot_use *use)
{
	AUTO_FD fd = -1;
	struct stat st;
	struct fault *f;

	TRY(open_cow(vm, O_RDONLY, &fd));
	if (fstat(fd, &st) < 0)
		return fault_sys(F_SYS, "looking at the root disk of VM '%s'", vm->dir.name);
	f = snapshot_check_cow(fd);
	use->invalid = f && fault_kind(f) == F_STATE;
	use->used_bytes = (uint64_t)st.st_blocks * 512;
	use->total_bytes = (uint64_t)st.st_size;
	if (use->invalid)
		fault_free(f);
	return use->invalid ? NULL : f;
}

struct fault *vm_cow_use(const struct vm *vm, struct snapshot_use *use)
{
	AUTO_FREE char *name = NULL;
	struct fault *f;

	*use = (struct snapshot_use){ 0 };
	if (!is_dm(vm))
		return fault_new(F_UNSUPPORTED, "the root disk is not a snapshot of the device mapper");
	name = device_name(vm->spec.id);
	f = geteuid() ? fault_new(F_DENIED, "only root can ask the device mapper")
		      : snapshot_use(name, use);
	if (f && fault_kind(f) == F_NOT_FOUND) {
		fault_free(f);
		return use_of_file(vm, use);
	}
	if (f || !use->invalid)
		return f;
	TRY(use_of_file(vm, use)); /* the kernel tells no numbers any more */
	use->invalid = true;
	return NULL;
}
