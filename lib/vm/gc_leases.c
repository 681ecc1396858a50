/* SPDX-License-Identifier: MIT */
/* gc_leases.c - addresses, and names with addresses, of VMs that are not there any more. */
#include <string.h>

#include "store/lease.h"
#include "store/names.h"
#include "vm/gc.h"

static void look_at_lease(struct gc *gc, const struct lease_seen *l)
{
	AUTO_FREE char *owner = l->name ? xasprintf("vm %s", l->name) : NULL;
	struct gc_item *item;
	bool removed;

	if ((l->id && gc_vm(gc, l->id)) || gc->blind)
		return;
	if (!lease_is_stale(gc->store, l->address))
		return;
	item = gc_add(gc, "lease", l->address, owner);
	gc_judge(item, "abandoned", "remove", "its VM is not there any more");
	if (!gc->dry_run)
		gc_done(item, lease_remove_stale(&gc->at_once, l->address, &removed));
}

static void look_at_name(struct gc *gc, const char *name)
{
	AUTO_FREE char *owner = xasprintf("vm %s", name);
	AUTO_FD dir = -1;
	AUTO_FAULT absent = store_object_open(gc->store, COLLECTION_VMS, name, &dir);
	struct gc_item *item;

	if (!absent || fault_kind(absent) != F_NOT_FOUND)
		return;
	item = gc_add(gc, "host name", name, owner);
	gc_judge(item, "abandoned", "remove", "its VM is not there any more");
	if (!gc->dry_run)
		gc_done(item, names_withdraw(gc->store, name));
}

struct fault *gc_scan_leases(struct gc *gc)
{
	struct records leases;
	struct strings names;
	const struct lease_seen *all;
	struct fault *f = lease_list(gc->store, &leases);

	all = leases.v;
	for (size_t i = 0; i < leases.n; i++)
		look_at_lease(gc, &all[i]);
	lease_list_release(&leases);
	f = fault_attach(f, names_list(gc->store, &names));
	for (size_t i = 0; i < names.n; i++)
		look_at_name(gc, names.v[i]);
	strings_release(&names);
	return f;
}
