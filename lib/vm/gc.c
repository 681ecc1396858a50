/* SPDX-License-Identifier: MIT */
/* gc.c - the list of scanners, and the items that they add. */
#include "vm/gc.h"

#include <string.h>

#include "base/cancel.h"

static const struct field item_fields[] = {
	FIELD(struct gc_item, kind, FIELD_STRING),
	FIELD(struct gc_item, name, FIELD_STRING),
	FIELD(struct gc_item, owner, FIELD_STRING),
	FIELD(struct gc_item, state, FIELD_STRING),
	FIELD(struct gc_item, reason, FIELD_STRING),
	FIELD(struct gc_item, action, FIELD_STRING),
	FIELD(struct gc_item, done, FIELD_BOOL),
	FIELD(struct gc_item, error, FIELD_STRING),
};
const struct record_type gc_item_type = {
	"gc", sizeof(struct gc_item), item_fields, ARRAY_LEN(item_fields), 0,
};

/*
 * In this order: VMs first, whose teardown takes most things with it; then processes, which may use
 * what comes after them.
 */
static struct fault *(*const scanners[])(struct gc *gc) = {
	gc_scan_vms,
	gc_scan_processes,
	gc_scan_groups,
	gc_scan_devices,
	gc_scan_loops,
	gc_scan_taps,
	gc_scan_filter,
	gc_scan_leases,
	gc_scan_run_dirs,
	gc_scan_files,
};

struct fault *gc_run(struct gc *gc)
{
	struct fault *f = NULL;

	gc->tag = store_tag(gc->store);
	gc->at_once = *gc->store;
	gc->at_once.wait_ms = 0;
	for (size_t i = 0; i < ARRAY_LEN(scanners); i++) {
		struct fault *stop = cancel_check();

		if (stop)
			return fault_attach(f, stop);
		gc->fresh = false;
		f = fault_attach(f, scanners[i](gc));
	}
	return f;
}

bool gc_wants(const struct gc_item *item)
{
	return strcmp(item->action, "keep") != 0;
}

void gc_release(struct gc *gc)
{
	struct gc_item *all = gc->items.v;

	for (size_t i = 0; i < gc->items.n; i++)
		record_release(&gc_item_type, &all[i]);
	free(all);
	gc->items = (struct records){ 0 };
	gc_forget(gc);
	free(steal_ptr(&gc->tag));
}

struct gc_item *gc_add(struct gc *gc, const char *kind, const char *name, const char *owner)
{
	struct gc_item *item = records_add(&gc->items, sizeof(*item));

	item->kind = xstrdup(kind);
	item->name = xstrdup(name);
	item->owner = owner ? xstrdup(owner) : NULL;
	return item;
}

static void set(char **slot, char *text)
{
	free(*slot);
	*slot = text;
}

void gc_judge(struct gc_item *item, const char *state, const char *action, const char *fmt, ...)
{
	va_list ap;

	set(&item->state, xstrdup(state));
	set(&item->action, xstrdup(action));
	va_start(ap, fmt);
	set(&item->reason, xvasprintf(fmt, ap));
	va_end(ap);
}

void gc_done(struct gc_item *item, struct fault *f)
{
	if (!f) {
		item->done = true;
	} else if (fault_kind(f) == F_BUSY) {
		gc_judge(item, "busy", "keep", "%s", fault_message(f));
	} else {
		set(&item->error, xstrdup(fault_message(f)));
	}
	fault_free(f);
}
