/* SPDX-License-Identifier: MIT */
/*
 * parts.h - the parts of a kernel, gathered from a source into a working directory.
 *
 * Theory of operation.  Whatever the source is, it ends as: a kernel image (bzImage or vmlinux) in a
 * file, the text of its configuration when there is one, and a copy of its module tree below
 * <work>/lib/modules/<release>, which is the form that depmod wants.  Only regular files with plain
 * names are copied: the two symbolic links that distributions put into a module tree lead to
 * kernel sources on the machine that built it.
 */
#ifndef BANGER_KERNEL_PARTS_H
#define BANGER_KERNEL_PARTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/progress.h"

#define KERNEL_IMAGE_BYTES_MAX	(UINT64_C(1) << 30)
#define KERNEL_MODULES_BYTES_MAX (UINT64_C(4) << 30)
#define KERNEL_MODULES_FILES_MAX 100000
#define KERNEL_CONFIG_BYTES_MAX (4u << 20)

struct parts {
	int work;	 /* the working directory, borrowed */
	int image;	 /* the kernel image, owned; -1 = not seen yet */
	int tree;	 /* <work>/lib/modules/<release>, owned; -1 = there are no modules */
	char *release;	 /* of the module tree; NULL = none; owned */
	char *distro;	 /* "debian 12", from os-release; NULL = unknown; owned */
	struct buf config;
	bool has_config;
	uint64_t files, bytes; /* copied into the tree so far */
	const char *what;      /* the source, for messages; borrowed */
	struct progress *progress; /* borrowed, may be NULL */
};

void parts_init(struct parts *p, int work, const char *what, struct progress *progress);
void parts_release(struct parts *p);
#define AUTO_PARTS __attribute__((cleanup(parts_release))) struct parts

/*
 * parts_set_release() - the module tree is of release @release; makes its directory.
 * F_CORRUPT when the name is no release, F_INVALID when the source has had another one before.
 */
struct fault *parts_set_release(struct parts *p, const char *release) MUST_CHECK;
/* release_is_valid() - a name that `uname -r` could print and that is safe as a directory. */
bool release_is_valid(const char *release);

/*
 * parts_create() - create the regular file @path (clean, see deb.h) in the module tree.
 * Return: NULL and *@fd, owned; F_CORRUPT for an odd name, or a path given twice; F_SYS.
 */
struct fault *parts_create(struct parts *p, const char *path, int *fd) MUST_CHECK;
/* parts_count() - account for @bytes more in the tree; F_CORRUPT beyond the limits above. */
struct fault *parts_count(struct parts *p, uint64_t bytes) MUST_CHECK;
/* parts_wants() - does the file or directory @path belong into a copy of a module tree? */
bool parts_wants(const char *path);

/*
 * Gathering.  Each leaves its files in p->work, which the caller removes in every case.
 * F_INVALID when the source has no kernel or several; F_CORRUPT; F_CANCELLED; F_SYS.
 */
/* gather_deb() - from the Debian package @fd. */
struct fault *gather_deb(struct parts *p, int fd) MUST_CHECK;
/* gather_directory() - from a directory with a kernel and a module tree, such as / . */
struct fault *gather_directory(struct parts *p, int dir) MUST_CHECK;
/*
 * gather_file() - from the kernel image @path and the directory @modules, which is a module tree or
 * holds one, or the initramfs @initrd with the modules in it; both NULL = the kernel has none.
 */
struct fault *gather_file(struct parts *p, const char *path, const char *modules,
			  const char *initrd) MUST_CHECK;
/* gather_initrd() - only the modules, of kernel @release, from the initramfs @path. */
struct fault *gather_initrd(struct parts *p, const char *path, const char *release) MUST_CHECK;

/*
 * What release is in the source?  Reads no more than it must.  *@release: owned.  F_INVALID when
 * there is none.
 */
struct fault *peek_deb(int fd, const char *what, char **release) MUST_CHECK;
struct fault *peek_directory(int dir, const char *what, char **release) MUST_CHECK;

#endif
