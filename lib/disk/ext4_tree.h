/* SPDX-License-Identifier: MIT */
/*
 * ext4_tree.h - a host directory tree as an ext4 file system.
 */
#ifndef BANGER_DISK_EXT4_TREE_H
#define BANGER_DISK_EXT4_TREE_H

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

#endif
