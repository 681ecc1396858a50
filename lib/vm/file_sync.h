/* SPDX-License-Identifier: MIT */
/*
 * file_sync.h - what the sections [file_sync NAME] of the configuration say, as archives for the guest.
 *
 * Read as the user and only below their home, wherever links in the path lead.  In a directory links and
 * special files are left out, so that nothing else comes along.
 */
#ifndef BANGER_VM_FILE_SYNC_H
#define BANGER_VM_FILE_SYNC_H

#include "base/progress.h"
#include "guest/seed.h"
#include "store/config.h"

/* All sections together: they travel in the boot archive, which is memory on both sides. */
#define FILE_SYNC_BYTES_MAX (16 * 1024 * 1024)

/*
 * file_sync_pack() - one archive for each section, in their order.  A source that is not there is a
 * warning through @progress (NULL = silent) and has no archive.
 * @out: records of struct seed_archive_file, owned; release with seed_files_release().
 * Return: F_DENIED for a source that leads out of the home; F_INVALID for one that is neither file nor
 * directory, or when all is too much; F_SYS.
 */
struct fault *file_sync_pack(const struct config *config, struct progress *progress,
			     struct records *out) MUST_CHECK;

#endif
