/* SPDX-License-Identifier: MIT */
/*
 * ext4_writer.h - what the files of the ext4 writer share; nobody else includes it.
 *
 *	ext4.c		the file system as a whole, free space, bitmaps (libext2fs)
 *	ext4_inode.c	inodes, their table, dropping them
 *	ext4_stream.c	data blocks, extents, regular files
 *	ext4_dir.c	directory blocks and their hash trees
 *	ext4_xattr.c	extended attributes
 *
 * All multi-byte fields on disk are little-endian.
 */
#ifndef BANGER_DISK_EXT4_WRITER_H
#define BANGER_DISK_EXT4_WRITER_H

#include <endian.h>
#include <string.h>

#include "disk/ext4.h"

#define BLOCK	      4096u
#define INODE_SIZE    256u
#define INODES_IN_BLK (BLOCK / INODE_SIZE)
#define FIRST_INODE   11u
#define XATTR_ROOM    96u  /* bytes in an inode behind its fixed part, for xattrs */
#define CHUNK_INODES  256u /* of the inode table kept in memory */
#define OUT_BLOCKS    64u  /* data blocks gathered for one write */
#define TREE_ENTRIES  340u /* in a block of an extent tree */
#define LINKS_MAX     65000u
#define LOGICAL_MAX   UINT64_C(0xffffffff) /* blocks in a file */

/* Offsets in an inode on disk. */
enum {
	I_MODE = 0x00,
	I_UID = 0x02,
	I_SIZE = 0x04,
	I_ATIME = 0x08,
	I_CTIME = 0x0c,
	I_MTIME = 0x10,
	I_GID = 0x18,
	I_LINKS = 0x1a,
	I_BLOCKS = 0x1c,
	I_FLAGS = 0x20,
	I_BLOCK = 0x28,
	I_GENERATION = 0x64,
	I_FILE_ACL = 0x68,
	I_SIZE_HIGH = 0x6c,
	I_BLOCKS_HIGH = 0x74,
	I_FILE_ACL_HIGH = 0x76,
	I_UID_HIGH = 0x78,
	I_GID_HIGH = 0x7a,
	I_CHECKSUM = 0x7c,
	I_EXTRA_SIZE = 0x80,
	I_CHECKSUM_HIGH = 0x82,
	I_CTIME_EXTRA = 0x84,
	I_MTIME_EXTRA = 0x88,
	I_ATIME_EXTRA = 0x8c,
	I_CRTIME = 0x90,
	I_CRTIME_EXTRA = 0x94,
	I_XATTRS = 0xa0,
	I_BLOCK_BYTES = 60,
};
#define I_FLAG_INDEX   0x1000u
#define I_FLAG_EXTENTS 0x80000u

/* A run of blocks: @count from logical block @logical on lie at @physical. */
struct extent {
	uint32_t logical;
	uint32_t count;
	uint64_t physical;
};

/* Data being written as extents: a file, a directory, a long symlink. */
struct stream {
	uint64_t blocks;		  /* allocated, extent tree included */
	struct extent current;		  /* count 0 = none yet */
	struct extent leaf[TREE_ENTRIES]; /* complete extents not yet in a block */
	uint32_t n_leaf;
	struct extent *written; /* leaf blocks on disk: first logical block, place; owned */
	size_t n_written, room_written;
};

struct file_state {
	uint32_t number;     /* of the inode */
	uint64_t size, next; /* bytes; where the next write may begin */
	uint8_t partial[BLOCK];
	uint64_t partial_block; /* logical number of partial */
	uint32_t partial_fill;	/* bytes of it that are there */
	uint8_t inode[INODE_SIZE];
};

struct ext4_writer {
	int fd;	  /* borrowed */
	void *fs; /* ext2_filsys, known to ext4.c only; owned */
	uint64_t size_bytes, blocks;
	uint32_t inodes;     /* in the file system */
	uint32_t next_inode; /* never used so far */
	uint32_t inodes_per_group;
	uint32_t csum_seed;
	uint8_t hash_seed[16];
	bool (*make_room)(void *context);
	void *room_context;

	uint64_t run_start, run_next, run_end; /* free run being used up */
	bool wrapped;			       /* the search for free runs began anew */
	uint64_t punch_start, punch_count;     /* dropped blocks to give back to the host */

	uint8_t *out; /* OUT_BLOCKS blocks, owned */
	uint64_t out_start;
	uint32_t out_count;

	uint8_t *chunk;	      /* CHUNK_INODES inodes, owned */
	uint32_t chunk_first; /* inode number of its first one, 0 = nothing in it */

