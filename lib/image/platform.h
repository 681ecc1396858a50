/* SPDX-License-Identifier: MIT */
/* platform.h - "linux/arm64/v8": which build of an image is wanted. */
#ifndef BANGER_IMAGE_PLATFORM_H
#define BANGER_IMAGE_PLATFORM_H

#include "base/fault.h"
#include "image/oci.h"

/*
 * platform_parse() - OS/ARCH[/VARIANT]; NULL means this host.  Names that uname has for
 * architectures are understood.  Release with platform_release().
 * Return: F_INVALID; F_UNSUPPORTED for another operating system than linux.
 */
struct fault *platform_parse(const char *text, struct oci_platform *out) MUST_CHECK;
void platform_release(struct oci_platform *p);

/* platform_rank() - how well @have serves @wanted: 0 not at all, larger is better. */
int platform_rank(const struct oci_platform *have, const struct oci_platform *wanted);

#define AUTO_PLATFORM __attribute__((cleanup(platform_release))) struct oci_platform

#endif
