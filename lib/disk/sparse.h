/* SPDX-License-Identifier: MIT */
/*
 * sparse.h - files that are mostly holes: their data, and a digest of it.
 *
 * What is a hole is decided by content, in blocks of 4096 bytes, not by how a file system happens to
 * store the file: the results are the same on every host.
 */
#ifndef BANGER_DISK_SPARSE_H
#define BANGER_DISK_SPARSE_H

#include <stdint.h>

#include "base/fault.h"

#define SPARSE_DIGEST_PREFIX "blocks-sha256:"

/*
 * sparse_runs() - give all blocks of @fd (borrowed) that are not zero to @run, in order; neighbours
 * come together, up to some length.  @what: the file, for messages.
 * Return: what @run returned; F_CANCELLED; F_SYS.
 */
struct fault *sparse_runs(int fd, const char *what,
			  struct fault *(*run)(void *context, uint64_t offset, const void *data,
					       size_t len),
			  void *context) MUST_CHECK;

/*
 * sparse_digest() - "blocks-sha256:" and the SHA-256 of the size of the file and then, for each block
 * that is not zero, its number and its bytes; numbers are 64 bits, little-endian.  Owned.
 */
struct fault *sparse_digest(int fd, const char *what, char **digest) MUST_CHECK;

#endif
