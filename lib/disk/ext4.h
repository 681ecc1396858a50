/* SPDX-License-Identifier: MIT */
/*
 * ext4.h - writing a new ext4 file system into a regular file, without root and without mounting.
 *
 * The writer places data itself, one run after the other, and writes everything else (bitmaps,
 * group descriptors, superblock) once, at the end; until ext4_writer_finish() the file is not a
 * file system.  What is not used stays a hole in the file, inode tables and journal included.
 * Block size 4096, inode size 256, metadata checksums, journal, room to grow online to 1 TiB.
 *
 * Nothing here is thread safe; one writer belongs to one thread.
 */
#ifndef BANGER_DISK_EXT4_H
#define BANGER_DISK_EXT4_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/fault.h"

#define EXT4_NAME_BYTES_MAX 255
#define EXT4_ROOT_INODE	    2

/*
 * A reproducible file system has this as the time of its making (2000-01-01), and the same UUID and
 * hash seed as all others.  Good for what is only ever copied; a disk that meets another one in the
 * same machine should have a UUID of its own.
 */
#define EXT4_FIXED_TIME INT64_C(946684800)

struct ext4_options {
	uint64_t size_bytes; /* of the file system; rounded down to a multiple of 4096 */
	const char *label;   /* at most 16 bytes, NULL = none; borrowed */
	mode_t root_mode;    /* permission bits of the root directory, which is root:root */
	uint64_t inodes;     /* least number of inodes, 0 = one for each 16 KiB */
	bool fixed;	     /* never written and never grown: no journal, no room to grow */
	bool all_root; /* ext4_from_directory(): everything is root's, whoever owns the files */
	bool reproducible; /* the same content gives the same bytes: see EXT4_FIXED_TIME */
};

struct ext4_xattr {
	const char *name; /* with its prefix: "security.capability" */
	const void *value;
	size_t len;
};

/* What an inode is; everything is borrowed for the call. */
struct ext4_attr {
	mode_t mode; /* type and permission bits */
	uint32_t uid, gid;
	int64_t mtime_sec; /* clamped to what ext4 can hold: years 1901 to 2446 */
	uint32_t mtime_nsec;
	uint32_t rdev_major, rdev_minor;
	const struct ext4_xattr *xattrs;
	size_t n_xattrs;
};

/* One name in a directory. */
struct ext4_dirent {
	const char *name; /* @len bytes, 1 to 255, no '/' and no NUL; borrowed */
	uint32_t inode;
	uint8_t len;
	uint8_t type; /* ext4_dirent_type() */
};

struct ext4_writer;

/*
 * ext4_make_empty() - make @fd (a regular file, borrowed, any length) an empty file system.
 * Return: F_INVALID a size or label that cannot be; F_SYS.
 */
struct fault *ext4_make_empty(int fd, const struct ext4_options *options) MUST_CHECK;

/* ext4_writer_open() - start writing.  @fd: borrowed until ext4_writer_free(); emptied first. */
struct fault *ext4_writer_open(int fd, const struct ext4_options *options,
			       struct ext4_writer **out) MUST_CHECK;

/*
 * ext4_writer_make_room() - what to ask when the file system is full, before giving up.
 * @make_room: drops inodes that are not needed and returns true when it dropped any.
 */
void ext4_writer_make_room(struct ext4_writer *w, bool (*make_room)(void *context), void *context);

/*
 * The functions that make an inode set *@inode to its number.  It has a link count of one and no
 * name yet; names are given by ext4_dir_write() of the directories.
 * Return, all: F_NO_SPACE (with the size of the file system) when it is full; F_INVALID when ext4
 * cannot hold it (xattrs larger than a block, a file larger than 16 TiB); F_SYS.
 */

/* ext4_root() - give the root directory its attributes.  May be called again. */
struct fault *ext4_root(struct ext4_writer *w, const struct ext4_attr *attr) MUST_CHECK;
/* ext4_node() - a directory, device node, fifo or socket. */
struct fault *ext4_node(struct ext4_writer *w, const struct ext4_attr *attr,
			uint32_t *inode) MUST_CHECK;
/* ext4_symlink() - @target: @len bytes, 1 to 4095, never interpreted. */
struct fault *ext4_symlink(struct ext4_writer *w, const struct ext4_attr *attr, const char *target,
			   size_t len, uint32_t *inode) MUST_CHECK;

/*
 * A regular file: open, any number of writes at ascending offsets, close; one at a time, and no
 * other call in between.  What is not written, and whole blocks of zeros, become holes.
 * F_CORRUPT when data lies beyond @size or goes backwards.
 */
struct fault *ext4_file_open(struct ext4_writer *w, const struct ext4_attr *attr,
			     uint64_t size) MUST_CHECK;
struct fault *ext4_file_write(struct ext4_writer *w, uint64_t offset, const void *data,
			      size_t len) MUST_CHECK;
struct fault *ext4_file_close(struct ext4_writer *w, uint32_t *inode) MUST_CHECK;

/*
 * ext4_dir_write() - write all names of directory @inode, once.  @parent: the inode of "..".
 * Sets the directory's size and link count.
 */
struct fault *ext4_dir_write(struct ext4_writer *w, uint32_t inode, uint32_t parent,
			     const struct ext4_dirent *entries, size_t n) MUST_CHECK;
/* ext4_set_links() - the link count of @inode when it is not one; F_INVALID above 65000. */
struct fault *ext4_set_links(struct ext4_writer *w, uint32_t inode, uint32_t links) MUST_CHECK;
/* ext4_drop() - free @inode and its blocks again, on the host as well. */
struct fault *ext4_drop(struct ext4_writer *w, uint32_t inode) MUST_CHECK;

/* ext4_size() - the size of file @inode in bytes. */
struct fault *ext4_size(struct ext4_writer *w, uint32_t inode, uint64_t *size) MUST_CHECK;
/* ext4_free_bytes() - what is left for data at the moment. */
uint64_t ext4_free_bytes(struct ext4_writer *w);

/* ext4_read_start() - append the first bytes of file or symlink @inode, at most 4096, to @out. */
struct fault *ext4_read_start(struct ext4_writer *w, uint32_t inode, struct buf *out) MUST_CHECK;

/* The file type byte of a directory entry for @mode. */
uint8_t ext4_dirent_type(mode_t mode);

/* ext4_writer_finish() - write the metadata; the file is a clean file system afterwards. */
struct fault *ext4_writer_finish(struct ext4_writer *w) MUST_CHECK;
void ext4_writer_free(struct ext4_writer *w);

/* The version of libext2fs: "1.47.0".  Static. */
const char *ext4_library(void);

#endif
