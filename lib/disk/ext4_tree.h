/* SPDX-License-Identifier: MIT */
/*
 * ext4_tree.h - a host directory tree as an ext4 file system.
 */
#ifndef BANGER_DISK_EXT4_TREE_H
#define BANGER_DISK_EXT4_TREE_H

#include <sys/stat.h>

#include "base/progress.h"
#include "disk/ext4.h"

struct ext4_tree_summary {
	uint64_t size_bytes;	/* of the file system */
	uint64_t entries;	/* files, directories, links; without the root directory */
	uint64_t content_bytes; /* sum of file sizes */
};

/*
 * ext4_from_directory() - write everything below @dir_fd into a new file system in @out_fd (both
 * borrowed).  Symbolic links are kept, never followed; owners, modes, times, xattrs and hard links
 * are as on disk; other file systems mounted below are left out.
 * @options: size_bytes 0 = just large enough; with `fixed`, the way to make a read-only disk.
 *	root_mode 0 = as @dir_fd.
 * @what: the directory in messages.  @summary: may be NULL.
 * Return: F_NO_SPACE; F_INVALID; F_SYS (F_DENIED), naming the path; F_CANCELLED.
 */
struct fault *ext4_from_directory(int dir_fd, int out_fd, const struct ext4_options *options,
				  const char *what, struct progress *progress,
				  struct ext4_tree_summary *summary) MUST_CHECK;

/*
 * ext4_add_host() - make an inode of entry @name of host directory @dir_fd, which is no directory
 * itself.  @path: for messages.  xattrs are taken from regular files.
 */
struct fault *ext4_add_host(struct ext4_writer *w, int dir_fd, const char *name, const char *path,
			    const struct stat *st, uint32_t *inode) MUST_CHECK;

/* Extended attributes of an open file or directory, for struct ext4_attr. */
struct host_xattrs {
	struct ext4_xattr *items;
	size_t n;
	char *memory;
};
struct fault *host_xattrs_read(int fd, const char *path, struct host_xattrs *out) MUST_CHECK;
void host_xattrs_release(struct host_xattrs *x);

/* ext4_attr_of() - @st as attributes; @x may be NULL; borrows from it. */
struct ext4_attr ext4_attr_of(const struct stat *st, const struct host_xattrs *x);

/* Which inode a host file with several names became. */
struct host_links {
	struct host_link *slots; /* open addressing; owned */
	size_t used, room;
};
/* host_links_find() - the slot for @st: its `inode` is 0 when the file is new. */
struct host_link {
	uint64_t dev, ino;
	uint32_t inode;
	uint32_t names;
};
struct host_link *host_links_find(struct host_links *links, const struct stat *st);
void host_links_release(struct host_links *links);

#endif
