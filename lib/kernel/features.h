/* SPDX-License-Identifier: MIT */
/*
 * features.h - does a kernel have what banger needs?
 *
 * Its configuration tells exactly; without one, what its module tree lists as loadable and as
 * built in is believed, and what only a configuration could tell is taken to be there.
 */
#ifndef BANGER_KERNEL_FEATURES_H
#define BANGER_KERNEL_FEATURES_H

#include "base/buf.h"
#include "base/fault.h"
#include "kernel/modules.h"

/*
 * features_check() - @config: text of the configuration, or NULL.  @index: of the module tree, or NULL
 * when the kernel has no modules.  @what: the kernel, for messages.
 * Return: NULL; F_UNSUPPORTED naming every missing option as CONFIG_...; F_INVALID when there is
 * neither a configuration nor a module tree.
 */
struct fault *features_check(const char *config, const struct module_index *index,
			     const char *what) MUST_CHECK;

/*
 * features_embedded_config() - append the configuration that ELF kernel @vmlinux carries
 * (CONFIG_IKCONFIG) to @config.  *@found is false when it carries none.
 */
struct fault *features_embedded_config(int vmlinux, const char *what, struct buf *config,
				       bool *found) MUST_CHECK;

#endif
