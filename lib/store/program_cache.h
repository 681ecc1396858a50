/* SPDX-License-Identifier: MIT */
/*
 * program_cache.h - what programs said of themselves the last time they were asked.
 *
 * A start of a VM must know its VMM's version; asking costs a process each time.  One small file for
 * each kind of program, cache/programs/<kind>, has the answer of the one that was asked last, under all
 * that changes when the file at its path does.  It may be removed at any time.
 */
#ifndef BANGER_STORE_PROGRAM_CACHE_H
#define BANGER_STORE_PROGRAM_CACHE_H

#include <sys/stat.h>

#include "store/store.h"

#define PROGRAM_SAID_MAX 128

/*
 * program_recall() - append to @said what the program at @path, whose file is @file, said; @kind: a plain
 * file name.  False when that is not known: another file, or whatever is in the cache is not what
 * program_remember() writes there, or somebody else could have written it.  Writes nothing.
 */
bool program_recall(const struct store *s, const char *kind, const char *path,
		    const struct stat *file, struct buf *said);

/*
 * program_remember() - keep @said, one line.  Observers (STORE_READ) keep nothing, and a failure is
 * nobody's concern: then it is asked again.
 */
void program_remember(const struct store *s, const char *kind, const char *path,
		      const struct stat *file, const char *said);

#endif
