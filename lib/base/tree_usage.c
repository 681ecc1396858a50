/* SPDX-License-Identifier: MIT */
#include "base/tree_usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define DEPTH_MAX 64
#define EXTENTS	  128

/* File systems without reflinks know no shared blocks, or do not answer: zero. */
static uint64_t shared_bytes(int dir, const char *name)
{
	AUTO_FD fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	AUTO_FREE struct fiemap *map =
		xcalloc(1, sizeof(*map) + EXTENTS * sizeof(struct fiemap_extent));
	uint64_t at = 0, sum = 0;
	bool last = fd < 0;

	while (!last) {
		*map = (struct fiemap){ .fm_start = at, .fm_length = FIEMAP_MAX_OFFSET - at,
					.fm_extent_count = EXTENTS };
		if (ioctl(fd, FS_IOC_FIEMAP, map) < 0 || !map->fm_mapped_extents)
			break;
		for (uint32_t i = 0; i < map->fm_mapped_extents; i++) {
			const struct fiemap_extent *e = &map->fm_extents[i];

			if (e->fe_flags & FIEMAP_EXTENT_SHARED)
				sum += e->fe_length;
			last |= (e->fe_flags & FIEMAP_EXTENT_LAST) != 0;
			at = e->fe_logical + e->fe_length;
		}
	}
	return sum;
}

static struct fault *add(int dir, const char *name, bool shared, int depth, struct tree_usage *sum);

static struct fault *add_directory(int dir, const char *name, bool shared, int depth,
				   struct tree_usage *sum)
{
	AUTO_FD fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_DIR listing = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!listing)
		return errno == ENOENT ? NULL : fault_sys(F_SYS, "reading directory '%s'", name);
	steal_fd(&fd);
	while ((entry = readdir(listing)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			TRY(add(dirfd(listing), entry->d_name, shared, depth + 1, sum));
	return NULL;
}

static struct fault *add(int dir, const char *name, bool shared, int depth, struct tree_usage *sum)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NULL : fault_sys(F_SYS, "looking at '%s'", name);
	sum->allocated_bytes += (uint64_t)st.st_blocks * 512;
	if (S_ISREG(st.st_mode)) {
		sum->files++;
		sum->logical_bytes += (uint64_t)st.st_size;
		if (shared && st.st_blocks)
			sum->shared_bytes += shared_bytes(dir, name);
	}
	if (!S_ISDIR(st.st_mode) || depth >= DEPTH_MAX)
		return NULL;
	return add_directory(dir, name, shared, depth, sum);
}

struct fault *tree_usage_add(int dir, const char *name, _Bool shared, struct tree_usage *sum)
{
	return add(dir, name, shared, 0, sum);
}
