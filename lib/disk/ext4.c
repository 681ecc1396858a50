/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  libext2fs lays the file system out (groups, tables, journal, resize inode)
 * and writes bitmaps, group descriptors and superblocks at the end.  In between we hand out inode
 * numbers in ascending order and blocks from one free run after the other, so a file's blocks are
 * contiguous and no bitmap is searched block by block.
 *
 * The file starts as one big hole, so everything that mke2fs would zero (inode tables, journal) is
 * zero already.  Groups are marked as such: a guest's kernel then has nothing to initialise in the
 * background, which would fill its copy-on-write disk.
 */
#include "disk/ext4_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <ext2fs/ext2fs.h>

#include "base/text.h"

#define GROW_LIMIT   (1024 * GIB) /* online growth is possible up to here */
#define SIZE_MIN     (256 * KIB)
#define SIZE_MAX_FS  (16 * 1024 * GIB - MIB)
#define DESC_SIZE    64u
#define SMALL_FS     (512 * MIB)
#define HASH_SEED_AT offsetof(struct ext2_super_block, s_hash_seed)

static ext2_filsys fs_of(struct ext4_writer *w)
{
	return w->fs;
}

static struct fault *fault_ext2(errcode_t code, const char *doing)
{
	initialize_ext2_error_table();
	errno = code < 256 ? (int)code : 0;
	if (errno)
		return fault_sys(F_SYS, "%s", doing);
	return fault_new(F_INVALID, "%s: %s", doing, error_message(code));
}

/* -- libext2fs reads and writes through these, on our descriptor and without a cache -- */

static errcode_t channel_open(const char *name, int flags, io_channel *out);

static errcode_t channel_close(io_channel c)
{
	if (--c->refcount > 0)
		return 0;
	ext2fs_free_mem(&c->name);
	ext2fs_free_mem(&c);
	return 0;
}

static errcode_t channel_set_blksize(io_channel c, int size)
{
	c->block_size = size;
	return 0;
}

static int channel_fd(io_channel c)
{
	return (int)(intptr_t)c->private_data;
}

/* A negative @count is bytes, a positive one blocks. */
static size_t channel_bytes(io_channel c, int count)
{
	return count < 0 ? (size_t)-count : (size_t)count * (size_t)c->block_size;
}

