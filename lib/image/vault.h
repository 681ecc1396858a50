/* SPDX-License-Identifier: MIT */
/*
 * vault.h - where the parts of an image are kept: a directory, or a plain tar file read in place.
 *
 * Paths come from foreign documents: they are relative, and neither ".." nor a symbolic link leads
 * out of the vault.
 */
#ifndef BANGER_IMAGE_VAULT_H
#define BANGER_IMAGE_VAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "image/tar_index.h"

struct vault {
	char *what;	/* for messages: "'app.tar'" */
	int dir;	/* directory, -1 when it is a tar */
	int file;	/* the tar, -1 when it is a directory */
	struct tar_index index;
};

/* A part: bytes @offset .. @offset + @size of @fd, which is owned and read by pread(2) only. */
struct vault_part {
	int fd;
	uint64_t offset, size;
};

/* vault_of_directory() - @dir: owned by the vault from now on. */
void vault_of_directory(int dir, const char *what, struct vault *out);
/* vault_of_tar() - @file and @index (both stolen): a tar file and its complete index. */
void vault_of_tar(int file, struct tar_index *index, const char *what, struct vault *out);
void vault_release(struct vault *v);

bool vault_has(const struct vault *v, const char *path);
/* vault_open() - find part @path.  F_CORRUPT when it is not there or no regular file; F_UNSUPPORTED
 * when it is stored sparsely in a tar; F_SYS. */
struct fault *vault_open(const struct vault *v, const char *path, struct vault_part *out) MUST_CHECK;
void vault_part_release(struct vault_part *part);
/* vault_read() - append the whole of @path to @out.  F_UNSUPPORTED when longer than @max. */
struct fault *vault_read(const struct vault *v, const char *path, size_t max,
			 struct buf *out) MUST_CHECK;

#define AUTO_VAULT_PART __attribute__((cleanup(vault_part_release))) struct vault_part
#define VAULT_PART_INIT ((struct vault_part){ .fd = -1 })

#endif
