/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  Inodes get ascending numbers, so one chunk of the inode table is kept in
 * memory and written when the next one begins.  An inode behind the chunk (a directory that gets
 * its content at the end) is changed in the file.
 */
#include "disk/ext4_writer.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"

#define TIME_MIN (-INT64_C(0x80000000))
#define TIME_MAX (INT64_C(0x37fffffff))

struct fault *ext4_pread(struct ext4_writer *w, void *data, size_t len, uint64_t offset)
{
	char *p = data;

	while (len) {
		ssize_t n = pread(w->fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "reading the new file system");
		if (n == 0)
			return fault_new(F_SYS, "the new file system was cut while it was written");
		p += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return NULL;
}

struct fault *ext4_pwrite(struct ext4_writer *w, const void *data, size_t len, uint64_t offset)
{
	return file_pwrite_all(w->fd, data, len, (off_t)offset, "the new file system");
}

/* -- the inode table -- */

static uint32_t chunk_of(struct ext4_writer *w, uint32_t inode)
{
	uint32_t index = (inode - 1) % w->inodes_per_group;

	return inode - index % CHUNK_INODES;
}

/* How many inodes the chunk holds: the last one of a group may be short. */
static uint32_t chunk_count(struct ext4_writer *w)
{
	uint32_t left = w->inodes_per_group - (w->chunk_first - 1) % w->inodes_per_group;

	return left < CHUNK_INODES ? left : CHUNK_INODES;
}

struct fault *ext4_inodes_flush(struct ext4_writer *w)
{
	uint32_t used;

	if (!w->chunk_first)
		return NULL;
	used = w->next_inode - w->chunk_first;
	if (used > chunk_count(w))
		used = chunk_count(w);
	return ext4_pwrite(w, w->chunk, (size_t)used * INODE_SIZE,
			   ext4_inode_offset(w, w->chunk_first));
}

/* Where @inode is in memory; moves the chunk forward when it is a new one; NULL: in the file. */
static struct fault *find_in_chunk(struct ext4_writer *w, uint32_t inode, uint8_t **raw)
{
	uint32_t first = chunk_of(w, inode);

	*raw = NULL;
	if (first > w->chunk_first) {
		TRY(ext4_inodes_flush(w));
		w->chunk_first = first;
		if (first == 1) /* the file system's own inodes are there already */
			TRY(ext4_pread(w, w->chunk, (size_t)chunk_count(w) * INODE_SIZE,
				       ext4_inode_offset(w, first)));
		else
			memset(w->chunk, 0, (size_t)CHUNK_INODES * INODE_SIZE);
	}
	if (first == w->chunk_first)
		*raw = w->chunk + (size_t)(inode - first) * INODE_SIZE;
	return NULL;
}

struct fault *ext4_inode_load(struct ext4_writer *w, uint32_t inode, uint8_t *raw)
{
	uint8_t *in_memory;

	TRY(find_in_chunk(w, inode, &in_memory));
	if (!in_memory)
		return ext4_pread(w, raw, INODE_SIZE, ext4_inode_offset(w, inode));
	memcpy(raw, in_memory, INODE_SIZE);
	return NULL;
}

static struct fault *inode_save(struct ext4_writer *w, uint32_t inode, const uint8_t *raw)
{
	uint8_t *in_memory;

	TRY(find_in_chunk(w, inode, &in_memory));
	if (!in_memory)
		return ext4_pwrite(w, raw, INODE_SIZE, ext4_inode_offset(w, inode));
	memcpy(in_memory, raw, INODE_SIZE);
	return NULL;
}

struct fault *ext4_inode_store(struct ext4_writer *w, uint32_t inode, uint8_t *raw)
{
	uint32_t crc;

	put16(raw + I_CHECKSUM, 0);
	put16(raw + I_CHECKSUM_HIGH, 0);
	crc = ext4_crc32c(ext4_inode_seed(w, inode), raw, INODE_SIZE);
	put16(raw + I_CHECKSUM, crc);
	put16(raw + I_CHECKSUM_HIGH, crc >> 16);
	return inode_save(w, inode, raw);
}

/* -- encoding -- */

static void put_time(uint8_t *raw, size_t at, size_t extra_at, int64_t sec, uint32_t nsec)
{
	uint32_t epoch;

	if (sec < TIME_MIN || sec > TIME_MAX) {
		sec = sec < 0 ? TIME_MIN : TIME_MAX;
		nsec = 0;
	}
	if (nsec > 999999999)
		nsec = 0;
	/* The low 32 bits are signed; two more bits count how often they wrapped. */
	epoch = (uint32_t)((sec - (int32_t)(uint32_t)sec) >> 32) & 3;
	put32(raw + at, (uint32_t)sec);
	put32(raw + extra_at, nsec << 2 | epoch);
}

void ext4_inode_set_size(uint8_t *raw, uint64_t size)
{
	put32(raw + I_SIZE, (uint32_t)size);
	put32(raw + I_SIZE_HIGH, (uint32_t)(size >> 32));
}

void ext4_inode_add_blocks(uint8_t *raw, uint64_t blocks)
{
	uint64_t sectors = get32(raw + I_BLOCKS) | (uint64_t)get16(raw + I_BLOCKS_HIGH) << 32;

	sectors += blocks * (BLOCK / 512);
	put32(raw + I_BLOCKS, (uint32_t)sectors);
	put16(raw + I_BLOCKS_HIGH, (uint32_t)(sectors >> 32));
}

static struct fault *put_device(uint8_t *raw, const struct ext4_attr *a)
{
	uint32_t major = a->rdev_major, minor = a->rdev_minor;

