/* SPDX-License-Identifier: MIT */
/*
 * system_install.h - banger's own files on this host: putting them there, comparing, taking them away.
 *
 * What was made is written down in INSTALL_RECORD below the root, one line each: "f <path>", and "d <path>"
 * for a directory that was not there before.  So a later release removes what it no longer has, and
 * uninstalling removes exactly what installing made.  Every file is replaced by rename: the
 * running program is not disturbed.
 */
#ifndef BANGER_VM_SYSTEM_INSTALL_H
#define BANGER_VM_SYSTEM_INSTALL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/json.h"

#define INSTALL_RECORD "/usr/local/share/banger/installed"

struct install_file {
	char *path; /* absolute, without the root; owned */
	mode_t mode;
	struct buf content;
};

struct install {
	char *root;	      /* prefix of every path, "" for this host; owned */
	struct records files; /* of struct install_file */
};
void install_release(struct install *in);
#define AUTO_INSTALL __attribute__((cleanup(install_release))) struct install

/* install_add() - one more file; *content is stolen. */
void install_add(struct install *in, const char *path, mode_t mode, struct buf *content);
/* Is it this host that is installed to, and not a directory? */
bool install_is_live(const struct install *in);

/* One file as it is now; also of what would be done. */
struct install_row {
	char *path;  /* with the root; owned */
	char *state; /* "in place", "differs", "missing", "obsolete"; owned */
};
extern const struct record_type install_row_type;
/* install_compare() - all files, then those that an earlier release left.  @rows: out, owned. */
struct fault *install_compare(const struct install *in, struct records *rows) MUST_CHECK;
void install_rows_release(struct records *rows);

/*
 * install_apply() - make every file what it should be and remove what is obsolete; again is fine.
 * *@changed: how many files were written or removed.  F_DENIED, F_SYS, F_NO_SPACE.
 */
struct fault *install_apply(const struct install *in, size_t *changed) MUST_CHECK;
/*
 * install_remove() - remove all files, of the record and of @in, then the directories that installing
 * made if they are empty, then the record.  Goes on after a failure.  *@removed: how many files went.
 */
struct fault *install_remove(const struct install *in, size_t *removed) MUST_CHECK;

/*
 * install_system() - let systemd make the group and the directories, and read the units; on this host
 * only, and as far as its programs are here.  install_forget_system() - the inverse, before or after the
 * files go: units are disabled, what acts by itself is stopped, machines go on, the group goes.
 */
struct fault *install_system(const struct install *in) MUST_CHECK;
struct fault *install_forget_system(const struct install *in) MUST_CHECK;

/* ----------------------------------------------------------------------- names of machines */

/*
 * install_names_put() - let the "hosts" line of nsswitch.conf ask banger, between marker lines that keep
 * the line as it was.  install_names_take() puts that back, byte for byte; a line that was changed
 * since only loses the word.  F_NOT_FOUND without the file; F_CORRUPT for half a block.
 */
struct fault *install_names_put(const struct install *in, bool *changed) MUST_CHECK;
struct fault *install_names_take(const struct install *in, bool *changed) MUST_CHECK;
/* install_names_state() - is there a block of ours? */
struct fault *install_names_state(const struct install *in, bool *there) MUST_CHECK;
/* install_library_dir() - where the C library looks for its modules, without the root.  Static. */
const char *install_library_dir(const struct install *in);

/* The edits themselves, on text. */
struct fault *install_names_text_put(const char *text, size_t len, struct buf *out) MUST_CHECK;
struct fault *install_names_text_take(const char *text, size_t len, struct buf *out) MUST_CHECK;

#endif
