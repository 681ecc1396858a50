/* SPDX-License-Identifier: MIT */
#include "work.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "agent.h"
#include "disks.h"
#include "tree.h"

#define STAGING AGENT_DIR "/work"
#define HOME	"/root"
#define MARK	".banger-copying" /* the copy is not complete */

/* Is there nothing on the disk, or only an unfinished copy? */
static bool is_fresh(const char *path)
{
	AUTO_DIR dir = opendir(path);
	bool marked = false, empty = true;
	struct dirent *entry;

	if (!dir)
		return false;
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (!strcmp(name, MARK))
			marked = true;
		else if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
			 strcmp(name, "lost+found") != 0)
			empty = false;
	}
	return marked || empty;
}

static struct fault *fill(void)
{
	AUTO_FD from = open(HOME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD to = open(STAGING, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD mark = -1;

	if (from < 0 || to < 0)
		return fault_sys(F_SYS, "opening the work disk");
	mark = openat(to, MARK, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (mark < 0 || fsync(mark))
		return fault_sys(F_SYS, "writing to the work disk");
	TRY(tree_copy(from, to));
	/* The content first, then the word that it is complete. */
	if (syncfs(to) || unlinkat(to, MARK, 0))
		return fault_sys(F_SYS, "writing to the work disk");
	return NULL;
}

struct fault *work_mount(const char *device)
{
	if (mkdir(STAGING, 0700) && errno != EEXIST)
		return fault_sys(F_SYS, "making '%s'", STAGING);
	if (mkdir(HOME, 0700) && errno != EEXIST)
		return fault_sys(F_SYS, "making '%s'", HOME);
	TRY(disk_mount(device, STAGING, false));
	say_fault(disk_grow(device, STAGING));
	if (is_fresh(STAGING))
		say_fault(fault_wrap(fill(), "copying the image's /root to the work disk"));
	if (mount(STAGING, HOME, NULL, MS_MOVE, NULL))
		return fault_sys(F_SYS, "moving the work disk to '%s'", HOME);
	rmdir(STAGING);
	return NULL;
}
