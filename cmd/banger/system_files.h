/* SPDX-License-Identifier: MIT */
/* system_files.h - what 'banger system install' puts on a host: all of it is in the program. */
#ifndef BANGER_CMD_SYSTEM_FILES_H
#define BANGER_CMD_SYSTEM_FILES_H

#include "vm/system_install.h"

#define NSS_LIBRARY "libnss_banger.so.2"

/*
 * system_files() - fill in->files.  @names: the library for NAME.vm, too.  Units of commands that this
 * program does not have are left out.  F_SYS when the program's own file cannot be read.
 */
struct fault *system_files(struct install *in, bool names) MUST_CHECK;

#endif
