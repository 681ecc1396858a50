/* SPDX-License-Identifier: MIT */
#include "host/cgroup.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "host/sysroot.h"

#define TOP	  "/sys/fs/cgroup"
#define ATTRIBUTE "trusted.banger"
#define TAG_MAX	  64
#define PIDS_MAX  (1u << 20)
#define BUSY_MS	  5
#define BUSY_TRIES 100

bool cgroup_has(const char *controller)
{
	AUTO_BUF all = BUF_INIT;
	size_t len = strlen(controller);

	if (!sysroot_read(TOP "/cgroup.controllers", 4096, &all))
		return false;
	for (char *at = all.data; (at = strstr(at, controller)); at += len)
		if ((at == all.data || at[-1] == ' ') && strchr(" \n", at[len]))
			return true;
	return false;
}

struct fault *cgroup_remove(const char *parent, const char *name)
{
	AUTO_FREE char *above = NULL;
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *inside = xasprintf(TOP "/%s/%s", parent, name);
	AUTO_FREE char *top = xasprintf(TOP "/%s", parent);

	path = sysroot_path(inside);
	above = sysroot_path(top);
	/* A process that has just ended leaves its group a moment later. */
	for (int i = 0; rmdir(path) < 0 && errno != ENOENT; i++) {
		if (errno != EBUSY || i == BUSY_TRIES)
			return fault_sys(F_SYS, "removing the control group '%s'", path);
		usleep(BUSY_MS * 1000);
	}
	if (rmdir(above) < 0 && errno != ENOENT && errno != EBUSY && errno != ENOTEMPTY)
		return fault_sys(F_SYS, "removing the control group '%s'", above);
	return NULL;
}

static struct fault *make_one(const char *path)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return fault_sys(F_SYS, "making the control group '%s'", path);
	return NULL;
}

struct fault *cgroup_make(const char *parent, const char *name, const char *tag)
{
	AUTO_FREE char *top = xasprintf(TOP "/%s", parent);
	AUTO_FREE char *above = sysroot_path(top);
	AUTO_FREE char *path = xasprintf("%s/%s", above, name);

	if (!sysroot_exists(TOP "/cgroup.controllers"))
		return NULL;
	TRY(make_one(above));
	TRY(make_one(path));
	if (setxattr(path, ATTRIBUTE, tag, strlen(tag), 0) < 0 && errno != ENOTSUP && errno != EPERM)
		return fault_sys(F_SYS, "describing the control group '%s'", path);
	return NULL;
}

/* ------------------------------------------------------------------------------------- looking */

static char *tag_of(const char *path)
{
	char tag[TAG_MAX];
	ssize_t n = getxattr(path, ATTRIBUTE, tag, sizeof(tag));

	return n > 0 ? xstrndup(tag, (size_t)n) : NULL;
}

char *cgroup_tag(const char *parent, const char *name)
{
	AUTO_FREE char *inside = xasprintf(TOP "/%s/%s", parent, name);
	AUTO_FREE char *path = sysroot_path(inside);

	return tag_of(path);
}

struct fault *cgroup_list(const char *parent, struct records *out)
{
	AUTO_FREE char *top = xasprintf(TOP "/%s", parent);
	AUTO_FREE char *real = sysroot_path(top);
	AUTO_FD dir = sysroot_open_dir(top);
	struct strings names = { 0 };

	*out = (struct records){ 0 };
	if (dir < 0)
		return errno == ENOENT || errno == ENOTDIR ? NULL : fault_sys(F_SYS, "opening '%s'", top);
	TRY(dir_names(dir, top, &names));
	for (size_t i = 0; i < names.n; i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", real, names.v[i]);
		struct cgroup_seen *seen;
		struct stat st;

		if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		seen = records_add(out, sizeof(*seen));
		seen->name = xstrdup(names.v[i]);
		seen->tag = tag_of(path);
	}
	strings_release(&names);
	return NULL;
}

void cgroup_list_release(struct records *groups)
{
	struct cgroup_seen *all = groups->v;

	for (size_t i = 0; i < groups->n; i++) {
		free(all[i].name);
		free(all[i].tag);
	}
	free(all);
	*groups = (struct records){ 0 };
}

static bool is_listed(const char *text, long pid)
{
	AUTO_FREE char *line = xasprintf("\n%ld\n", pid);
	AUTO_FREE char *all = xasprintf("\n%s", text);

	return strstr(all, line) != NULL;
}

void cgroup_processes(const char *parent, const char *name, struct records *out)
{
	AUTO_FREE char *path = xasprintf(TOP "/%s/%s/cgroup.procs", parent, name);
	AUTO_BUF text = BUF_INIT;

	*out = (struct records){ 0 };
	if (!sysroot_read(path, PIDS_MAX, &text))
		return;
	for (const char *at = text.data; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		long pid = strtol(at, NULL, 10);
		struct process_id id = { 0 };
		AUTO_BUF again = BUF_INIT;

		if (pid <= 0 || pid > INT_MAX || !process_identify((pid_t)pid, &id))
			continue;
		/* Still there, so it is the one that was identified, and nobody else with its number. */
		if (sysroot_read(path, PIDS_MAX, &again) && is_listed(again.data, pid))
			*(struct process_id *)records_add(out, sizeof(id)) = id;
		else
			process_id_release(&id);
	}
}

void cgroup_processes_release(struct records *processes)
{
	struct process_id *all = processes->v;

	for (size_t i = 0; i < processes->n; i++)
		process_id_release(&all[i]);
	free(all);
	*processes = (struct records){ 0 };
}
