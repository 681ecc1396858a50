/* SPDX-License-Identifier: MIT */
/*
 * output_file.h - a file that a command makes where its user says: there whole or not at all, and
 * theirs also under sudo.
 */
#ifndef BANGER_CMD_OUTPUT_FILE_H
#define BANGER_CMD_OUTPUT_FILE_H

#include "base/fault.h"
#include "host/user.h"

/* The umask that we were started with; what we make for ourselves is for nobody else. */
extern mode_t output_file_umask;

struct output_file {
	struct user user;
	char *path, *name, *temp; /* owned */
	int dir, fd;		  /* owned; -1 = not open */
};
#define OUTPUT_FILE_INIT ((struct output_file){ .dir = -1, .fd = -1 })

/* output_file_open() - start the file @path.  F_INVALID when it is a directory; F_SYS. */
struct fault *output_file_open(const char *path, struct output_file *out) MUST_CHECK;
/* output_file_write() - context: the struct output_file. */
struct fault *output_file_write(void *context, const void *data, size_t len) MUST_CHECK;
/* output_file_commit() - put it into place, over what was there. */
struct fault *output_file_commit(struct output_file *out) MUST_CHECK;
/* output_file_close() - remove what was not committed; harmless when nothing is open. */
void output_file_close(struct output_file *out);

#define AUTO_OUTPUT_FILE __attribute__((cleanup(output_file_close))) struct output_file

#endif
