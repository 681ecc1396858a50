/* SPDX-License-Identifier: MIT */
#include "store/vm_store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/text.h"
#include "store/events.h"

#define LOCK_FILE "lock"

void vm_dir_release(struct vm_dir *d)
{
	events_end(d, NULL);
	lock_drop(&d->lock);
	fd_close(d->fd);
	free(d->name);
	free(d->path);
	*d = VM_DIR_INIT;
}

static struct vm_dir make(const struct store *s, const char *name, int fd)
{
	return (struct vm_dir){ xstrdup(name), store_object_path(s, COLLECTION_VMS, name, NULL), fd,
				LOCK_INIT };
}

struct fault *vm_dir_open(const struct store *s, const char *name, struct vm_dir *d)
{
	int fd;

	TRY(store_object_open(s, COLLECTION_VMS, name, &fd));
	*d = make(s, name, fd);
	return NULL;
}

/* Is the directory that we opened still the one with that name? */
static bool still_there(const struct store *s, const struct vm_dir *d)
{
	struct stat ours, theirs;

	return !fstat(d->fd, &ours) &&
	       !fstatat(s->collections[COLLECTION_VMS], d->name, &theirs, AT_SYMLINK_NOFOLLOW) &&
	       ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

struct fault *vm_dir_lock(const struct store *s, const char *name, const char *verb,
			  struct vm_dir *d)
{
	AUTO_FREE char *what = xasprintf("VM '%s'", name);
	AUTO_VM_DIR dir = VM_DIR_INIT;
	struct fault *f;

	TRY(vm_dir_open(s, name, &dir));
	f = lock_take(dir.fd, LOCK_FILE, LOCK_EXCLUSIVE, what, verb, s->wait_ms, &dir.lock);
	/* In a directory that is removed by now no lock can be made. */
	if (f && fault_kind(f) != F_NOT_FOUND)
		return f;
	fault_free(f);
	if (f || !still_there(s, &dir))
		return fault_new(F_NOT_FOUND, "VM '%s' was just removed", name);
	*d = dir;
	dir = VM_DIR_INIT;
	events_begin(d, verb);
	return NULL;
}

/*
 * Staging directories whose maker is gone: ".stage-<name>.<pid>".  A recycled pid only keeps one
 * a little longer.
 */
static struct fault *sweep_stages(const struct store *s)
{
	int dir = s->collections[COLLECTION_VMS];
	struct fault *f = NULL;
	struct strings names;

	TRY(dir_names(dir, "VMs", &names));
	for (size_t i = 0; i < names.n; i++) {
		const char *dot = strrchr(names.v[i], '.');
		pid_t pid = dot ? (pid_t)strtol(dot + 1, NULL, 10) : 0;

		if (names.v[i][0] == '.' && pid > 0 && kill(pid, 0) < 0 && errno == ESRCH)
			f = fault_attach(f, tree_remove(dir, names.v[i]));
	}
	strings_release(&names);
	return f;
}

struct fault *vm_dir_stage(const struct store *s, const char *name, struct vm_dir *d)
{
	/* Two processes may be creating the same name: each stages under its own pid. */
	AUTO_FREE char *unique = xasprintf("%s.%d", name, (int)getpid());
	AUTO_FREE char *stage = NULL;
	AUTO_VM_DIR dir = VM_DIR_INIT;
	int fd;

	TRY(sweep_stages(s));
	TRY(store_stage(s, COLLECTION_VMS, unique, &stage, &fd));
	dir = make(s, stage, fd);
	TRY(lock_take(dir.fd, LOCK_FILE, LOCK_EXCLUSIVE, "a new VM", "create", 0, &dir.lock));
	free(dir.name);
	dir.name = xstrdup(name);
	*d = dir;
	dir = VM_DIR_INIT;
	events_begin(d, "create");
	return NULL;
}

/* Only the last component of a staged directory's path differs from its name. */
static bool is_staged(const struct vm_dir *d)
{
	return strcmp(strrchr(d->path, '/') + 1, d->name) != 0;
}

struct fault *vm_dir_publish(const struct store *s, struct vm_dir *d)
{
	const char *stage_name = strrchr(d->path, '/') + 1;

	TRY(store_publish(s, COLLECTION_VMS, stage_name, d->name, false));
	free(d->path);
	d->path = store_object_path(s, COLLECTION_VMS, d->name, NULL);
	return NULL;
}

struct fault *vm_dir_discard(const struct store *s, struct vm_dir *d)
{
	if (is_staged(d))
		return store_unstage(s, COLLECTION_VMS, strrchr(d->path, '/') + 1);
	return fault_attach(store_object_remove(s, COLLECTION_VMS, d->name), sweep_stages(s));
}

static struct fault *read_record(const struct vm_dir *d, const char *file,
				 const struct record_type *type, void *out)
{
	AUTO_FREE char *what = xasprintf("VM '%s', %s", d->name, file);

	return file_read_record(d->fd, file, type, what, out);
}

/* Ids, names and enumerations become paths, arguments and device names: check them at the door. */
static struct fault *check_spec(const struct vm_dir *d, const struct vm_spec *spec)
{
	if (spec->machine_id && (strlen(spec->machine_id) != VM_ID_HEX_LEN ||
				 strspn(spec->machine_id, "0123456789abcdef") != VM_ID_HEX_LEN))
		return fault_new(F_CORRUPT, "VM '%s', spec.json: field 'machine_id' is not 32 hex "
				 "digits", d->name);
	if (strlen(spec->id) != VM_ID_HEX_LEN ||
	    strspn(spec->id, "0123456789abcdef") != VM_ID_HEX_LEN)
		return fault_new(F_CORRUPT, "VM '%s', spec.json: field 'id' is not 32 hex digits",
				 d->name);
	if (strcmp(spec->name, d->name))
		return fault_new(F_CORRUPT, "VM '%s', spec.json: field 'name' says '%.64s'", d->name,
				 spec->name);
	if (!spec->vcpu || spec->vcpu > 256 || spec->memory_bytes < 16 * MIB)
		return fault_new(F_CORRUPT, "VM '%s', spec.json: vcpu or memory is out of range",
				 d->name);
	TRY(fault_wrap(name_check_object("image", spec->image), "VM '%s', spec.json", d->name));
	return fault_wrap(name_check_object("kernel", spec->kernel), "VM '%s', spec.json", d->name);
}

/* A rename that was cut short before the directory had its new name. */
static void heal_rename(const struct vm_dir *d, struct vm_spec *spec)
{
	if (spec->renamed_from && !strcmp(spec->renamed_from, d->name)) {
		free(spec->name);
		spec->name = spec->renamed_from;
	} else {
		free(spec->renamed_from);
	}
	spec->renamed_from = NULL;
}

struct fault *vm_dir_rename(const struct store *s, struct vm_dir *d, const char *name)
{
	int dir = s->collections[COLLECTION_VMS];
	struct fault *f;

	if (renameat2(dir, d->name, dir, name, RENAME_NOREPLACE) < 0)
		return errno == EEXIST ? fault_new(F_EXISTS, "there is a VM '%s' already", name)
				       : fault_sys(F_SYS, "renaming VM '%s'", d->name);
	f = dir_sync(dir, name);
	if (f) { /* nobody shall find a new name that the disk may forget */
		renameat2(dir, name, dir, d->name, RENAME_NOREPLACE);
		return f;
	}
	free(d->name);
	free(d->path);
	d->name = xstrdup(name);
	d->path = store_object_path(s, COLLECTION_VMS, name, NULL);
	return NULL;
}

struct fault *vm_spec_read(const struct vm_dir *d, struct vm_spec *spec)
{
	struct fault *f;

	TRY(read_record(d, VM_SPEC_FILE, &vm_spec_type, spec));
	heal_rename(d, spec);
	f = check_spec(d, spec);
	if (f)
		record_release(&vm_spec_type, spec);
	return f;
}

struct fault *vm_spec_write(const struct vm_dir *d, const struct vm_spec *spec)
{
	return fault_wrap(file_write_record(d->fd, VM_SPEC_FILE, &vm_spec_type, spec), "VM '%s'",
			  d->name);
}

struct fault *vm_handles_read(const struct vm_dir *d, struct vm_handles *handles)
{
	return read_record(d, VM_HANDLES_FILE, &vm_handles_type, handles);
}

struct fault *vm_handles_write(const struct vm_dir *d, const struct vm_handles *h)
{
	return fault_wrap(file_write_record_volatile(d->fd, VM_HANDLES_FILE, &vm_handles_type, h),
			  "VM '%s'", d->name);
}

struct fault *vm_op_set(const struct vm_dir *d, const char *verb, const char *stage)
{
	struct vm_op op = { 0 };
	struct fault *f;

	if (!verb) {
		if (!unlinkat(d->fd, VM_OP_FILE, 0) || errno == ENOENT)
			return NULL;
		if (errno == EISDIR) /* whoever put that there: nothing that is ours can be below it */
			return tree_remove(d->fd, VM_OP_FILE);
		return fault_sys(F_SYS, "VM '%s': clearing the operation", d->name);
	}
	events_stage(d, stage);
	op.id = *d->operation ? xstrdup(d->operation) : NULL;
	op.verb = xstrdup(verb);
	op.stage = xstrdup(stage);
	op.since = text_time(time(NULL));
	if (!process_identify(getpid(), &op.by))
		op.by = (struct process_id){ .pid = (uint64_t)getpid() };
	f = file_write_record_volatile(d->fd, VM_OP_FILE, &vm_op_type, &op);
	record_release(&vm_op_type, &op);
	return fault_wrap(f, "VM '%s'", d->name);
}

struct fault *vm_op_read(const struct vm_dir *d, struct vm_op *op)
{
	return read_record(d, VM_OP_FILE, &vm_op_type, op);
}

char *vm_run_path(const struct store *s, const char *id)
{
	return xasprintf("%s/%.*s", s->run_path, SHORT_ID_LEN, id);
}