	struct stream stream;
	struct file_state file;
};

static inline void put16(uint8_t *p, uint32_t v)
{
	uint16_t le = htole16((uint16_t)v);

	memcpy(p, &le, sizeof(le));
}
static inline void put32(uint8_t *p, uint32_t v)
{
	uint32_t le = htole32(v);

	memcpy(p, &le, sizeof(le));
}
static inline uint32_t get16(const uint8_t *p)
{
	uint16_t le;

	memcpy(&le, p, sizeof(le));
	return le16toh(le);
}
static inline uint32_t get32(const uint8_t *p)
{
	uint32_t le;

	memcpy(&le, p, sizeof(le));
	return le32toh(le);
}

/* ext4.c */
/* ext4_block_take() - the next free block.  F_NO_SPACE. */
struct fault *ext4_block_take(struct ext4_writer *w, uint64_t *block) MUST_CHECK;
void ext4_blocks_return(struct ext4_writer *w, uint64_t first, uint64_t count);
/* ext4_punch() - hand the blocks returned so far back to the host. */
void ext4_punch(struct ext4_writer *w);
/* ext4_inode_take() - a new inode number, marked as used.  F_NO_SPACE. */
struct fault *ext4_inode_take(struct ext4_writer *w, bool is_dir, uint32_t *inode) MUST_CHECK;
void ext4_inode_return(struct ext4_writer *w, uint32_t inode, bool is_dir);
/* Where inode @inode is in the file, in bytes. */
uint64_t ext4_inode_offset(struct ext4_writer *w, uint32_t inode);
uint32_t ext4_crc32c(uint32_t crc, const void *data, size_t len);
/* Seed for checksums of what belongs to @inode (its generation is always 0). */
uint32_t ext4_inode_seed(struct ext4_writer *w, uint32_t inode);
/* The directory hash of @name, as the kernel computes it. */
uint32_t ext4_name_hash(struct ext4_writer *w, const char *name, size_t len, uint32_t *minor);
struct fault *ext4_full(struct ext4_writer *w, const char *of_what) MUST_CHECK;

/* ext4_inode.c */
/* ext4_inode_encode() - @raw: INODE_SIZE bytes, zeroed here.  Takes a block when xattrs need one.
 */
struct fault *ext4_inode_encode(struct ext4_writer *w, const struct ext4_attr *attr,
				uint8_t *raw) MUST_CHECK;
/* ext4_inode_store() - write @raw as @inode, with its checksum. */
struct fault *ext4_inode_store(struct ext4_writer *w, uint32_t inode, uint8_t *raw) MUST_CHECK;
struct fault *ext4_inode_load(struct ext4_writer *w, uint32_t inode, uint8_t *raw) MUST_CHECK;
struct fault *ext4_inodes_flush(struct ext4_writer *w) MUST_CHECK;
void ext4_inode_set_size(uint8_t *raw, uint64_t size);
/* ext4_inode_add_blocks() - count @blocks more of 4096 bytes. */
void ext4_inode_add_blocks(uint8_t *raw, uint64_t blocks);
struct fault *ext4_pread(struct ext4_writer *w, void *data, size_t len, uint64_t offset) MUST_CHECK;
struct fault *ext4_pwrite(struct ext4_writer *w, const void *data, size_t len,
			  uint64_t offset) MUST_CHECK;

/* ext4_stream.c */
/* ext4_block_put() - write one block of data at @block, in its own time. */
struct fault *ext4_block_put(struct ext4_writer *w, uint64_t block, const void *data) MUST_CHECK;
struct fault *ext4_out_flush(struct ext4_writer *w) MUST_CHECK;
void ext4_stream_begin(struct ext4_writer *w);
/* ext4_stream_block() - place logical block @logical (ascending) somewhere and write it there. */
struct fault *ext4_stream_block(struct ext4_writer *w, uint32_t inode, uint32_t logical,
				const void *data) MUST_CHECK;
/* ext4_stream_end() - write the extent tree and put its root and the block count into @raw. */
struct fault *ext4_stream_end(struct ext4_writer *w, uint32_t inode, uint8_t *raw) MUST_CHECK;

/* ext4_xattr.c */
/* ext4_xattrs_encode() - into @raw, and into a block of its own when that is too small. */
struct fault *ext4_xattrs_encode(struct ext4_writer *w, const struct ext4_attr *attr,
				 uint8_t *raw) MUST_CHECK;

#endif
