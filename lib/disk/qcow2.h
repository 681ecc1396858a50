/* SPDX-License-Identifier: MIT */
/* qcow2.h - an empty qcow2 overlay over a raw file (QEMU, docs/interop/qcow2.txt, version 3). */
#ifndef BANGER_DISK_QCOW2_H
#define BANGER_DISK_QCOW2_H

#include <stdint.h>

#include "base/fault.h"

/*
 * qcow2_make_overlay() - write an overlay into the empty file @fd: everything reads from the raw
 * file @backing (absolute path, at most 1023 bytes) and zeros beyond its end, writes stay here.
 * @size_bytes: virtual size, at most 4 TiB; rounded up to 512.
 * Return: NULL; F_INVALID for a path or size out of range; F_SYS.
 */
struct fault *qcow2_make_overlay(int fd, const char *backing, uint64_t size_bytes) MUST_CHECK;

#endif
