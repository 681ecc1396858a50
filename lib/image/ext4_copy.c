/* SPDX-License-Identifier: MIT */
#include "image/ext4_copy.h"

#include <endian.h>
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"

#define SUPER_OFFSET 1024
#define SUPER_BYTES  1024
#define SIZE_MAX_BYTES (UINT64_C(16) << 40)
#define COPY_CHUNK (1u << 20)

/* Offsets in the superblock (Documentation/filesystems/ext4/super.rst of Linux). */
enum {
	S_INODES = 0x0,
	S_BLOCKS_LO = 0x4,
	S_FREE_BLOCKS_LO = 0xc,
	S_FREE_INODES = 0x10,
	S_LOG_BLOCK_SIZE = 0x18,
	S_BLOCKS_PER_GROUP = 0x20,
	S_INODES_PER_GROUP = 0x28,
	S_MAGIC = 0x38,
	S_STATE = 0x3a,
	S_REV = 0x4c,
	S_INODE_SIZE = 0x58,
	S_INCOMPAT = 0x60,
	S_BLOCKS_HI = 0x150,
	S_FREE_BLOCKS_HI = 0x158,
};

#define EXT_MAGIC	   0xef53
#define STATE_CLEAN	   0x1
#define STATE_ERRORS	   0x2
#define INCOMPAT_RECOVER   0x4
#define INCOMPAT_64BIT	   0x80
/* filetype, meta_bg, extents, 64bit, mmp, flex_bg, ea_inode, csum_seed, large_dir, inline_data,
 * encrypt, casefold: all that current kernels mount. */
#define INCOMPAT_KNOWN	   0x3e7d2
#define FIRST_OWN_INODE	   10

static uint32_t get32(const unsigned char *s, size_t at)
{
	uint32_t v;

	memcpy(&v, s + at, sizeof(v));
	return le32toh(v);
}

static uint16_t get16(const unsigned char *s, size_t at)
{
	return (uint16_t)(s[at] | s[at + 1] << 8);
}

static bool ext4_is_super(const unsigned char *s)
{
	return get16(s, S_MAGIC) == EXT_MAGIC;
}

bool ext4_is(const void *head, size_t len)
{
	return len >= SUPER_OFFSET + SUPER_BYTES &&
	       ext4_is_super((const unsigned char *)head + SUPER_OFFSET);
}

static uint64_t get_blocks(const unsigned char *s, size_t low, size_t high)
{
	bool wide = get32(s, S_INCOMPAT) & INCOMPAT_64BIT;

	return get32(s, low) | (wide ? (uint64_t)get32(s, high) << 32 : 0);
}

static struct fault *check_features(const unsigned char *s, const char *what)
{
	uint32_t incompat = get32(s, S_REV) ? get32(s, S_INCOMPAT) : 0;

	if (incompat & INCOMPAT_RECOVER || !(get16(s, S_STATE) & STATE_CLEAN))
		return fault_hint(fault_new(F_UNSUPPORTED, "the file system %s was not unmounted "
					    "cleanly", what),
				  "Unmount it, or repair a copy of it with: e2fsck -f FILE");
	if (get16(s, S_STATE) & STATE_ERRORS)
		return fault_hint(fault_new(F_CORRUPT, "the file system %s has recorded errors", what),
				  "Repair a copy of it with: e2fsck -f FILE");
	if (incompat & ~(uint32_t)(INCOMPAT_KNOWN | INCOMPAT_RECOVER))
		return fault_new(F_UNSUPPORTED, "the file system %s uses features that Linux does not "
				 "mount (incompatible features 0x%x)", what, incompat);
	return NULL;
}

struct fault *ext4_check(int fd, const char *what, struct ext4_facts *facts)
{
	unsigned char s[SUPER_BYTES];
	uint64_t blocks, free_blocks;
	uint32_t shift;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fault_sys(F_SYS, "reading %s", what);
	if (pread(fd, s, sizeof(s), SUPER_OFFSET) != sizeof(s))
		return fault_new(F_CORRUPT, "the file system %s is truncated", what);
	if (!ext4_is_super(s))
		return fault_new(F_CORRUPT, "%s is no ext4 file system", what);
	TRY(check_features(s, what));
	blocks = get_blocks(s, S_BLOCKS_LO, S_BLOCKS_HI);
	free_blocks = get_blocks(s, S_FREE_BLOCKS_LO, S_FREE_BLOCKS_HI);
	shift = get32(s, S_LOG_BLOCK_SIZE);
	if (shift > 6 || !blocks || free_blocks > blocks || !get32(s, S_BLOCKS_PER_GROUP) ||
	    !get32(s, S_INODES_PER_GROUP) || get32(s, S_FREE_INODES) > get32(s, S_INODES))
		return fault_new(F_CORRUPT, "the superblock of the file system %s is damaged", what);
	if (blocks > SIZE_MAX_BYTES >> (10 + shift))
		return fault_new(F_UNSUPPORTED, "the file system %s is larger than 16 TiB", what);
	facts->size_bytes = blocks << (10 + shift);
	facts->used_bytes = (blocks - free_blocks) << (10 + shift);
	facts->inodes = get32(s, S_INODES) - get32(s, S_FREE_INODES);
	facts->inodes = facts->inodes > FIRST_OWN_INODE ? facts->inodes - FIRST_OWN_INODE : 1;
	if (facts->size_bytes > (uint64_t)st.st_size)
		return fault_new(F_CORRUPT, "the file system %s is truncated: it should have %llu bytes "
				 "but the file has %llu", what,
				 (unsigned long long)facts->size_bytes,
				 (unsigned long long)st.st_size);
	return NULL;
}

/* Copy [at, end), leaving out blocks of zeros: the source may come from where there are no holes. */
static struct fault *copy_range(int from, int to, uint64_t at, uint64_t end, const char *what,
				char *chunk)
{
	while (at < end) {
		size_t want = end - at < COPY_CHUNK ? (size_t)(end - at) : COPY_CHUNK;
		ssize_t n = pread(from, chunk, want, (off_t)at);

		TRY(cancel_check());
		if (n < 0)
			return fault_sys(F_SYS, "reading %s", what);
		if (!n)
			return fault_new(F_CORRUPT, "the file system %s is truncated", what);
		TRY(file_pwrite_sparse(to, chunk, (size_t)n, (off_t)at, "the root file system"));
		at += (uint64_t)n;
	}
	return NULL;
}

static struct fault *copy_data(int from, int to, uint64_t size, const char *what,
			       struct progress *progress)
{
	AUTO_FREE char *chunk = xmalloc(COPY_CHUNK);
	uint64_t at = 0;

	while (at < size) {
		off_t data = lseek(from, (off_t)at, SEEK_DATA);
		off_t hole;

		if (data < 0 && errno == ENXIO)
			break; /* nothing but a hole up to the end */
		hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
		if (data < 0 || hole < 0)
			return fault_sys(F_SYS, "reading %s", what);
		if ((uint64_t)data >= size)
			break;
		at = (uint64_t)hole < size ? (uint64_t)hole : size;
		TRY(copy_range(from, to, (uint64_t)data, at, what, chunk));
		progress_amount(progress, at, size);
	}
	return NULL;
}

struct fault *ext4_copy(int from, int to, const char *what, struct progress *progress,
			struct ext4_facts *facts)
{
	TRY(ext4_check(from, what, facts));
	if (ioctl(to, FICLONE, from) < 0)
		TRY(copy_data(from, to, facts->size_bytes, what, progress));
	if (ftruncate(to, (off_t)facts->size_bytes) < 0)
		return fault_sys(F_SYS, "writing the root file system");
	return NULL;
}
