/* SPDX-License-Identifier: MIT */
/*
 * gc_run_dirs.c - directories of sockets whose VM is not there any more.
 *
 * Each has a link "vm" to its VM's directory.  State directories share the place where they are, so
 * only those count whose link leads into this one.  One that goes gets another name first: removed half,
 * it would have no link that tells whose it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "vm/gc.h"

/* Where the link leads, NULL when there is none.  Owned. */
static char *target_of(int run, const char *name)
{
	AUTO_FREE char *link = xasprintf("%s/vm", name);
	char target[PATH_MAX];
	ssize_t n = readlinkat(run, link, target, sizeof(target) - 1);

	return n > 0 ? xstrndup(target, (size_t)n) : NULL;
}

static bool is_there(int run, const char *name)
{
	AUTO_FREE char *link = xasprintf("%s/vm/.", name);
	struct stat st;

	return !fstatat(run, link, &st, 0) || (errno != ENOENT && errno != ENOTDIR);
}

#define GONE ".gone-"

static struct fault *remove_dir(int run, const char *name)
{
	AUTO_FREE char *gone = xasprintf(GONE "%s", name);

	if (renameat(run, name, run, gone) < 0)
		return errno == ENOENT ? NULL : fault_sys(F_SYS, "renaming '%s'", name);
	return tree_remove(run, gone);
}

/* What a gc that was killed has left. */
static void finish(struct gc *gc, int run, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", gc->store->run_path, name);
	struct gc_item *item = gc_add(gc, "run directory", path, NULL);

	gc_judge(item, "abandoned", "remove", "its removal was cut off");
	if (!gc->dry_run)
		gc_done(item, tree_remove(run, name));
}

static void look_at(struct gc *gc, int run, const char *name)
{
	AUTO_FREE char *vms = xasprintf("%s/%s/", gc->store->path, store_directory(COLLECTION_VMS));
	AUTO_FREE char *path = xasprintf("%s/%s", gc->store->run_path, name);
	AUTO_FREE char *target = target_of(run, name);
	struct gc_item *item;

	if (!target || is_there(run, name))
		return; /* just being made, or its VM takes care of it */
	item = gc_add(gc, "run directory", path, target);
	if (strncmp(target, vms, strlen(vms))) {
		gc_judge(item, "foreign", "keep", "it belongs to another state directory");
		return;
	}
	gc_judge(item, "abandoned", "remove", "its VM is not there any more");
	if (!gc->dry_run)
		gc_done(item, remove_dir(run, name));
}

struct fault *gc_scan_run_dirs(struct gc *gc)
{
	AUTO_FD run = open(gc->store->run_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct strings names;
	struct stat st;

	if (run < 0)
		return errno == ENOENT ? NULL
				       : fault_sys(F_SYS, "opening '%s'", gc->store->run_path);
	if (fstat(run, &st) < 0 || st.st_uid != geteuid())
		return NULL; /* nothing of ours can be in it */
	TRY(dir_names(run, gc->store->run_path, &names));
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.v[i];

		if (gc_is_short_id(name))
			look_at(gc, run, name);
		else if (!strncmp(name, GONE, strlen(GONE)) && gc_is_short_id(name + strlen(GONE)))
			finish(gc, run, name);
	}
	strings_release(&names);
	return NULL;
}
