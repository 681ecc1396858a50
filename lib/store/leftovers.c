/* SPDX-License-Identifier: MIT */
#include "store/leftovers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"

#define STAGE_MARK   ".stage-"
#define REMOVED_MARK ".removed-"
#define DOWNLOADS    "cache/oci/downloads"
#define LOCK_ENDING  ".lock"

/* Directories where files are replaced, besides those of the objects. */
static const char *const places[] = {
	".", "vms", "images", "kernels", "names", "ssh", "leases", "leases/ip", "cache", "cache/oci",
	"cache/oci/blobs/sha256", "cache/oci/references", DOWNLOADS, "cache/downloads",
	"cache/programs",
};

static const char *const stage_kind = "staging directory", *const removed_kind = "removed object",
			 *const temp_kind = "temporary file", *const download_kind = "download";

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static struct leftover *add(struct records *out, const char *kind, enum leftover_state state,
			    const char *dir, const char *name)
{
	struct leftover *l = records_add(out, sizeof(*l));

	l->kind = kind;
	l->state = state;
	l->path = strcmp(dir, ".") ? xasprintf("%s/%s", dir, name) : xstrdup(name);
	return l;
}

/* ------------------------------------------------------------------------ staging directories */

/* ".stage-<name>.<pid>" of a VM: its maker holds the lock in it from the beginning. */
static pid_t maker_of(const char *entry)
{
	const char *dot = strrchr(entry, '.');

	return dot && dot != entry ? (pid_t)strtol(dot + 1, NULL, 10) : 0;
}

static enum leftover_state state_of_vm_stage(const char *entry)
{
	pid_t pid = maker_of(entry);

	return pid > 0 && kill(pid, 0) < 0 && errno == ESRCH ? LEFTOVER_DEAD : LEFTOVER_IN_USE;
}

/* Looking is not holding: an observer opens no lock.  The right to remove is had under the lock only. */
static enum leftover_state state_of_stage(const struct store *s, enum collection c, const char *object)
{
	AUTO_FREE char *file = xasprintf("%s/%s" LOCK_ENDING, store_directory(c), object);
	struct lock_holder holder;

	if (s->locks < 0 || !lock_holder(s->locks, file, &holder))
		return LEFTOVER_DEAD;
	return kill(holder.pid, 0) < 0 && errno == ESRCH ? LEFTOVER_DEAD : LEFTOVER_IN_USE;
}

static void find_stage(const struct store *s, enum collection c, const char *entry,
		       struct records *out)
{
	const char *object = entry + strlen(STAGE_MARK);
	struct leftover *l;

	if (c == COLLECTION_VMS) {
		l = add(out, stage_kind, state_of_vm_stage(entry), "vms", entry);
		l->owner = xasprintf("process %d", (int)maker_of(entry));
		return;
	}
	l = add(out, stage_kind, state_of_stage(s, c, object), store_directory(c), entry);
	l->owner = xasprintf("%s '%s'", store_noun(c), object);
}

/* ------------------------------------------------------------------- files that are on their way */

static enum leftover_state state_of_temp(int dir, const char *name)
{
	switch (file_temp_state(dir, name)) {
	case FILE_TEMP_ABANDONED:
		return LEFTOVER_DEAD;
	case FILE_TEMP_NEW:
		return LEFTOVER_UNKNOWN;
	default:
		return LEFTOVER_IN_USE;
	}
}

static void find_temps(int dir, const char *path, const struct strings *names, struct records *out)
{
	for (size_t i = 0; i < names->n; i++)
		if (file_is_temp(names->v[i]))
			add(out, temp_kind, state_of_temp(dir, names->v[i]), path, names->v[i]);
}

static bool is_old(int dir, const char *name)
{
	struct stat st;

	return !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) &&
	       time(NULL) - st.st_mtime > LEFTOVER_DOWNLOAD_KEEP_S;
}

static bool has(const struct strings *sorted, const char *name)
{
	for (size_t i = 0; i < sorted->n; i++)
		if (!strcmp(sorted->v[i], name))
			return true;
	return false;
}

/* Whoever downloads holds <hex>.lock, and removes it afterwards. */
static bool download_is_held(int dir, const char *file)
{
	struct lock_holder holder;

	return lock_holder(dir, file, &holder) && !(kill(holder.pid, 0) < 0 && errno == ESRCH);
}

static void find_downloads(int dir, const struct strings *names, struct records *out)
{
	for (size_t i = 0; i < names->n; i++) {
		const char *name = names->v[i];
		size_t len = strlen(name), ending = strlen(LOCK_ENDING);
		bool is_lock = len > ending && !strcmp(name + len - ending, LOCK_ENDING);
		AUTO_FREE char *lock = is_lock ? xstrdup(name) : xasprintf("%s" LOCK_ENDING, name);
		enum leftover_state state = LEFTOVER_DEAD;

		if (name[0] == '.')
			continue;
		if (has(names, lock) && download_is_held(dir, lock))
			state = LEFTOVER_IN_USE;
		else if (!is_lock && !is_old(dir, name))
			state = LEFTOVER_YOUNG;
		add(out, download_kind, state, DOWNLOADS, name);
	}
}

