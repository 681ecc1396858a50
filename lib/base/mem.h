/* SPDX-License-Identifier: MIT */
/*
 * mem.h - memory and scope-bound ownership.
 *
 * Out of memory aborts: no caller checks for it.  Everything acquired is declared with one of the
 * AUTO_ macros below on its declaring line, and given away with steal_fd() or steal_ptr().
 */
#ifndef BANGER_BASE_MEM_H
#define BANGER_BASE_MEM_H

#include <dirent.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))
#define PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#define MUST_CHECK	__attribute__((warn_unused_result))

/* Allocation that aborts the program when memory is exhausted.  Results are owned by the caller. */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc_array(void *old, size_t count, size_t size) __attribute__((returns_nonnull));
void *xmemdup(const void *data, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t max) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) PRINTF(1, 2) __attribute__((malloc, returns_nonnull));
char *xvasprintf(const char *fmt, va_list ap) PRINTF(1, 0) __attribute__((malloc, returns_nonnull));

static inline void mem_free_cleanup(void *slot)
{
	free(*(void **)slot);
}

/* fd_close() - close @fd when it is not negative, keeping errno. */
void fd_close(int fd);

static inline void mem_fd_cleanup(const int *fd)
{
	fd_close(*fd);
}

static inline void mem_dir_cleanup(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static inline void mem_file_cleanup(FILE **file)
{
	if (*file)
		fclose(*file);
}

#define AUTO_FREE __attribute__((cleanup(mem_free_cleanup)))
#define AUTO_FD	  __attribute__((cleanup(mem_fd_cleanup))) int
#define AUTO_DIR  __attribute__((cleanup(mem_dir_cleanup))) DIR *
#define AUTO_FILE __attribute__((cleanup(mem_file_cleanup))) FILE *

/* steal_fd() - take the descriptor out of @fd, leaving -1 behind. */
static inline int steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static inline void *mem_steal(void *slot)
{
	void **p = slot;
	void *taken = *p;

	*p = NULL;
	return taken;
}

/* steal_ptr() - take the pointer out of the variable @slot points to, leaving NULL behind. */
#define steal_ptr(slot) ((__typeof__(*(slot)))mem_steal(slot))

#endif