static errcode_t channel_read(io_channel c, unsigned long long block, int count, void *data)
{
	size_t left = channel_bytes(c, count);
	off_t at = (off_t)(block * (unsigned long long)c->block_size);
	char *p = data;

	while (left) {
		ssize_t n = pread(channel_fd(c), p, left, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : EIO;
		p += n;
		at += n;
		left -= (size_t)n;
	}
	return 0;
}

static errcode_t channel_write_at(io_channel c, off_t at, const void *data, size_t left)
{
	const char *p = data;

	while (left) {
		ssize_t n = pwrite(channel_fd(c), p, left, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		p += n;
		at += n;
		left -= (size_t)n;
	}
	return 0;
}

static errcode_t channel_write(io_channel c, unsigned long long block, int count, const void *data)
{
	return channel_write_at(c, (off_t)(block * (unsigned long long)c->block_size), data,
				channel_bytes(c, count));
}

static errcode_t channel_read32(io_channel c, unsigned long block, int count, void *data)
{
	return channel_read(c, block, count, data);
}

static errcode_t channel_write32(io_channel c, unsigned long block, int count, const void *data)
{
	return channel_write(c, block, count, data);
}

static errcode_t channel_write_byte(io_channel c, unsigned long at, int count, const void *data)
{
	return channel_write_at(c, (off_t)at, data, (size_t)count);
}

static errcode_t channel_flush(io_channel c)
{
	(void)c;
	return 0;
}

static struct struct_io_manager channel_manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "banger",
	.open = channel_open,
	.close = channel_close,
	.set_blksize = channel_set_blksize,
	.read_blk = channel_read32,
	.write_blk = channel_write32,
	.flush = channel_flush,
	.write_byte = channel_write_byte,
	.read_blk64 = channel_read,
	.write_blk64 = channel_write,
};

/* @name is the descriptor's number: libext2fs has no other way to pass anything through. */
static errcode_t channel_open(const char *name, int flags, io_channel *out)
{
	io_channel c = NULL;
	errcode_t code = ext2fs_get_memzero(sizeof(*c), &c);
	char *copy = NULL;

	(void)flags;
	if (!code)
		code = ext2fs_get_mem(strlen(name) + 1, &copy);
	if (code) {
		ext2fs_free_mem(&c);
		return code;
	}
	memcpy(copy, name, strlen(name) + 1);
	c->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	c->manager = &channel_manager;
	c->name = copy;
	c->block_size = 1024;
	c->refcount = 1;
	c->private_data = (void *)(intptr_t)strtol(name, NULL, 10);
	*out = c;
	return 0;
}

/* -- laying out -- */

static void set_features(struct ext2_super_block *p, bool fixed)
{
	p->s_rev_level = EXT2_DYNAMIC_REV;
	p->s_log_block_size = 2;
	p->s_log_cluster_size = 2;
	p->s_inode_size = INODE_SIZE;
	p->s_log_groups_per_flex = 4;
	p->s_desc_size = DESC_SIZE;
	p->s_feature_compat = EXT2_FEATURE_COMPAT_EXT_ATTR | EXT2_FEATURE_COMPAT_DIR_INDEX;
	p->s_feature_incompat = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS |
				EXT4_FEATURE_INCOMPAT_FLEX_BG | EXT4_FEATURE_INCOMPAT_64BIT;
	p->s_feature_ro_compat =
		EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
		EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_DIR_NLINK |
		EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE | EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;
	if (!fixed)
		p->s_feature_compat |= EXT2_FEATURE_COMPAT_RESIZE_INODE;
}

/* Descriptor blocks kept free behind the descriptors, so that the file system can grow. */
static uint32_t reserved_blocks(uint64_t size)
{
	uint64_t limit = size < GROW_LIMIT / 2 ? GROW_LIMIT : size * 2;
	uint64_t in_one = (BLOCK / DESC_SIZE) * 128 * MIB;
	uint64_t need = (limit + in_one - 1) / in_one - (size + in_one - 1) / in_one;

	/* A small file system cannot spare that much: 1/256 of it at most. */
	if (need > size / BLOCK / 256)
		need = size / BLOCK / 256;
	return need > BLOCK / 4 ? BLOCK / 4 : (uint32_t)need;
}

static uint32_t inode_count(const struct ext4_options *o)
{
	uint64_t n =
		o->inodes ? o->inodes : o->size_bytes / (o->size_bytes < SMALL_FS ? 4096 : 16384);

	if (n < 16)
		n = 16;
	return n > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)n;
}

static struct fault *check_options(const struct ext4_options *o)
{
	if (o->size_bytes < SIZE_MIN)
		return fault_hint(fault_new(F_INVALID,
					    "a file system of %llu bytes is too small: at least "
					    "256K are needed",
					    (unsigned long long)o->size_bytes),
				  "give a larger size");
	if (o->size_bytes > SIZE_MAX_FS)
		return fault_new(F_INVALID, "a file system of %llu bytes is too large: at most 16T",
				 (unsigned long long)o->size_bytes);
	if (o->label && strlen(o->label) > EXT2_LABEL_LEN)
		return fault_new(F_INVALID, "the label '%s' is longer than %d bytes", o->label,
				 EXT2_LABEL_LEN);
	return NULL;
}

static struct fault *empty_file(int fd, uint64_t size)
{
	struct stat st;

	if (fstat(fd, &st))
		return fault_sys(F_SYS, "looking at the file system's file");
	if (!S_ISREG(st.st_mode))
		return fault_new(F_INVALID, "a file system can only be written to a regular file");
	if (ftruncate(fd, 0) || ftruncate(fd, (off_t)size))
		return fault_sys(F_SYS, "making the file system's file %llu bytes long",
				 (unsigned long long)size);
	return NULL;
}

static struct fault *random_bytes(void *out, size_t len)
{
	if (getrandom(out, len, 0) != (ssize_t)len)
		return fault_sys(F_SYS, "getting random bytes");
	return NULL;
}

