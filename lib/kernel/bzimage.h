/* SPDX-License-Identifier: MIT */
/*
 * bzimage.h - the ELF kernel inside a Linux/x86 bzImage.
 *
 * The layout is Documentation/arch/x86/boot.rst of Linux: the setup header names where the compressed
 * kernel starts and how long it is.  Everything read here is hostile: the kernel may come from any
 * package or directory.
 */
#ifndef BANGER_KERNEL_BZIMAGE_H
#define BANGER_KERNEL_BZIMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/progress.h"

/* More than the largest kernel that a distribution ships with debugging information removed. */
#define VMLINUX_BYTES_MAX (UINT64_C(1) << 30)

struct vmlinux {
	const char *arch; /* OCI name: "amd64"; static */
	uint64_t bytes;	  /* length of what was written */
};

/*
 * bzimage_extract() - write the ELF kernel in @in to @out.
 * @in: borrowed, a seekable file that holds a bzImage or already an ELF vmlinux; its offset does not
 * matter and moves.  @out: borrowed, an empty file.  @what: for messages.  @max: longest result.
 * Payloads: gzip, bzip2, lzma, xz, lz4, zstd.
 * Return: NULL and *@info; F_CORRUPT when it is neither, is cut off, or lies about its sizes;
 * F_UNSUPPORTED for a payload or machine that banger does not know; F_CANCELLED; F_SYS.  On failure
 * @out holds rubbish.
 */
struct fault *bzimage_extract(int in, int out, const char *what, uint64_t max,
			      struct progress *progress, struct vmlinux *info) MUST_CHECK;

/*
 * bzimage_release() - the release of the bzImage or ELF kernel @fd ("6.1.0-40-cloud-amd64"), without
 * unpacking it.  *@release: owned.
 * Return: NULL; F_CORRUPT when it is no kernel; F_CANCELLED; F_SYS.
 */
struct fault *bzimage_release(int fd, const char *what, char **release) MUST_CHECK;

/*
 * vmlinux_release() - the release in the banner of ELF kernel @fd.
 * *@release: owned; NULL when there is no banner.
 */
struct fault *vmlinux_release(int fd, const char *what, char **release) MUST_CHECK;

/* vmlinux_find() - the first @len bytes @needle in @fd at or behind offset @from. */
struct fault *vmlinux_find(int fd, const char *what, const void *needle, size_t len, uint64_t from,
			   uint64_t *at, bool *found) MUST_CHECK;

#endif
