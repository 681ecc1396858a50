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

/*
 * workspace_apply() - make the host's tree what the guest's is.
 * Without @three_way only when the tree is exactly what was sent: F_STATE otherwise, nothing is touched.
 * With it the changes of both sides are merged; *@conflicts: files with conflict markers; owned.
 */
struct fault *workspace_apply(struct workspace_export *x, bool three_way,
			      struct strings *conflicts) MUST_CHECK;

#endif
