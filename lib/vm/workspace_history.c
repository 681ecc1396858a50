/* SPDX-License-Identifier: MIT */
/* workspace_history.c - how much of the host's history our repository, and with it the guest's, has. */
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "vm/workspace.h"

#define SHALLOW_MAX (1u << 20)

struct history {
	struct workspace *ws;
	const struct workspace_source *source;
	struct git from, ours;
	unsigned int depth; /* 0 = all */
	struct strings *shallow;
};

static bool is_in(const struct strings *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->v[i], text))
			return true;
	return false;
}

static struct fault *read_shallow(struct history *h)
{
	AUTO_FD dir = -1;
	AUTO_BUF text = BUF_INIT;
	struct fault *f;
	char *at;

	TRY(dir_open(AT_FDCWD, h->ws->git_dir, &dir));
	f = file_read(dir, "shallow", SHALLOW_MAX, &text);
	if (f && fault_kind(f) == F_NOT_FOUND) {
		fault_free(f);
		return NULL;
	}
	TRY(f);
	at = text.data;
	for (char *line = strsep(&at, "\n"); line; line = strsep(&at, "\n"))
		if (*line)
			strings_add(h->shallow, line);
	return NULL;
}

/* Does @commit have a parent that we do not have?  git itself does not tell of parents past the edge. */
static struct fault *is_edge(struct history *h, const char *commit, bool *yes)
{
	AUTO_BUF text = BUF_INIT;
	char *at;

	*yes = false;
	if (!git_has_commit(&h->ours, commit))
		return NULL;
	TRY(GIT(&h->ours, &text, "cat-file", "commit", commit));
	at = text.data;
	for (char *line = strsep(&at, "\n"); line && *line; line = strsep(&at, "\n"))
		*yes |= !strncmp(line, "parent ", 7) && !git_has_commit(&h->ours, line + 7);
	return NULL;
}

/* What was the edge once, and no longer is, would hide what came since. */
static struct fault *write_shallow(struct history *h)
{
	struct strings edge = { 0 };
	AUTO_FD dir = -1;
	AUTO_BUF text = BUF_INIT;
	struct fault *f = NULL;

	for (size_t i = 0; i < h->shallow->n && !f; i++) {
		bool yes = false;

		if (!is_in(&edge, h->shallow->v[i]))
			f = is_edge(h, h->shallow->v[i], &yes);
		if (!f && yes) {
			strings_add(&edge, h->shallow->v[i]);
			buf_addf(&text, "%s\n", h->shallow->v[i]);
		}
	}
	strings_release(h->shallow);
	*h->shallow = edge;
	TRY(f);
	TRY(dir_open(AT_FDCWD, h->ws->git_dir, &dir));
	return file_write_volatile(dir, "shallow", text.data ? text.data : "", text.len, 0600);
}

/* Walked in both repositories, there is as much, and it ends at the same commits. */
static struct fault *is_deep_enough(struct history *h, bool *yes)
{
	const char *head = h->source->head;
	struct strings theirs = { 0 }, ours = { 0 };
	AUTO_FREE char *all = NULL;
	AUTO_FREE char *here = NULL;
	size_t n_theirs = 0, n_ours = 0;
	struct fault *f;

	*yes = h->depth == 1;
	if (h->depth == 1)
		return NULL;
	if (!h->depth) {
		TRY(GIT_LINE(&h->from, &all, "rev-list", "--count", head));
		TRY(GIT_LINE(&h->ours, &here, "rev-list", "--count", head));
		*yes = !strcmp(all, here);
		return NULL;
	}
	f = git_edge(&h->from, head, h->depth, &theirs, &n_theirs);
	if (!f)
		f = git_edge(&h->ours, head, h->depth, &ours, &n_ours);
	*yes = ours.n == theirs.n && n_ours == n_theirs;
	for (size_t i = 0; i < theirs.n && *yes; i++)
		*yes = is_in(&ours, theirs.v[i]);
	strings_release(&theirs);
	strings_release(&ours);
	return f;
}

static struct fault *take(struct history *h, bool *deepened)
{
	const struct vm_workspace *old = &h->ws->vm.spec.workspace;
	const char *head = h->source->head, *have = NULL;
	bool there = git_has_commit(&h->ours, head), enough = true;

	if (there)
		TRY(is_deep_enough(h, &enough));
	if (there && enough)
		return NULL;
	*deepened = there;
	progress_stage(h->ws->vm.progress, "packing commit %.12s", head);
	if (!there && h->depth && old->head && git_has_commit(&h->ours, old->head) &&
	    git_has_commit(&h->from, old->head))
		have = old->head;
	TRY(git_import(&h->from, &h->ours, head, h->depth, have, h->shallow, NULL));
	for (size_t i = 0; i < h->source->shallow.n; i++)
		strings_add(h->shallow, h->source->shallow.v[i]);
	return write_shallow(h);
}

struct fault *workspace_take_history(struct workspace *ws, const struct workspace_wish *wish,
				     const struct workspace_source *source, struct strings *shallow,
				     bool *deepened)
{
	bool full = wish->mode == WORKSPACE_FULL_COPY && !wish->depth;
	struct history h = { .ws = ws, .source = source, .from = workspace_source_git(source),
			     .ours = { .git_dir = ws->git_dir },
			     .depth = full ? 0 : wish->depth ? wish->depth : 1,
			     .shallow = shallow };

	TRY(read_shallow(&h));
	return source->head ? take(&h, deepened) : NULL;
}
