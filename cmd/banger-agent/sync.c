/* SPDX-License-Identifier: MIT */
#include "sync.h"

#include <fcntl.h>
#include <string.h>

#include "agent.h"
#include "guest/tree.h"

#define HOME "/root"

static struct fault *unpack(int archives, const char *name, int home)
{
	AUTO_FD fd = openat(archives, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct tree_unpack options = { .mode_mask = 0777 };
	struct tar_reader *r;
	struct fault *f;

	if (fd < 0)
		return fault_sys(F_SYS, "opening its archive");
	r = tar_reader_new_fd(fd, "its archive");
	f = tree_unpack(home, r, &options);
	tar_reader_free(r);
	return f;
}

void sync_files(int initramfs)
{
	int fd = openat(initramfs, SEED_SYNC_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_DIR archives = fd < 0 ? NULL : fdopendir(fd);
	AUTO_FD home = -1;
	struct dirent *entry;

	if (!archives)
		return; /* there is nothing to sync */
	home = open(HOME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while ((entry = readdir(archives)))
		if (*entry->d_name != '.')
			say_fault(fault_wrap(home < 0 ? fault_sys(F_SYS, "opening '%s'", HOME)
						      : unpack(dirfd(archives), entry->d_name, home),
					     "file_sync %s", entry->d_name));
}
