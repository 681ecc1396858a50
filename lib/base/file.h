/* SPDX-License-Identifier: MIT */
/*
 * file.h - careful file access below a directory descriptor.
 *
 * Every function takes a directory descriptor (borrowed) and a single path component or a relative
 * path without "..".  Nothing here follows a symbolic link in the last component.
 */
#ifndef BANGER_BASE_FILE_H
#define BANGER_BASE_FILE_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/json.h"

/*
 * file_write_atomic() - replace @name in @dir by @len bytes, durably: temporary file with O_EXCL,
 * write, fsync, rename, fsync of @dir.  A reader sees the old or the new content, never half.
 * Return: F_SYS (F_NO_SPACE, F_DENIED); the temporary file is gone in every case.
 */
struct fault *file_write_atomic(int dir, const char *name, const void *data, size_t len,
				mode_t mode) MUST_CHECK;

/*
 * file_write_volatile() - the same without waiting for the disk: for what means nothing after a
 * reboot.  Still never seen half written, and still there after kill -9.
 */
struct fault *file_write_volatile(int dir, const char *name, const void *data, size_t len,
				  mode_t mode) MUST_CHECK;

/*
 * file_temp() - create a temporary file ".<name>.tmp-<random>" in @dir, mode @mode.
 * @temp_name: out, owned.  @fd: out, owned, O_RDWR.  Finish with file_publish() or unlinkat().
 */
struct fault *file_temp(int dir, const char *name, mode_t mode, char **temp_name,
			int *fd) MUST_CHECK;
/* file_publish() - fsync @fd, rename @temp_name to @name, fsync @dir. */
struct fault *file_publish(int dir, const char *temp_name, const char *name, int fd) MUST_CHECK;

/* file_is_temp() - is @name one that file_temp() makes?  Such files are left by a crash. */
bool file_is_temp(const char *name);
/* One younger than this may have a maker that was just about to lock it. */
#define FILE_TEMP_YOUNG_MS 200
enum file_temp_state { FILE_TEMP_IN_USE, FILE_TEMP_NEW, FILE_TEMP_ABANDONED };
/*
 * file_temp_state() - has whoever made temporary file @name gone?  They keep a flock on it for as long
 * as it is open.
 */
enum file_temp_state file_temp_state(int dir, const char *name);

/* dir_sync() - make names created, renamed or removed in @dir durable. */
struct fault *dir_sync(int dir, const char *what) MUST_CHECK;

/*
 * file_read() - append the whole of regular file @name to @out.
 * @max: F_CORRUPT when it is longer.  Return also F_NOT_FOUND when absent, F_SYS, and F_CORRUPT
 * when it is not a regular file.
 */
struct fault *file_read(int dir, const char *name, size_t max, struct buf *out) MUST_CHECK;
/* file_read_fd() - append what is left to read on @fd, at most @max bytes. @what: for messages. */
struct fault *file_read_fd(int fd, size_t max, const char *what, struct buf *out) MUST_CHECK;

/* file_write_all() - write @len bytes to @fd, all of them. @what: for messages. */
struct fault *file_write_all(int fd, const void *data, size_t len, const char *what) MUST_CHECK;
/* file_pwrite_all() - the same at @offset. */
struct fault *file_pwrite_all(int fd, const void *data, size_t len, off_t offset,
			      const char *what) MUST_CHECK;

/* file_pwrite_sparse() - the same, but blocks of 4096 zeros that lie whole in @data are left out: for
 * a file that has a hole there. */
struct fault *file_pwrite_sparse(int fd, const void *data, size_t len, off_t offset,
				 const char *what) MUST_CHECK;
#define FILE_SPARSE_BLOCK 4096
/* file_is_zero() - are all @len bytes zero? */
bool file_is_zero(const void *data, size_t len);

/* Records (json.h) in files: what every state file goes through. */
struct fault *file_read_record(int dir, const char *name, const struct record_type *type,
			       const char *what, void *out) MUST_CHECK;
struct fault *file_write_record(int dir, const char *name, const struct record_type *type,
				const void *record) MUST_CHECK;
struct fault *file_write_record_volatile(int dir, const char *name, const struct record_type *type,
					 const void *record) MUST_CHECK;

/* dir_open() - open directory @path below @at (AT_FDCWD allowed), O_NOFOLLOW. @fd: out, owned. */
struct fault *dir_open(int at, const char *path, int *fd) MUST_CHECK;
/* dir_make() - create directory @name in @dir if it is absent, and open it. @fd: out, owned. */
struct fault *dir_make(int dir, const char *name, mode_t mode, int *fd) MUST_CHECK;
/* dir_make_path() - create @path and its parents as needed, mode @mode, and open it. */
struct fault *dir_make_path(const char *path, mode_t mode, int *fd) MUST_CHECK;

/* dir_names() - the names in @dir without "." and "..", sorted bytewise. @out: zeroed, owned. */
struct fault *dir_names(int dir, const char *what, struct strings *out) MUST_CHECK;

/*
 * tree_remove() - remove @name in @dir and everything below it through directory descriptors,
 * following no link.  Absent is success.  Goes on after a failure and returns all faults joined.
 */
struct fault *tree_remove(int dir, const char *name) MUST_CHECK;

#endif