/* UUID and hash seed of reproducible file systems: the first bytes of SHA-256("banger image"). */
static const uint8_t fixed_identity[32] = {
	0x2a, 0xb8, 0xaf, 0x6f, 0x2d, 0x95, 0x1c, 0xc6, 0x9a, 0x25, 0x37,
	0x8e, 0x82, 0xb3, 0x29, 0xa6, 0xf2, 0x1f, 0x86, 0xe0, 0x92, 0x60,
	0x63, 0x48, 0xbb, 0x6a, 0x9f, 0x73, 0x61, 0x40, 0x82, 0xbd,
};

/* Who the file system is, and when it was made. */
static struct fault *identify(ext2_filsys fs, bool reproducible)
{
	struct ext2_super_block *s = fs->super;

	if (reproducible) {
		memcpy(s->s_uuid, fixed_identity, sizeof(s->s_uuid));
		memcpy(s->s_hash_seed, fixed_identity + sizeof(s->s_uuid), sizeof(s->s_hash_seed));
		fs->now = EXT4_FIXED_TIME; /* what libext2fs takes for the current time */
		s->s_mkfs_time = s->s_lastcheck = (uint32_t)EXT4_FIXED_TIME;
		s->s_mkfs_time_hi = s->s_lastcheck_hi = 0;
	} else {
		TRY(random_bytes(s->s_uuid, sizeof(s->s_uuid)));
		TRY(random_bytes(s->s_hash_seed, sizeof(s->s_hash_seed)));
	}
	s->s_uuid[6] = (uint8_t)((s->s_uuid[6] & 0x0f) | 0x40);
	s->s_uuid[8] = (uint8_t)((s->s_uuid[8] & 0x3f) | 0x80);
	return NULL;
}

static void name_super(struct ext2_super_block *s, const char *label)
{
	s->s_def_hash_version = EXT2_HASH_HALF_MD4;
	s->s_flags |= EXT2_FLAGS_SIGNED_HASH;
	s->s_max_mnt_count = -1;
	s->s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
	s->s_checksum_type = EXT2_CRC32C_CHKSUM;
	if (label)
		memcpy(s->s_volume_name, label, strlen(label));
}

/* Inodes 1 to 10 are the file system's own. */
static void reserve_inodes(ext2_filsys fs)
{
	for (ext2_ino_t i = 1; i < FIRST_INODE; i++)
		ext2fs_inode_alloc_stats2(fs, i, +1, i == EXT2_ROOT_INO);
}

static void mark_tables_zeroed(ext2_filsys fs)
{
	for (dgrp_t i = 0; i < fs->group_desc_count; i++) {
		ext2fs_bg_flags_set(fs, i, EXT2_BG_INODE_ZEROED);
		ext2fs_group_desc_csum_set(fs, i);
	}
}

static struct fault *add_journal(ext2_filsys fs)
{
	struct ext2fs_journal_params p;
	int blocks = ext2fs_default_journal_size(ext2fs_blocks_count(fs->super));
	errcode_t code;

	if (blocks < 0)
		return NULL; /* too small to have one, as mke2fs decides */
	memset(&p, 0, sizeof(p));
	p.num_journal_blocks = (blk_t)blocks;
	code = ext2fs_add_journal_inode3(fs, &p, 0,
					 EXT2_MKJOURNAL_LAZYINIT | EXT2_MKJOURNAL_NO_MNT_CHECK);
	return code ? fault_ext2(code, "making the journal") : NULL;
}

static struct fault *lay_out(struct ext4_writer *w, const struct ext4_options *o)
{
	struct ext2_super_block param;
	ext2_filsys fs = NULL;
	char name[16];
	errcode_t code;

