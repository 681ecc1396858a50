/* SPDX-License-Identifier: MIT */
/* workspace_export.h - what changed in the guest since its workspace was prepared. */
#ifndef BANGER_VM_WORKSPACE_EXPORT_H
#define BANGER_VM_WORKSPACE_EXPORT_H

#include "vm/workspace.h"

enum workspace_format { WORKSPACE_PATCH, WORKSPACE_BUNDLE, WORKSPACE_TAR };
#define WORKSPACE_FORMAT_WORDS "patch bundle tar"

struct workspace_export {
	struct workspace *ws;	/* borrowed */
	char *scratch;		/* directory of the repository with the result; owned; removed at release */
	char *base, *result;	/* commits in it; owned */
	char *against;		/* commit that differences are made to: the base, or --base-commit; owned */
	uint64_t changed, added, removed, ignored; /* files */
};

/*
 * workspace_export() - fetch what changed and make a commit of it in a scratch repository.
 * @base_commit: a revision of the host's repository to compare with instead of what was sent; NULL.
 * Return: F_STATE without a complete workspace; F_GUEST naming what is refused; F_NOT_FOUND when the
 * guest's directory is gone.
 */
struct fault *workspace_export(struct workspace *ws, const char *base_commit,
			       struct workspace_export *x) MUST_CHECK;
void workspace_export_release(struct workspace_export *x);

/* workspace_export_write() - the changes in @format to @fd. */
struct fault *workspace_export_write(struct workspace_export *x, enum workspace_format format,
				     int fd) MUST_CHECK;
/* workspace_export_stat() - "a | 3 +-" lines, owned; empty when nothing changed. */
struct fault *workspace_export_stat(struct workspace_export *x, char **text) MUST_CHECK;

/* workspace_export_tar() - the files of commit or tree @to that are not so in @from, as a tar archive. */
struct fault *workspace_export_tar(struct workspace_export *x, const char *from, const char *to,
				   int fd) MUST_CHECK;

/* workspace_export_tree() - the tree that the guest has, as git names it; owned. */
struct fault *workspace_export_tree(struct workspace_export *x, char **tree) MUST_CHECK;

/*
 * workspace_settle() - what the guest of VM @name has is on the host: @tree was brought out, or nothing has been
 * changed yet (NULL).  To be called when our session has ended; others' sessions unsettle it again.  Takes
 * the VM's lock.  F_BUSY: at worst somebody is asked in vain.
 */
struct fault *workspace_settle(const struct store *s, const struct config *config, const char *name,
			       const char *tree) MUST_CHECK;
/*
 * workspace_check_exported() - would anything be lost with @vm, which is locked?  A guest that runs is asked
 * what it has; of others it is known only that nobody had a session since it was settled.
 * F_STATE when there are, or may be, changes that were not exported.
 */
struct fault *workspace_check_exported(const struct vm *vm) MUST_CHECK;

/*
 * workspace_apply() - make the host's tree what the guest's is.
 * Without @three_way only when the tree is exactly what was sent: F_STATE otherwise, nothing is touched.
 * With it the changes of both sides are merged; *@conflicts: files with conflict markers; owned.
 * *@already: there was nothing to do, and no file was touched.
 */
struct fault *workspace_apply(struct workspace_export *x, bool three_way, struct strings *conflicts,
			      bool *already) MUST_CHECK;

#endif
