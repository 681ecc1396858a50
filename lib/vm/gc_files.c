/* SPDX-License-Identifier: MIT */
/* gc_files.c - staging directories, temporary files, downloads. */
#include <poll.h>

#include "base/cancel.h"
#include "base/file.h"
#include "store/leftovers.h"
#include "vm/gc.h"

static void judge(struct gc_item *item, const struct leftover *l)
{
	if (l->state == LEFTOVER_IN_USE)
		gc_judge(item, "busy", "keep", "whoever made it is still there");
	else if (l->state == LEFTOVER_YOUNG)
		gc_judge(item, "partial", "keep", "the next pull goes on with it");
	else if (l->state == LEFTOVER_UNKNOWN)
		gc_judge(item, "new", "keep", "it is too young to tell whether somebody works on it");
	else
		gc_judge(item, "abandoned", "remove", "whoever made it has gone");
}

/* A file that is too young to tell: once they are all older it is known whose they are. */
static struct fault *find_settled(const struct gc *gc, struct records *list)
{
	struct fault *f = leftovers_find(gc->store, list);
	const struct leftover *all = list->v;
	bool unsettled = false;

	for (size_t i = 0; i < list->n; i++)
		unsettled |= all[i].state == LEFTOVER_UNKNOWN;
	if (f || !unsettled || gc->dry_run)
		return f;
	leftovers_release(list);
	poll(&(struct pollfd){ cancel_fd(), POLLIN, 0 }, 1, FILE_TEMP_YOUNG_MS);
	return leftovers_find(gc->store, list);
}

struct fault *gc_scan_files(struct gc *gc)
{
	struct records list;
	struct fault *f = find_settled(gc, &list);
	const struct leftover *all = list.v;

	for (size_t i = 0; i < list.n; i++) {
		struct gc_item *item = gc_add(gc, all[i].kind, all[i].path, all[i].owner);
		bool removed = false;
		struct fault *bad;

		judge(item, &all[i]);
		if (gc->dry_run || all[i].state == LEFTOVER_YOUNG)
			continue;
		bad = leftovers_remove(gc->store, &all[i], &removed);
		if (removed && !bad)
			gc_judge(item, "abandoned", "remove", "whoever made it has gone");
		if (removed || bad)
			gc_done(item, bad);
	}
	leftovers_release(&list);
	return f;
}
