/* SPDX-License-Identifier: MIT */
/*
 * workspace_git.h - running git for workspaces.
 *
 * Two kinds of repositories.  The user's is only read, as them, with everything that its configuration
 * could make git run turned off: hooks, file system monitors, filters, text conversions, transports.
 * Ours (vms/<name>/workspace.git and a scratch one beside it) hold what was sent to the guest; they have a
 * configuration of ours, and attributes that make git take every file byte for byte.
 */
#ifndef BANGER_VM_WORKSPACE_GIT_H
#define BANGER_VM_WORKSPACE_GIT_H

#include "base/json.h"
#include "guest/tree_compare.h"
#include "host/user.h"

struct git {
	const struct user *as; /* NULL = ourselves */
	const char *cwd;       /* for the user's repository: a directory in it */
	const char *git_dir;   /* for one of ours: its path */
	const char *work_tree; /* with git_dir; NULL = none */
	const char *index;     /* with git_dir: an index file; NULL = none */
};

/* git_run() - run git with @arguments (NULL-terminated).  @in: -1 = none.  @out: what it printed, NULL =
 * to @out_fd (-1 = nowhere). */
struct fault *git_run(const struct git *g, const char *const *arguments, int in, struct buf *out,
		      int out_fd) MUST_CHECK;
#define GIT(g, out, ...) git_run(g, (const char *const[]){ __VA_ARGS__, NULL }, -1, out, -1)
/* git_line() - the same: what it printed, without its last newline.  Owned. */
struct fault *git_line(const struct git *g, char **line, const char *const *arguments) MUST_CHECK;
#define GIT_LINE(g, line, ...) git_line(g, line, (const char *const[]){ __VA_ARGS__, NULL })
/* git_ask() - for questions that status 1 answers with no: *@line NULL then. */
struct fault *git_ask(const struct git *g, char **line, const char *const *arguments) MUST_CHECK;
#define GIT_ASK(g, line, ...) git_ask(g, line, (const char *const[]){ __VA_ARGS__, NULL })

/* git_run_matching() - for a list of questions: status 1, none of them matched, is success too. */
struct fault *git_run_matching(const struct git *g, const char *const *arguments, int in,
			       struct buf *out) MUST_CHECK;

/* git_make() - make @path a bare repository of ours.  @borrow: the repository whose objects it also
 * sees, a path, or NULL. */
struct fault *git_make(const char *path, const char *borrow) MUST_CHECK;
/*
 * git_import() - copy commit @oid with all its files, and its history when @depth is 0, or @depth
 * commits deep, from @from (the user's) to @to (ours).  @have: a commit that is there already, or NULL.
 * @shallow: the commits at the edge are appended.  @pack: name of the pack that was made ("pack-<hex>"), owned; NULL = not wanted.
 */
struct fault *git_import(const struct git *from, const struct git *to, const char *oid,
			 unsigned int depth, const char *have, struct strings *shallow,
			 char **pack) MUST_CHECK;
/* git_edge() - the commits @depth (at least 1) from @oid, itself being the first, in no order.  @seen: how
 * many lie before them; NULL = not wanted. */
struct fault *git_edge(const struct git *g, const char *oid, unsigned int depth, struct strings *edge,
		       size_t *seen) MUST_CHECK;
/* git_has_commit() - never fails: what cannot be read is not there. */
bool git_has_commit(const struct git *g, const char *oid);
/* git_list() - the files of @commit in @g (ours), as a sorted list. */
struct fault *git_list(const struct git *g, const char *commit, struct tree_list *l) MUST_CHECK;

/* ---------------------------------------------------------------------------- making commits */

/* A stream for git fast-import in a nameless file. */
struct git_import_stream {
	int fd; /* owned */
	struct buf out;
};

/* git_stream_begin() - @dir: where the file lies.  @parent: a commit of the repository; NULL = none. */
struct fault *git_stream_begin(struct git_import_stream *s, const char *dir,
			       const char *parent) MUST_CHECK;
void git_stream_release(struct git_import_stream *s);
/* git_stream_file() - file @path; then exactly @size bytes by git_stream_data(). */
struct fault *git_stream_file(struct git_import_stream *s, uint32_t mode, const char *path,
			      uint64_t size) MUST_CHECK;
struct fault *git_stream_data(struct git_import_stream *s, const void *data,
			      size_t len) MUST_CHECK;
struct fault *git_stream_remove(struct git_import_stream *s, const char *path) MUST_CHECK;
/* git_stream_commit() - make the commit in @g (ours) under refs/banger/<name>; @oid: owned. */
struct fault *git_stream_commit(struct git_import_stream *s, const struct git *g, const char *name,
				char **oid) MUST_CHECK;

#endif
