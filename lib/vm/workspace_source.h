/* SPDX-License-Identifier: MIT */
/*
 * workspace_source.h - the directory on the host that a workspace is made from.  Everything is read as
 * the user; nothing in it is changed, no program that its configuration names is run.
 */
#ifndef BANGER_VM_WORKSPACE_SOURCE_H
#define BANGER_VM_WORKSPACE_SOURCE_H

#include "vm/workspace_git.h"

enum workspace_mode {
	WORKSPACE_SHALLOW_OVERLAY, /* tracked files as they are now, and a shallow repository */
	WORKSPACE_FULL_COPY,	   /* untracked files too, and the whole history */
	WORKSPACE_METADATA_ONLY,   /* the repository without its files */
	WORKSPACE_MODES,
};
#define WORKSPACE_MODE_WORDS "shallow_overlay full_copy metadata_only"
const char *workspace_mode_name(enum workspace_mode mode);
/* The inverse; F_INVALID. */
struct fault *workspace_mode_from(const char *name, enum workspace_mode *mode) MUST_CHECK;

struct workspace_wish {
	const char *path;  /* on the host */
	const char *guest_path; /* NULL = /root/repo */
	const char *branch; /* make this branch in the guest; NULL = the host's */
	const char *from;  /* with branch: that commit's files instead of the working tree; NULL = HEAD */
	enum workspace_mode mode;
	bool untracked, no_submodules;
	unsigned int depth; /* commits; 0 = 1, or all for WORKSPACE_FULL_COPY */
};

struct workspace_source {
	struct user user;
	char *root;    /* absolute; of the working tree or the directory */
	bool repository;
	char *head;    /* commit; NULL = no commit yet, or no repository */
	char *branch;  /* NULL = none checked out */
	char *origin, *user_name, *user_email; /* without credentials; NULL = unknown */
	char *exclude; /* the user's own ignore rules that are in no file of the tree */
	struct strings shallow; /* the repository's own edge */
	struct tree_list files; /* paths; what they hold only after workspace_source_read() */
	struct strings submodules_left; /* their directories, which stay empty */
	uint64_t untracked_left; /* files that stay behind */
	bool bootstrap; /* there is a .mise.toml or .tool-versions */
	struct strings notes; /* whole sentences: what a user should know */
};
#define WORKSPACE_SOURCE_INIT ((struct workspace_source){ .repository = false })

/*
 * workspace_source_find() - look at it before anything is made.
 * Return: F_NOT_FOUND, F_INVALID (no repository, bare, no commit for --from), F_UNSUPPORTED.
 */
struct fault *workspace_source_find(const struct workspace_wish *w,
				    struct workspace_source *s) MUST_CHECK;
void workspace_source_release(struct workspace_source *s);
#define AUTO_WORKSPACE_SOURCE __attribute__((cleanup(workspace_source_release)))                   \
	struct workspace_source

/* workspace_source_read() - fill mode, size and oid of all files; those that are gone leave the list. */
struct fault *workspace_source_read(struct workspace_source *s) MUST_CHECK;
/* workspace_source_git() - for running git in it. */
struct git workspace_source_git(const struct workspace_source *s);

#endif
