/* SPDX-License-Identifier: MIT */
#include "disks.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "agent.h"

#define WAIT_MS		   10000
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

/* The superblock of ext4, as far as its size goes (Documentation/filesystems/ext4/super.rst). */
#define SUPER_OFFSET	 1024
#define SUPER_BLOCKS_LO	 0x04
#define SUPER_BLOCK_LOG	 0x18
#define SUPER_MAGIC	 0x38
#define SUPER_INCOMPAT	 0x60
#define SUPER_BLOCKS_HI	 0x150
#define INCOMPAT_64BIT	 0x80
#define MAGIC		 0xef53

static bool has_serial(const char *name, const char *serial)
{
	for (size_t i = 0; i < 2; i++) {
		AUTO_FREE char *path =
			xasprintf("/sys/block/%s/%sserial", name, i ? "device/" : "");
		AUTO_BUF text = BUF_INIT;

		fault_free(read_text(path, 256, &text));
		text.data[strcspn(text.data, " \n")] = '\0';
		if (!strcmp(text.data, serial))
			return true;
	}
	return false;
}

static bool find_now(const char *spec, char **device, struct buf *seen)
{
	AUTO_DIR dir = opendir("/sys/block");
	struct dirent *entry;

	buf_clear(seen);
	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (*name == '.')
			continue;
		buf_addf(seen, " %s", name);
		if (strncmp(spec, "serial=", 7) ? strcmp(spec + 5, name) != 0
						: !has_serial(name, spec + 7))
			continue;
		*device = xasprintf("/dev/%s", name);
		return true;
	}
	return false;
}

struct fault *disk_find(const char *spec, char **device)
{
	int64_t limit = now_ms() + WAIT_MS;
	AUTO_BUF seen = BUF_INIT;

	if (strncmp(spec, "serial=", 7) != 0 && strncmp(spec, "name=", 5) != 0)
		return fault_new(F_INVALID, "'%s' names no disk", spec);
	while (!find_now(spec, device, &seen)) {
		if (now_ms() > limit)
			return fault_new(F_NOT_FOUND, "the disk '%s' did not appear within %d s; "
					 "there is:%s", spec, WAIT_MS / 1000,
					 seen.len ? seen.data : " no disk at all");
		usleep(2000);
	}
	return NULL;
}

struct fault *disk_mount(const char *device, const char *where, bool read_only)
{
	/* The modules disk is shared by machines and never written: no journal to replay. */
	const char *options = read_only ? "noload" : "";

	if (mount(device, where, "ext4", read_only ? MS_RDONLY : 0, options))
		return fault_sys(F_SYS, "mounting '%s' on '%s'", device, where);
	return NULL;
}

static uint32_t le32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static struct fault *sizes(const char *device, uint64_t *have_blocks, uint64_t *want_blocks)
{
	AUTO_FD fd = open(device, O_RDONLY | O_CLOEXEC);
	unsigned char super[1024];
	uint64_t bytes;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) ||
	    pread(fd, super, sizeof(super), SUPER_OFFSET) != sizeof(super))
		return fault_sys(F_SYS, "reading '%s'", device);
	if ((le32(super + SUPER_MAGIC) & 0xffff) != MAGIC || le32(super + SUPER_BLOCK_LOG) > 6)
		return fault_new(F_CORRUPT, "'%s' has no ext4 superblock", device);
	*have_blocks = le32(super + SUPER_BLOCKS_LO);
	if (le32(super + SUPER_INCOMPAT) & INCOMPAT_64BIT)
		*have_blocks |= (uint64_t)le32(super + SUPER_BLOCKS_HI) << 32;
	*want_blocks = bytes / (UINT64_C(1024) << le32(super + SUPER_BLOCK_LOG));
	return NULL;
}

struct fault *disk_grow(const char *device, const char *where)
{
	uint64_t have, want;
	AUTO_FD fd = -1;

	TRY(sizes(device, &have, &want));
	if (want <= have)
		return NULL;
	fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, EXT4_IOC_RESIZE_FS, &want))
		return fault_sys(F_SYS, "growing the file system of '%s' to its disk", device);
	return NULL;
}
