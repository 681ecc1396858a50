/* SPDX-License-Identifier: MIT */
/* builtin_tree.c - files and trees through standard input and output as tar streams. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "builtin.h"
#include "guest/tree.h"

#define LIST_MAX (64u << 20)

/* One line on standard error, status 1. */
static int fail(struct fault *f)
{
	fprintf(stderr, "%s\n", fault_message(f));
	fault_free(f);
	return 1;
}

static void say_skipped(uint64_t n)
{
	if (n)
		fprintf(stderr, "left out, as they are no files: devices, sockets and pipes (%llu)\n",
			(unsigned long long)n);
}

static struct fault *make_path(const char *path)
{
	AUTO_FREE char *copy = xstrdup(path);

	for (char *at = copy + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (mkdir(copy, 0755) && errno != EEXIST)
			return fault_sys(F_SYS, "making directory '%s'", copy);
		*at = '/';
	}
	if (mkdir(copy, 0755) && errno != EEXIST)
		return fault_sys(F_SYS, "making directory '%s'", copy);
	return NULL;
}

static struct fault *open_directory(const char *path, int *fd)
{
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? fault_sys(F_SYS, "directory '%s'", path) : NULL;
}

static struct fault *put(const char *path)
{
	struct tree_unpack options = { .allow_remove = true };
	struct tar_reader *r;
	AUTO_FD dir = -1;
	struct fault *f;

	TRY(make_path(path));
	TRY(open_directory(path, &dir));
	r = tar_reader_new_fd(STDIN_FILENO, "the archive");
	f = tree_unpack(dir, r, &options);
	tar_reader_free(r);
	if (!f)
		say_skipped(options.skipped);
	return f;
}

int builtin_put(int argc, char **argv)
{
	struct fault *f = argc == 2 && *argv[1] ? put(argv[1])
						: fault_new(F_USAGE, "put: needs a directory");

	return f ? fail(f) : 0;
}

/* ----------------------------------------------------------------------------------------- get */

/* "a/b" is packed as "b", "a/b/." as what is in it; the parent's own links are followed. */
static struct fault *pack_path(struct tar_writer *w, const char *path, const char *as,
			       struct tree_pack *options)
{
	size_t len = strlen(path);
	AUTO_FREE char *clean = NULL;
	const char *last;
	AUTO_FD dir = -1;
	char *slash;

	if ((len >= 2 && !strcmp(path + len - 2, "/.")) || !strcmp(path, ".") ||
	    !strcmp(path, "/")) {
		options->as = "";
		TRY(open_directory(path, &dir));
		return tree_pack(w, dir, ".", options);
	}
	while (len > 1 && path[len - 1] == '/')
		len--;
	clean = xstrndup(path, len);
	slash = strrchr(clean, '/');
	if (slash)
		*slash = '\0';
	TRY(open_directory(!slash ? "." : *clean ? clean : "/", &dir));
	last = slash ? slash + 1 : clean;
	if (!strcmp(last, ".."))
		return fault_new(F_INVALID, "'%s': a path cannot end in '..'", path);
	options->as = as ? as : last;
	return tree_pack(w, dir, last, options);
}

/* @as: a name for it; NULL = its own. */
static struct fault *get(const char *path, const char *as)
{
	struct tar_writer *w = tar_writer_new_fd(STDOUT_FILENO);
	struct tree_pack options = { .as = "" };
	struct fault *f = pack_path(w, path, as, &options);

	if (!f)
		f = tar_writer_finish(w);
	tar_writer_free(w);
	if (!f)
		say_skipped(options.skipped);
	return f;
}

int builtin_get(int argc, char **argv)
{
	struct fault *f = (argc == 2 || argc == 3) && *argv[1]
				  ? get(argv[1], argc == 3 ? argv[2] : NULL)
				  : fault_new(F_USAGE, "get: needs a path");

	return f ? fail(f) : 0;
}

/* ------------------------------------------------------------------------------------ get-list */

static struct fault *read_list(struct buf *b)
{
	for (;;) {
		ssize_t n = read(STDIN_FILENO, buf_grow(b, 65536), 65536);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "reading the list of files");
		if (!n)
			return NULL;
		b->len += (size_t)n;
		if (b->len > LIST_MAX)
			return fault_new(F_INVALID, "the list of files is too long");
	}
}

static struct fault *pack_list(struct tar_writer *w, int dir, const struct buf *list)
{
	struct tree_pack options = { .no_recurse = true };

	for (size_t at = 0; at < list->len; at += strlen(list->data + at) + 1) {
		AUTO_FREE char *name = NULL;
		struct fault *f;

		TRY(tree_name(list->data + at, &name));
		options.as = name;
		f = tree_pack(w, dir, name, &options);
		if (f && fault_errno(f) != ENOENT)
			return f;
		fault_free(f);
	}
	return tar_writer_finish(w);
}

static struct fault *get_list(const char *path)
{
	struct tar_writer *w;
	AUTO_BUF list = BUF_INIT;
	AUTO_FD dir = -1;
	struct fault *f;

	TRY(open_directory(path, &dir));
	TRY(read_list(&list));
	buf_addc(&list, '\0'); /* the last name may come without its end */
	list.len--;
	w = tar_writer_new_fd(STDOUT_FILENO);
	f = pack_list(w, dir, &list);
	tar_writer_free(w);
	return f;
}

int builtin_get_list(int argc, char **argv)
{
	struct fault *f = argc == 2 && *argv[1] ? get_list(argv[1])
						: fault_new(F_USAGE, "get-list: needs a directory");

	return f ? fail(f) : 0;
}

/* --------------------------------------------------------------------------------------- kind */

int builtin_kind(int argc, char **argv)
{
	struct stat st;

	if (argc != 2)
		return fail(fault_new(F_USAGE, "kind: needs a path"));
	if (stat(argv[1], &st)) {
		if (errno != ENOENT && errno != ENOTDIR)
			return fail(fault_sys(F_SYS, "'%s'", argv[1]));
		puts("absent");
	} else {
		puts(S_ISDIR(st.st_mode) ? "directory" : S_ISREG(st.st_mode) ? "file" : "other");
	}
	return fflush(stdout) ? 1 : 0;
}
