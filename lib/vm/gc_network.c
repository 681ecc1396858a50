/* SPDX-License-Identifier: MIT */
/* gc_network.c - taps, what the packet filter lets through, and the bridge. */
#include <string.h>

#include "host/netlink.h"
#include "net/net.h"
#include "vm/gc.h"

#define TAP_PREFIX "bgr"

static struct fault *remove_tap(struct gc *gc, const void *tap)
{
	return net_tap_drop(&gc->at_once, tap);
}

static void look_at_tap(struct gc *gc, const char *tap)
{
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *tag = NULL;

	if (!gc_is_short_id(tap + strlen(TAP_PREFIX)))
		return; /* somebody else's name, by chance */
	net_tap_owner(tap, &path, &tag);
	gc_settle(gc, &(struct gc_thing){ .kind = "tap", .name = tap, .tag = tag, .path = path,
					  .short_id = tap + strlen(TAP_PREFIX),
					  .remove = remove_tap, .context = tap });
}

/* They are meant to be there. */
static void look_at_idle_tap(struct gc *gc, const char *tap)
{
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *tag = NULL;

	net_tap_owner(tap, &path, &tag);
	gc_judge(gc_add(gc, "tap", tap, path), "idle", "keep",
		 "it waits for a start to come; remove it with: banger net warm 0");
}

struct fault *gc_scan_taps(struct gc *gc)
{
	struct strings taps, idle;

	net_taps(&taps, &idle);
	for (size_t i = 0; i < taps.n; i++)
		look_at_tap(gc, taps.v[i]);
	for (size_t i = 0; i < idle.n; i++)
		look_at_idle_tap(gc, idle.v[i]);
	strings_release(&taps);
	strings_release(&idle);
	return NULL;
}

/* --------------------------------------------------------------------------------- packet filter */

static struct fault *remove_element(struct gc *gc, const void *element)
{
	return net_filter_drop(&gc->at_once, gc->config, element);
}

/* What lets a tap through that is there belongs to whoever has the tap. */
static void look_at_element(struct gc *gc, const struct rules_element *e)
{
	AUTO_FREE char *name = xasprintf("%s %s", e->tap, e->address);

	if (strncmp(e->tap, TAP_PREFIX, strlen(TAP_PREFIX)) != 0 ||
	    !gc_is_short_id(e->tap + strlen(TAP_PREFIX)) || link_exists(e->tap))
		return;
	gc_settle(gc, &(struct gc_thing){ .kind = "filter element", .name = name, .tag = e->tag,
					  .short_id = e->tap + strlen(TAP_PREFIX),
					  .remove = remove_element, .context = e });
}

/* The tables and the bridge go with the last VM of the host, whoever's that was. */
static void look_at_rest(struct gc *gc, bool tables)
{
	struct strings taps, idle;
	struct gc_item *item;

	net_taps(&taps, &idle);
	tables = tables && !taps.n;
	strings_release(&taps);
	strings_release(&idle);
	if (tables) {
		item = gc_add(gc, "filter tables", "banger", NULL);
		gc_judge(item, "abandoned", "remove", "no VM has a tap any more");
		if (!gc->dry_run)
			gc_done(item, net_filter_drop(&gc->at_once, gc->config, NULL));
	}
	if (net_bridge_is_idle(gc->config)) {
		item = gc_add(gc, "bridge", gc->config->bridge, NULL);
		gc_judge(item, "abandoned", "remove", "no VM has a tap any more");
		if (!gc->dry_run)
			gc_done(item, net_bridge_drop(&gc->at_once, gc->config));
	}
}

struct fault *gc_scan_filter(struct gc *gc)
{
	struct records elements;
	const struct rules_element *all;
	bool tables;

	TRY(net_filter_list(gc->config, &tables, &elements));
	all = elements.v;
	for (size_t i = 0; i < elements.n; i++)
		look_at_element(gc, &all[i]);
	look_at_rest(gc, tables && !elements.n);
	rules_list_release(&elements);
	return NULL;
}
