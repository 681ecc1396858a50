/* SPDX-License-Identifier: MIT */
/* gc_files.c - staging directories, temporary files, downloads. */
#include "store/leftovers.h"
#include "vm/gc.h"

static void judge(struct gc_item *item, const struct leftover *l)
{
	if (l->state == LEFTOVER_IN_USE)
		gc_judge(item, "busy", "keep", "whoever made it is still there");
	else if (l->state == LEFTOVER_YOUNG)
		gc_judge(item, "partial", "keep", "the next pull goes on with it");
	else
		gc_judge(item, "abandoned", "remove", "whoever made it has gone");
}

struct fault *gc_scan_files(struct gc *gc)
{
	struct records list;
	struct fault *f = leftovers_find(gc->store, &list);
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
