/* SPDX-License-Identifier: MIT */
/*
 * bind.h - a file under another name on another file system, for whom hard links do not reach.
 *
 * A binding is found again by its name alone, so that one which a killed process left is undone by the
 * next.  It lasts until it is undone or the host ends.
 */
#ifndef BANGER_HOST_BIND_H
#define BANGER_HOST_BIND_H

#include "base/fault.h"

/*
 * bind_file() - let the regular file @path be read as @name in directory @dir (borrowed), which must not
 * have that name.  It cannot be written there.  For root.  F_SYS; nothing is left then.
 */
struct fault *bind_file(const char *path, int dir, const char *name) MUST_CHECK;

/* bind_undo_all() - undo what is bound to names in directory @dir (borrowed); the names stay.  F_SYS. */
struct fault *bind_undo_all(int dir) MUST_CHECK;

#endif
