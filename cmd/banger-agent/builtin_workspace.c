/* SPDX-License-Identifier: MIT */
/* builtin_workspace.c - which files of a workspace differ from what the host knows. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "builtin.h"
#include "guest/tree_compare.h"

static struct fault *read_all(int fd, struct buf *b)
{
	for (;;) {
		ssize_t n = read(fd, buf_grow(b, 65536), 65536);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "reading the list of files");
		if (!n)
			return NULL;
		b->len += (size_t)n;
		if (b->len > TREE_COMPARE_MAX)
			return fault_new(F_INVALID, "the list of files is too long");
	}
}

static struct fault *write_all(const struct buf *b)
{
	for (size_t at = 0; at < b->len;) {
		ssize_t n = write(STDOUT_FILENO, b->data + at, b->len - at);

		if (n < 0 && errno != EINTR)
			return fault_sys(F_SYS, "answering");
		at += n > 0 ? (size_t)n : 0;
	}
	return NULL;
}

/* A directory that is not there has none of the files. */
static struct fault *compare(const char *path, bool all)
{
	struct tree_list list = { 0 };
	AUTO_BUF in = BUF_INIT;
	AUTO_BUF out = BUF_INIT;
	AUTO_FD dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct fault *f;

	if (dir < 0 && errno != ENOENT)
		return fault_sys(F_SYS, "directory '%s'", path);
	TRY(read_all(STDIN_FILENO, &in));
	if (dir < 0) {
		buf_add(&out, "A ", 3);
		return write_all(&out);
	}
	f = tree_list_read(in.data, in.len, &list);
	if (!f)
		f = tree_compare(dir, &list, all, &out);
	tree_list_release(&list);
	return f ? f : write_all(&out);
}

int builtin_compare(int argc, char **argv)
{
	struct fault *f = argc == 3 ? compare(argv[1], !strcmp(argv[2], "all"))
				    : fault_new(F_USAGE, "compare: needs a directory and 'all' or "
						"'listed'");

	if (!f)
		return 0;
	fprintf(stderr, "%s\n", fault_message(f));
	fault_free(f);
	return 1;
}