	memset(&param, 0, sizeof(param));
	set_features(&param, o->fixed);
	ext2fs_blocks_count_set(&param, o->size_bytes / BLOCK);
	param.s_inodes_count = inode_count(o);
	if (!o->fixed)
		param.s_reserved_gdt_blocks = (uint16_t)reserved_blocks(o->size_bytes);
	snprintf(name, sizeof(name), "%d", w->fd);
	code = ext2fs_initialize(name, EXT2_FLAG_64BITS, &param, &channel_manager, &fs);
	if (code)
		return fault_ext2(code, "laying out the file system");
	w->fs = fs;
	TRY(identify(fs, o->reproducible));
	name_super(fs->super, o->label);
	ext2fs_init_csum_seed(fs);
	code = ext2fs_allocate_tables(fs);
	if (code)
		return fault_ext2(code, "placing the file system's tables");
	reserve_inodes(fs);
	mark_tables_zeroed(fs);
	if (!o->fixed) {
		code = ext2fs_create_resize_inode(fs);
		if (code)
			return fault_ext2(code, "making the resize inode");
		TRY(add_journal(fs));
	}
	return NULL;
}

static struct fault *root_inode(struct ext4_writer *w, mode_t mode)
{
	struct ext4_attr attr = {.mode = S_IFDIR | (mode & 07777)};

	attr.mtime_sec = fs_of(w)->super->s_mkfs_time;
	return ext4_root(w, &attr);
}

struct fault *ext4_writer_open(int fd, const struct ext4_options *o, struct ext4_writer **out)
{
	struct ext4_writer *w;
	struct fault *f;

	TRY(check_options(o));
	TRY(empty_file(fd, o->size_bytes / BLOCK * BLOCK));
	w = xcalloc(1, sizeof(*w));
	w->fd = fd;
	w->size_bytes = o->size_bytes / BLOCK * BLOCK;
	f = lay_out(w, o);
	if (f) {
		ext4_writer_free(w);
		return f;
	}
	w->blocks = ext2fs_blocks_count(fs_of(w)->super);
	w->inodes = fs_of(w)->super->s_inodes_count;
	w->inodes_per_group = fs_of(w)->super->s_inodes_per_group;
	w->csum_seed = fs_of(w)->csum_seed;
	memcpy(w->hash_seed, (const char *)fs_of(w)->super + HASH_SEED_AT, sizeof(w->hash_seed));
	w->next_inode = FIRST_INODE;
	w->out = xmalloc((size_t)OUT_BLOCKS * BLOCK);
	w->chunk = xmalloc((size_t)CHUNK_INODES * INODE_SIZE);
	f = root_inode(w, o->root_mode);
	if (f) {
		ext4_writer_free(w);
		return f;
	}
	*out = w;
	return NULL;
}

/* -- free space -- */

struct fault *ext4_full(struct ext4_writer *w, const char *of_what)
{
	AUTO_FREE char *size = text_size(w->size_bytes);

	return fault_hint(
		fault_new(F_NO_SPACE, "the file system of %s is full: no %s left", size, of_what),
		"give a larger --size");
}

/* What was used of the current run goes into the bitmap. */
static void settle_run(struct ext4_writer *w)
{
	if (w->run_next > w->run_start)
		ext2fs_block_alloc_stats_range(fs_of(w), w->run_start,
					       (blk_t)(w->run_next - w->run_start), +1);
	w->run_start = w->run_next;
}

static bool find_run(struct ext4_writer *w, uint64_t from)
{
	ext2fs_block_bitmap map = fs_of(w)->block_map;
	blk64_t start, end;

	if (from >= w->blocks ||
	    ext2fs_find_first_zero_block_bitmap2(map, from, w->blocks - 1, &start))
		return false;
	if (ext2fs_find_first_set_block_bitmap2(map, start, w->blocks - 1, &end))
		end = w->blocks;
	w->run_start = w->run_next = start;
	w->run_end = end;
	return true;
}

static bool next_run(struct ext4_writer *w)
{
	settle_run(w);
	ext4_punch(w); /* before any of it is written again */
	if (find_run(w, w->run_end))
		return true;
	w->run_start = w->run_next = w->run_end = 0;
	return find_run(w, 0);
}

struct fault *ext4_block_take(struct ext4_writer *w, uint64_t *block)
{
	while (w->run_next == w->run_end && !next_run(w))
		if (!w->make_room || !w->make_room(w->room_context))
			return ext4_full(w, "blocks");
	*block = w->run_next++;
	return NULL;
}

