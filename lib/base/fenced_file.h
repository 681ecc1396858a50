/* SPDX-License-Identifier: MIT */
/*
 * fenced_file.h - a few lines of ours in a text file that belongs to somebody else.
 *
 * Our lines stand between two marker lines, whole, and are the only bytes that are ever added, replaced
 * or removed; everything else keeps its bytes, line ends and a missing last newline included.  The block
 * is put before everything else in the file.  Its lines end as the file's first line does.
 *
 * The file may be a symbolic link: what it leads to is replaced then, the link stays.  Mode and owner
 * are kept.  Whoever works for another user calls user_enter() around these.
 */
#ifndef BANGER_BASE_FENCED_FILE_H
#define BANGER_BASE_FENCED_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/fault.h"

struct fence {
	const char *begin, *end; /* the marker lines, without a newline */
};

#define FENCED_FILE_MAX (4 * 1024 * 1024)

/*
 * fenced_text_put() - @out: @text with @block (whole lines, each ended by a newline) between the markers,
 * in the place of the block that is there, else before everything else.
 * fenced_text_take() - @out: @text without the block; the same text when there is none.
 * Return: F_CORRUPT when the markers are not one pair in this order: nobody can tell what is ours.
 */
struct fault *fenced_text_put(const char *text, size_t len, const struct fence *fence,
			      const char *block, struct buf *out) MUST_CHECK;
struct fault *fenced_text_take(const char *text, size_t len, const struct fence *fence,
			       struct buf *out) MUST_CHECK;

/*
 * fenced_file_put() - put the block into the file at absolute @path; the file is made with @mode when
 * it is not there, its directory must be.  *@changed: false when it had this very block already; the
 * file is not touched then.
 * Return: F_CORRUPT as above, or longer than FENCED_FILE_MAX, or no regular file; F_SYS, F_DENIED.
 */
struct fault *fenced_file_put(const char *path, const struct fence *fence, const char *block,
			      mode_t mode, bool *changed) MUST_CHECK;
/* fenced_file_take() - remove the block.  A file, or a block, that is not there is success. */
struct fault *fenced_file_take(const char *path, const struct fence *fence,
			       bool *changed) MUST_CHECK;
/*
 * fenced_file_edit() - the same care for another kind of change: replace the content of the file, which
 * has to be there, by what @edit makes of it.  *@changed: false when that is the same.
 */
struct fault *fenced_file_edit(const char *path,
			       struct fault *(*edit)(const char *text, size_t len, struct buf *out),
			       bool *changed) MUST_CHECK;
/* fenced_file_has() - is there a block?  A file that is not there has none. */
struct fault *fenced_file_has(const char *path, const struct fence *fence, bool *has) MUST_CHECK;

#endif
