/* SPDX-License-Identifier: MIT */
/* register.h - images whose file system stays where its owner keeps it. */
#ifndef BANGER_IMAGE_REGISTER_H
#define BANGER_IMAGE_REGISTER_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/progress.h"
#include "store/store.h"

struct image_register {
	const char *name;
	const char *rootfs;	/* a clean ext4 file system in a regular file */
	const char *kernel_ref; /* a kernel that there is or that the catalogue has, or */
	const char *kernel;	/* a kernel file, imported under the image's name */
	const char *initrd;	/* with `kernel`: an initramfs with its modules; NULL = none */
	const char *modules;	/* with `kernel`: its module tree; NULL = none */
	bool force;		/* replace an image of that name, and the kernel imported for it */
	struct progress *progress; /* may be NULL */
};

/*
 * image_register() - make the image; nothing is copied.
 * Return: F_USAGE options that exclude each other; F_INVALID, F_CORRUPT, F_UNSUPPORTED about the
 * files; F_NOT_FOUND no such file or kernel; F_EXISTS; F_BUSY; F_CANCELLED; F_SYS.  After a fault
 * nothing is left.
 */
struct fault *image_register(const struct store *s, const struct image_register *r) MUST_CHECK;

/*
 * image_promote() - copy the file of registered image @name into the state directory.  VMs of it go
 * on unchanged.  Return: F_NOT_FOUND; F_STATE when it is there already, or the file has changed;
 * F_MISSING; F_NO_SPACE; F_BUSY; F_CANCELLED; F_SYS.
 */
struct fault *image_promote(const struct store *s, const char *name,
			    struct progress *progress) MUST_CHECK;

#endif
