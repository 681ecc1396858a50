/* SPDX-License-Identifier: MIT */
/*
 * scratch.h - a directory for the temporary files of a tool, removed whatever happens.
 *
 * It cannot be in the state directory: mmdebstrap works there under other user ids, to which the
 * state directory is closed.  The directory is locked while it is in use; one that is not was left
 * by a crash, and the next user removes it.
 */
#ifndef BANGER_IMAGE_SCRATCH_H
#define BANGER_IMAGE_SCRATCH_H

#include "base/fault.h"

struct scratch {
	char *path;   /* absolute; NULL = none */
	int dir;      /* the directory, locked */
	int parent;   /* $TMPDIR, else /var/tmp, else /tmp */
	char *name;   /* of the directory in its parent */
};
#define SCRATCH_INIT ((struct scratch){ .dir = -1, .parent = -1 })

/* scratch_open() - make one, mode 0711, after removing what crashes left.  F_SYS, F_DENIED. */
struct fault *scratch_open(struct scratch *s) MUST_CHECK;
/* scratch_close() - remove it with all that is in it; harmless when there is none. */
struct fault *scratch_close(struct scratch *s) MUST_CHECK;

#endif
