/* SPDX-License-Identifier: MIT */
/*
 * leftovers.h - what a process that was killed left in the state directory, but for whole VMs.
 *
 * Staging directories, objects whose removal was cut off, temporary files, and downloads.  None of
 * them is in anybody's way, and the next command of the same kind would replace them.
 */
#ifndef BANGER_STORE_LEFTOVERS_H
#define BANGER_STORE_LEFTOVERS_H

#include "store/store.h"

/* A download that nobody went on with for so long is not wanted any more. */
#define LEFTOVER_DOWNLOAD_KEEP_S (7 * 24 * 3600)

enum leftover_state {
	LEFTOVER_IN_USE, /* whoever made it is there */
	LEFTOVER_UNKNOWN, /* a file so new that nobody can tell: FILE_TEMP_YOUNG_MS */
	LEFTOVER_YOUNG,	 /* a download that may be gone on with */
	LEFTOVER_DEAD,	 /* nobody's */
};

struct leftover {
	const char *kind; /* "staging directory", "removed object", "temporary file", "download" */
	char *path;	  /* below the state directory, owned */
	char *owner;	  /* "image 'web'", "process 12"; owned, NULL = nobody's */
	enum leftover_state state;
};

/*
 * leftovers_find() - all of them.  Writes nothing and waits for nobody.  @out: records of struct
 * leftover, also when it fails; leftovers_release() them.  F_SYS.
 */
struct fault *leftovers_find(const struct store *s, struct records *out) MUST_CHECK;
void leftovers_release(struct records *list);

/*
 * leftovers_remove() - remove it if it is still dead, looking under the lock of the image or kernel that
 * it is of.  @removed: out.  F_BUSY when somebody works on that now; F_SYS.
 */
struct fault *leftovers_remove(const struct store *s, const struct leftover *l, bool *removed) MUST_CHECK;

#endif