/* ---------------------------------------------------------------------------------- all places */

static struct fault *look_into(const struct store *s, const char *path, struct strings *names, int *fd)
{
	*names = (struct strings){ 0 };
	*fd = openat(s->dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			       ? NULL : fault_sys(F_SYS, "opening '%s/%s'", s->path, path);
	return dir_names(*fd, path, names);
}

static struct fault *find_in_object(const struct store *s, enum collection c, const char *name,
				    struct records *out)
{
	AUTO_FREE char *path = xasprintf("%s/%s", store_directory(c), name);
	struct strings names;
	AUTO_FD dir = -1;
	struct fault *f = look_into(s, path, &names, &dir);

	find_temps(dir, path, &names, out);
	strings_release(&names);
	return f;
}

static struct fault *find_in_collection(const struct store *s, enum collection c,
					struct records *out)
{
	struct strings names;
	AUTO_FD dir = -1;
	struct fault *f = look_into(s, store_directory(c), &names, &dir);

	for (size_t i = 0; i < names.n; i++) {
		if (begins(names.v[i], STAGE_MARK))
			find_stage(s, c, names.v[i], out);
		else if (begins(names.v[i], REMOVED_MARK))
			add(out, removed_kind, LEFTOVER_DEAD, store_directory(c), names.v[i]);
		else if (names.v[i][0] != '.')
			f = fault_attach(f, find_in_object(s, c, names.v[i], out));
	}
	strings_release(&names);
	return f;
}

struct fault *leftovers_find(const struct store *s, struct records *out)
{
	struct fault *f = NULL;

	*out = (struct records){ 0 };
	if (s->dir < 0)
		return NULL;
	for (int c = 0; c < COLLECTIONS; c++)
		f = fault_attach(f, find_in_collection(s, (enum collection)c, out));
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct strings names;
		AUTO_FD dir = -1;

		f = fault_attach(f, look_into(s, places[i], &names, &dir));
		find_temps(dir, places[i], &names, out);
		if (!strcmp(places[i], DOWNLOADS))
			find_downloads(dir, &names, out);
		strings_release(&names);
	}
	return f;
}

void leftovers_release(struct records *list)
{
	struct leftover *all = list->v;

	for (size_t i = 0; i < list->n; i++) {
		free(all[i].path);
		free(all[i].owner);
	}
	free(all);
	*list = (struct records){ 0 };
}

/* ------------------------------------------------------------------------------------- removal */

/* The collection of a staging directory's path; COLLECTIONS for everything else. */
static enum collection stage_collection(const struct leftover *l)
{
	for (int c = 0; l->kind == stage_kind && c < COLLECTIONS; c++)
		if (begins(l->path, store_directory((enum collection)c)))
			return (enum collection)c;
	return COLLECTIONS;
}

static struct fault *remove_download(const struct store *s, const struct leftover *l, bool *removed)
{
	AUTO_FD dir = openat(s->dir, DOWNLOADS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FREE char *name = xstrdup(strrchr(l->path, '/') + 1);
	AUTO_FREE char *file = NULL;
	AUTO_LOCK lock = LOCK_INIT;
	char *ending = strstr(name, LOCK_ENDING);

	if (dir < 0)
		return NULL;
	file = ending ? xstrdup(name) : xasprintf("%s" LOCK_ENDING, name);
	TRY(lock_take(dir, file, LOCK_EXCLUSIVE, "a download", "gc", 0, &lock));
	if (!ending)
		TRY(tree_remove(dir, name));
	*removed = true;
	return tree_remove(dir, file);
}

struct fault *leftovers_remove(const struct store *s, const struct leftover *l, bool *removed)
{
	const char *name = strrchr(l->path, '/') ? strrchr(l->path, '/') + 1 : l->path;
	enum collection c = stage_collection(l);
	struct store at_once = *s; /* borrowed */
	AUTO_LOCK lock = LOCK_INIT;

	*removed = false;
	if (l->kind == download_kind && l->state != LEFTOVER_YOUNG)
		return remove_download(s, l, removed);
	/* Of images and kernels the lock decides: the number in its file may be somebody else's by now. */
	if (l->state != LEFTOVER_DEAD && c != COLLECTION_IMAGES && c != COLLECTION_KERNELS)
		return NULL;
	at_once.wait_ms = 0;
	if (c == COLLECTION_VMS && state_of_vm_stage(name) != LEFTOVER_DEAD)
		return NULL;
	if (c == COLLECTION_IMAGES || c == COLLECTION_KERNELS)
		TRY(store_object_lock(&at_once, c, name + strlen(STAGE_MARK), LOCK_EXCLUSIVE, "gc",
				      &lock));
	TRY(tree_remove(s->dir, l->path));
	*removed = true;
	return NULL;
}