	if (major > 0xfff || minor > 0xfffff)
		return fault_new(F_INVALID, "the device number %u:%u is out of range", major,
				 minor);
	if (major < 256 && minor < 256)
		put32(raw + I_BLOCK, major << 8 | minor);
	else
		put32(raw + I_BLOCK + 4, (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12);
	return NULL;
}

struct fault *ext4_inode_encode(struct ext4_writer *w, const struct ext4_attr *a, uint8_t *raw)
{
	memset(raw, 0, INODE_SIZE);
	put16(raw + I_MODE, a->mode);
	put16(raw + I_UID, a->uid);
	put16(raw + I_UID_HIGH, a->uid >> 16);
	put16(raw + I_GID, a->gid);
	put16(raw + I_GID_HIGH, a->gid >> 16);
	put16(raw + I_LINKS, 1);
	put16(raw + I_EXTRA_SIZE, I_XATTRS - I_EXTRA_SIZE);
	put_time(raw, I_MTIME, I_MTIME_EXTRA, a->mtime_sec, a->mtime_nsec);
	put_time(raw, I_ATIME, I_ATIME_EXTRA, a->mtime_sec, a->mtime_nsec);
	put_time(raw, I_CTIME, I_CTIME_EXTRA, a->mtime_sec, a->mtime_nsec);
	put_time(raw, I_CRTIME, I_CRTIME_EXTRA, a->mtime_sec, a->mtime_nsec);
	if (S_ISCHR(a->mode) || S_ISBLK(a->mode))
		TRY(put_device(raw, a));
	return a->n_xattrs ? ext4_xattrs_encode(w, a, raw) : NULL;
}

uint8_t ext4_dirent_type(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return 1;
	case S_IFDIR:
		return 2;
	case S_IFCHR:
		return 3;
	case S_IFBLK:
		return 4;
	case S_IFIFO:
		return 5;
	case S_IFSOCK:
		return 6;
	case S_IFLNK:
		return 7;
	default:
		return 0;
	}
}

/* -- inodes that have no data of their own -- */

struct fault *ext4_root(struct ext4_writer *w, const struct ext4_attr *attr)
{
	uint8_t raw[INODE_SIZE];

	TRY(ext4_inode_encode(w, attr, raw));
	return ext4_inode_store(w, EXT4_ROOT_INODE, raw);
}

struct fault *ext4_node(struct ext4_writer *w, const struct ext4_attr *attr, uint32_t *inode)
{
	uint8_t raw[INODE_SIZE];
	uint32_t taken;

	if (!ext4_dirent_type(attr->mode) || S_ISREG(attr->mode) || S_ISLNK(attr->mode))
		return fault_new(F_INVALID, "the file type %o is unknown", attr->mode & S_IFMT);
	TRY(ext4_inode_encode(w, attr, raw));
	TRY(ext4_inode_take(w, S_ISDIR(attr->mode), &taken));
	TRY(ext4_inode_store(w, taken, raw));
	*inode = taken;
	return NULL;
}

static struct fault *long_symlink(struct ext4_writer *w, const char *target, size_t len,
				  uint32_t inode, uint8_t *raw)
{
	uint8_t block[BLOCK] = {0};

	memcpy(block, target, len);
	ext4_stream_begin(w);
	TRY(ext4_stream_block(w, inode, 0, block));
	return ext4_stream_end(w, inode, raw);
}

struct fault *ext4_symlink(struct ext4_writer *w, const struct ext4_attr *attr, const char *target,
			   size_t len, uint32_t *inode)
{
	struct ext4_attr link = *attr;
	uint8_t raw[INODE_SIZE];
	uint32_t taken;

	if (!len || len >= BLOCK)
		return fault_new(F_INVALID, "a symbolic link's target of %zu bytes is %s", len,
				 len ? "too long" : "empty");
	link.mode = S_IFLNK | 0777;
	TRY(ext4_inode_encode(w, &link, raw));
	TRY(ext4_inode_take(w, false, &taken));
	ext4_inode_set_size(raw, len);
	if (len < I_BLOCK_BYTES)
		memcpy(raw + I_BLOCK, target, len);
	else
		TRY(long_symlink(w, target, len, taken, raw));
	TRY(ext4_inode_store(w, taken, raw));
	*inode = taken;
	return NULL;
}

struct fault *ext4_set_links(struct ext4_writer *w, uint32_t inode, uint32_t links)
{
	uint8_t raw[INODE_SIZE];

