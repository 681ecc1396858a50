/* SPDX-License-Identifier: MIT */
/*
 * initrd.h - the archive with the modules that a VM's first process loads.
 *
 * It holds modules/<name>.ko, uncompressed, and SEED_MODULES_LIST (guest/seed.h), which names them one
 * per line in load order.  The first process itself comes in a second archive at every start.
 */
#ifndef BANGER_KERNEL_INITRD_H
#define BANGER_KERNEL_INITRD_H

#include "base/buf.h"
#include "base/fault.h"
#include "kernel/modules.h"

/*
 * initrd_build() - append the archive to @archive.  @tree: the module tree, borrowed.  @index: of @tree;
 * NULL for a kernel without modules.  @release: the kernel's; modules of another are refused.
 * @names: out, the modules in load order, owned.
 * Return: NULL; F_INVALID for modules of another release; F_CORRUPT; F_SYS; F_CANCELLED.
 */
struct fault *initrd_build(int tree, struct module_index *index, const char *release,
			   struct buf *archive, struct strings *names) MUST_CHECK;

#endif
