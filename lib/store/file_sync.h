/* SPDX-License-Identifier: MIT */
/*
 * file_sync.h - sections [file_sync NAME] of the configuration: files of the user's that every VM gets
 * at every start.
 *
 *	host   what: "~/..." or an absolute path below the user's home; a file or a directory
 *	guest  where: "~/..." or "/root/..."
 *	mode   of a file, octal; 0600 when not given.  In a directory each file keeps its own.
 */
#ifndef BANGER_STORE_FILE_SYNC_H
#define BANGER_STORE_FILE_SYNC_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/json.h"

#define FILE_SYNC_SECTION  "file_sync"
#define FILE_SYNC_MODE	   0600
#define FILE_SYNC_NAME_MAX 32
#define FILE_SYNCS_MAX	   64

struct file_sync {
	char *name;
	char *host;   /* as written */
	char *guest;  /* below /root, no slash at either end */
	mode_t mode;
	char *origin; /* "FILE:LINE" of the section */
};

/* file_sync_is_section() - does the section's name mean one of these, well-formed or not? */
bool file_sync_is_section(const char *section);
/*
 * file_sync_begin() - a section "file_sync NAME" begins in @file.  One that a former file has is
 * replaced.  F_INVALID for a bad or repeated name.
 * file_sync_take() - one of its lines.  @home: of the user; NULL = nobody knows.  F_INVALID naming the section.
 * file_sync_check() - is every section whole?
 */
struct fault *file_sync_begin(struct records *all, const char *section, const char *file,
			      unsigned int line) MUST_CHECK;
struct fault *file_sync_take(struct records *all, const char *section, const char *key,
			     const char *value, const char *home) MUST_CHECK;
struct fault *file_sync_check(const struct records *all) MUST_CHECK;
void file_sync_release(struct records *all);

#endif