void ext4_blocks_return(struct ext4_writer *w, uint64_t first, uint64_t count)
{
	settle_run(w);
	ext2fs_block_alloc_stats_range(fs_of(w), first, (blk_t)count, -1);
	if (w->punch_count && w->punch_start + w->punch_count != first)
		ext4_punch(w);
	if (!w->punch_count)
		w->punch_start = first;
	w->punch_count += count;
}

void ext4_punch(struct ext4_writer *w)
{
	/* Only a saving: a host file system that cannot do it keeps the old bytes. */
	if (w->punch_count &&
	    fallocate(w->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)(w->punch_start * BLOCK), (off_t)(w->punch_count * BLOCK)))
		errno = 0;
	w->punch_count = 0;
}

uint64_t ext4_free_bytes(struct ext4_writer *w)
{
	settle_run(w);
	return ext2fs_free_blocks_count(fs_of(w)->super) * BLOCK;
}

struct fault *ext4_inode_take(struct ext4_writer *w, bool is_dir, uint32_t *inode)
{
	if (w->next_inode > w->inodes)
		return ext4_full(w, "inodes");
	*inode = w->next_inode++;
	ext2fs_inode_alloc_stats2(fs_of(w), *inode, +1, is_dir);
	return NULL;
}

void ext4_inode_return(struct ext4_writer *w, uint32_t inode, bool is_dir)
{
	ext2fs_inode_alloc_stats2(fs_of(w), inode, -1, is_dir);
}

uint64_t ext4_inode_offset(struct ext4_writer *w, uint32_t inode)
{
	uint32_t group = (inode - 1) / w->inodes_per_group;
	uint32_t index = (inode - 1) % w->inodes_per_group;

	return ext2fs_inode_table_loc(fs_of(w), group) * BLOCK + (uint64_t)index * INODE_SIZE;
}

uint32_t ext4_crc32c(uint32_t crc, const void *data, size_t len)
{
	return ext2fs_crc32c_le(crc, data, len);
}

uint32_t ext4_inode_seed(struct ext4_writer *w, uint32_t inode)
{
	uint8_t id[8] = {0};

	put32(id, inode);
	return ext4_crc32c(w->csum_seed, id, sizeof(id));
}

uint32_t ext4_name_hash(struct ext4_writer *w, const char *name, size_t len, uint32_t *minor)
{
	uint32_t seed[4];
	ext2_dirhash_t hash = 0;

	memcpy(seed, w->hash_seed, sizeof(seed));
	if (ext2fs_dirhash(EXT2_HASH_HALF_MD4, name, (int)len, seed, &hash, minor))
		abort();
	return hash;
}

void ext4_writer_make_room(struct ext4_writer *w, bool (*make_room)(void *context), void *context)
{
	w->make_room = make_room;
	w->room_context = context;
}

struct fault *ext4_writer_finish(struct ext4_writer *w)
{
	errcode_t code;

	settle_run(w);
	ext4_punch(w);
	TRY(ext4_out_flush(w));
	TRY(ext4_inodes_flush(w));
	code = ext2fs_set_gdt_csum(fs_of(w));
	if (!code)
		code = ext2fs_flush2(fs_of(w), EXT2_FLAG_FLUSH_NO_SYNC);
	return code ? fault_ext2(code, "writing the file system's metadata") : NULL;
}

void ext4_writer_free(struct ext4_writer *w)
{
	if (!w)
		return;
	if (w->fs)
		ext2fs_free(fs_of(w));
	free(w->out);
	free(w->chunk);
	free(w->stream.written);
	free(w);
}

struct fault *ext4_make_empty(int fd, const struct ext4_options *options)
{
	struct ext4_writer *w = NULL;
	struct fault *f;

	TRY(ext4_writer_open(fd, options, &w));
	f = ext4_dir_write(w, EXT4_ROOT_INODE, EXT4_ROOT_INODE, NULL, 0);
	if (!f)
		f = ext4_writer_finish(w);
	ext4_writer_free(w);
	return f;
}

const char *ext4_library(void)
{
	const char *version = NULL;

	ext2fs_get_library_version(&version, NULL);
	return version ? version : "unknown";
}
