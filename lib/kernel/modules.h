/* SPDX-License-Identifier: MIT */
/*
 * modules.h - what a module tree holds: modules.dep and modules.builtin (modules.dep(5)).
 *
 * Module names are compared as the kernel does: '-' and '_' are equal, and ".ko", ".ko.xz" and so
 * on do not count.  The files are hostile; they come from packages and from depmod's reading of them.
 */
#ifndef BANGER_KERNEL_MODULES_H
#define BANGER_KERNEL_MODULES_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/json.h"

struct module_index;

/*
 * module_index_read() - read the index of the tree @tree (borrowed).  modules.builtin may be absent.
 * Return: NULL and *@index, owned; F_CORRUPT; F_NOT_FOUND without modules.dep; F_SYS.
 */
struct fault *module_index_read(int tree, struct module_index **index) MUST_CHECK;
void module_index_free(struct module_index *index);

static inline void module_index_cleanup(struct module_index **index)
{
	module_index_free(*index);
}
#define AUTO_MODULE_INDEX __attribute__((cleanup(module_index_cleanup))) struct module_index *

/* Is @name a loadable module of the tree; is it part of the kernel itself? */
bool module_is_loadable(const struct module_index *index, const char *name);
bool module_is_builtin(const struct module_index *index, const char *name);

/*
 * module_order() - the paths below the tree of the modules @wanted (n names) and of all that they need, in an
 * order in which they can be loaded.  What is built in or absent is left out.
 * Return: NULL and *@paths, owned; F_CORRUPT when a needed module is not in the tree.
 */
struct fault *module_order(struct module_index *index, const char *const *wanted, size_t n,
			   struct strings *paths) MUST_CHECK;

/* module_name() - the name of the module in file @path: "virtio_rng" of "a/virtio-rng.ko.xz". Owned. */
char *module_name(const char *path);

#endif