	if (links > LINKS_MAX)
		return fault_new(F_INVALID, "a file with %u names: ext4 allows at most %u", links,
				 LINKS_MAX);
	TRY(ext4_inode_load(w, inode, raw));
	put16(raw + I_LINKS, links);
	return ext4_inode_store(w, inode, raw);
}

/* -- reading our own extent trees: to free a file, to look into a small one -- */

typedef void (*extent_visitor)(struct ext4_writer *w, uint32_t logical, uint64_t first,
			       uint32_t count, void *context);

/* Calls @data for each extent and @tree (may be NULL) for each block of the tree below @node. */
static struct fault *walk_extents(struct ext4_writer *w, const uint8_t *node, unsigned int depth,
				  extent_visitor data, extent_visitor tree, void *context)
{
	uint32_t entries = get16(node + 2);

	for (uint32_t i = 0; i < entries; i++) {
		const uint8_t *e = node + 12 + (size_t)i * 12;
		AUTO_FREE uint8_t *child = NULL;
		uint64_t block;

		if (!depth) {
			block = get32(e + 8) | (uint64_t)get16(e + 6) << 32;
			data(w, get32(e), block, get16(e + 4), context);
			continue;
		}
		block = get32(e + 4) | (uint64_t)get16(e + 8) << 32;
		child = xmalloc(BLOCK);
		TRY(ext4_pread(w, child, BLOCK, block * BLOCK));
		TRY(walk_extents(w, child, depth - 1, data, tree, context));
		if (tree)
			tree(w, 0, block, 1, context);
	}
	return NULL;
}

static struct fault *walk_inode(struct ext4_writer *w, const uint8_t *raw, extent_visitor data,
				extent_visitor tree, void *context)
{
	if (!(get32(raw + I_FLAGS) & I_FLAG_EXTENTS))
		return NULL;
	TRY(ext4_out_flush(w));
	return walk_extents(w, raw + I_BLOCK, get16(raw + I_BLOCK + 6), data, tree, context);
}

static void free_extent(struct ext4_writer *w, uint32_t logical, uint64_t first, uint32_t count,
			void *context)
{
	(void)logical;
	(void)context;
	ext4_blocks_return(w, first, count);
}

struct fault *ext4_drop(struct ext4_writer *w, uint32_t inode)
{
	uint8_t raw[INODE_SIZE];
	uint64_t acl;

	TRY(ext4_inode_load(w, inode, raw));
	TRY(walk_inode(w, raw, free_extent, free_extent, NULL));
	acl = get32(raw + I_FILE_ACL) | (uint64_t)get16(raw + I_FILE_ACL_HIGH) << 32;
	if (acl)
		ext4_blocks_return(w, acl, 1);
	ext4_inode_return(w, inode, S_ISDIR(get16(raw + I_MODE)));
	memset(raw, 0, sizeof(raw));
	return inode_save(w, inode, raw);
}

static void note_first(struct ext4_writer *w, uint32_t logical, uint64_t first, uint32_t count,
		       void *context)
{
	(void)w;
	(void)count;
	if (logical == 0)
		*(uint64_t *)context = first;
}

struct fault *ext4_size(struct ext4_writer *w, uint32_t inode, uint64_t *size)
{
	uint8_t raw[INODE_SIZE];

	TRY(ext4_inode_load(w, inode, raw));
	*size = get32(raw + I_SIZE) | (uint64_t)get32(raw + I_SIZE_HIGH) << 32;
	return NULL;
}

struct fault *ext4_read_start(struct ext4_writer *w, uint32_t inode, struct buf *out)
{
	uint8_t raw[INODE_SIZE];
	uint64_t size, block = 0;
	char *to;

	TRY(ext4_inode_load(w, inode, raw));
	size = get32(raw + I_SIZE) | (uint64_t)get32(raw + I_SIZE_HIGH) << 32;
	if (size > BLOCK)
		size = BLOCK;
	if (S_ISLNK(get16(raw + I_MODE)) && size < I_BLOCK_BYTES) {
		buf_add(out, raw + I_BLOCK, size);
		return NULL;
	}
	TRY(walk_inode(w, raw, note_first, NULL, &block));
	to = buf_grow(out, size + 1);
	memset(to, 0, size + 1);
	if (block)
		TRY(ext4_pread(w, to, size, block * BLOCK));
	out->len += size;
	return NULL;
}
