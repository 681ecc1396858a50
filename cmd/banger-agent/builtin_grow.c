/* SPDX-License-Identifier: MIT */
/*
 * builtin_grow.c - the file system of the work disk after the disk has grown.
 *
 * EXT4_IOC_RESIZE_FS grows a mounted file system through its journal: a machine that dies half way has
 * the old size or a larger one, and the next call goes on.  It never shrinks.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "agent.h"
#include "builtin.h"

#define WORK_DIR	   "/root"
#define EXT4_MAGIC	   0xef53
#define EXT4_RESIZE_IOCTL _IOW('f', 16, uint64_t)
#define DISK_WAIT_MS	   10000
#define STEP_MS		   20

/* The size of the disk below @dir in bytes, by its number of sectors. */
static bool disk_size(int dir, uint64_t *bytes)
{
	AUTO_BUF text = BUF_INIT;
	AUTO_FREE char *path = NULL;
	AUTO_FAULT f = NULL;
	struct stat st;

	if (fstat(dir, &st))
		return false;
	path = xasprintf("/sys/dev/block/%u:%u/size", major(st.st_dev), minor(st.st_dev));
	f = read_text(path, 64, &text);
	*bytes = f ? 0 : strtoull(text.data, NULL, 10) * 512;
	return !f;
}

/* The driver learns of the new size a moment after the VMM has told it. */
static bool wait_for_size(int dir, uint64_t wanted, uint64_t *bytes)
{
	int64_t deadline = now_ms() + DISK_WAIT_MS;

	for (;;) {
		if (!disk_size(dir, bytes))
			return false;
		if (*bytes >= wanted || now_ms() >= deadline)
			return *bytes >= wanted;
		usleep(STEP_MS * 1000);
	}
}

static int grow(int dir, uint64_t disk_bytes)
{
	struct statfs fs;
	uint64_t blocks;

	if (fstatfs(dir, &fs) || fs.f_type != EXT4_MAGIC || fs.f_bsize <= 0) {
		fprintf(stderr, "the file system at " WORK_DIR " is not ext4\n");
		return 1;
	}
	blocks = disk_bytes / (uint64_t)fs.f_bsize;
	/* f_blocks leaves the file system's own blocks out, so "grown already" is the kernel's to say. */
	if (ioctl(dir, EXT4_RESIZE_IOCTL, &blocks)) {
		fprintf(stderr, "growing the file system at " WORK_DIR ": %m\n");
		return 1;
	}
	if (syncfs(dir))
		return 1;
	return 0;
}

int builtin_grow(int argc, char **argv)
{
	AUTO_FD dir = open(WORK_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *end = NULL;
	uint64_t wanted = argc == 2 ? strtoull(argv[1], &end, 10) : 0;
	uint64_t bytes = 0;
	struct stat root, work;

	if (!wanted || *end) {
		fprintf(stderr, "grow: needs a number of bytes\n");
		return 1;
	}
	if (dir < 0 || fstat(dir, &work) || stat("/", &root) || work.st_dev == root.st_dev) {
		fprintf(stderr, "there is no work disk at " WORK_DIR "\n");
		return 1;
	}
	if (!wait_for_size(dir, wanted, &bytes)) {
		fprintf(stderr, "the work disk has %llu bytes, not %llu\n",
			(unsigned long long)bytes, (unsigned long long)wanted);
		return 1;
	}
	return grow(dir, bytes);
}
