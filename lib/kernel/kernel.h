/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - kernels as objects of the state directory: kernels/<name>/.
 *
 * A kernel is complete or not there at all: it is built in a staging directory under the kernel's
 * exclusive lock and appears by rename.  Readers take no lock.
 */
#ifndef BANGER_KERNEL_KERNEL_H
#define BANGER_KERNEL_KERNEL_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/progress.h"
#include "store/kernel_record.h"
#include "store/store.h"

struct kernel_import {
	const char *name;    /* NULL = the kernel's release */
	const char *source;  /* a .deb, a directory, a bzImage or a vmlinux */
	const char *modules; /* module tree of a bzImage or vmlinux; NULL = it has none */
	const char *initrd;  /* else the initramfs that holds them; NULL = none */
	bool replace;	     /* take the place of a kernel of that name */
};

/*
 * kernel_import() - make a kernel from files on this host.  @name: out, its name, owned.
 * Return: NULL; F_EXISTS unless @replace; F_INVALID, F_CORRUPT or F_UNSUPPORTED when the source is
 * no kernel that banger can use; F_BUSY; F_MISSING without depmod; F_NO_SPACE; F_CANCELLED; F_SYS.
 * Nothing is left behind by any of them.
 */
struct fault *kernel_import(const struct store *s, const struct kernel_import *import,
			    struct progress *progress, char **name) MUST_CHECK;

/*
 * kernel_pull() - fetch kernel @name of the catalogue from its sources in order.
 * Return: as kernel_import(), and F_NOT_FOUND when the catalogue has no such name; F_NETWORK.
 */
struct fault *kernel_pull(const struct store *s, const char *name, bool replace,
			  struct progress *progress) MUST_CHECK;

/*
 * kernel_ensure() - make sure that kernel @name is there, pulling it when it is not.  Of several
 * callers one pulls; the others wait for it, however long it takes (a signal ends that), and use
 * what it made.  Return: as kernel_pull(), never F_EXISTS.
 */
struct fault *kernel_ensure(const struct store *s, const char *name,
			    struct progress *progress) MUST_CHECK;

/* kernel_check_absent() - F_EXISTS when there is a kernel @name.  Caller holds its lock. */
struct fault *kernel_check_absent(const struct store *s, const char *name) MUST_CHECK;

/* kernel_load() - read the record of kernel @name.  F_NOT_FOUND; F_CORRUPT; F_NEWER. */
struct fault *kernel_load(const struct store *s, const char *name,
			  struct kernel_record *record) MUST_CHECK;

/* kernel_delete() - remove kernel @name.  F_BUSY, with the names, while VMs use it; F_NOT_FOUND. */
struct fault *kernel_delete(const struct store *s, const char *name) MUST_CHECK;

#endif
