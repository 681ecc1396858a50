/* SPDX-License-Identifier: MIT */
/* gc_things.c - whose a thing of the kernel is, and what is to be done about it. */
#include <string.h>
#include <unistd.h>

#include "vm/gc.h"

bool gc_is_short_id(const char *text)
{
	return strlen(text) == SHORT_ID_LEN && strspn(text, "0123456789abcdef") == SHORT_ID_LEN;
}

/* ------------------------------------------------------------------------------- the list of VMs */

void gc_forget(struct gc *gc)
{
	struct gc_vm *all = gc->vms.v;

	for (size_t i = 0; i < gc->vms.n; i++)
		free(all[i].name);
	free(all);
	gc->vms = (struct records){ 0 };
}

void gc_know(struct gc *gc, const struct vm *vm, bool running, bool settled)
{
	const char *id = vm->spec_fault ? vm->handles.id : vm->spec.id;
	struct gc_vm *known = records_add(&gc->vms, sizeof(*known));

	known->name = xstrdup(vm->dir.name);
	if (id)
		snprintf(known->short_id, sizeof(known->short_id), "%s", id);
	known->running = running;
	known->settled = settled;
}

static const struct gc_vm *find(const struct gc *gc, const char *short_id)
{
	const struct gc_vm *all = gc->vms.v;

	for (size_t i = 0; i < gc->vms.n; i++)
		if (!memcmp(all[i].short_id, short_id, SHORT_ID_LEN))
			return &all[i];
	return NULL;
}

/* One that was not there a moment ago: somebody just made it, and uses what it has. */
static void note_new(struct gc *gc, const char *name)
{
	AUTO_VM vm = VM_INIT;
	AUTO_FAULT f = vm_open(gc->store, gc->config, name, &vm);
	const char *id = f ? NULL : vm.spec_fault ? vm.handles.id : vm.spec.id;

	if (!f && (!id || !find(gc, id)))
		gc_know(gc, &vm, true, false);
}

static void look_again(struct gc *gc)
{
	struct strings names;
	AUTO_FAULT unknown = store_names(gc->store, COLLECTION_VMS, &names);

	for (size_t i = 0; i < names.n; i++)
		note_new(gc, names.v[i]);
	strings_release(&names);
	gc->fresh = true;
	gc->blind |= unknown != NULL;
}

const struct gc_vm *gc_vm(struct gc *gc, const char *short_id)
{
	const struct gc_vm *known = find(gc, short_id);

	if (known || gc->fresh)
		return known;
	look_again(gc);
	return find(gc, short_id);
}

/* One whose id nobody knows: whatever has none may be its. */
static const struct gc_vm *unreadable(const struct gc *gc)
{
	const struct gc_vm *all = gc->vms.v;

	for (size_t i = 0; i < gc->vms.n; i++)
		if (!all[i].short_id[0])
			return &all[i];
	return NULL;
}

/* ------------------------------------------------------------------------------------- judgement */

enum claim { IN_USE, OF_STOPPED, OF_NOBODY, OF_UNREADABLE, FOREIGN, UNKNOWN };

static bool is_ours(const struct gc *gc, const char *path)
{
	size_t len = strlen(gc->store->path);

	return !strncmp(path, gc->store->path, len) && path[len] == '/';
}

static enum claim claim_of(struct gc *gc, const struct gc_thing *t, const struct gc_vm **vm)
{
	*vm = NULL;
	if (t->tag && (!gc->tag || strcmp(t->tag, gc->tag) != 0))
		/* Who has their directory still takes care of it. */
		return t->path && !access(t->path, F_OK) ? IN_USE : FOREIGN;
	*vm = gc_vm(gc, t->short_id);
	if (*vm && ((*vm)->running || !(*vm)->settled))
		return IN_USE;
	if (!t->tag && !*vm && t->path && !is_ours(gc, t->path) && !access(t->path, F_OK))
		return IN_USE;
	if (!t->tag || gc->blind)
		return UNKNOWN;
	if (*vm)
		return OF_STOPPED;
	*vm = unreadable(gc);
	return *vm ? OF_UNREADABLE : OF_NOBODY;
}

static struct fault *remove_under_lock(struct gc *gc, const struct gc_thing *t, const char *name)
{
	AUTO_VM vm = VM_INIT;
	struct fault *f;

	TRY(vm_lock(&gc->at_once, gc->config, NULL, name, "gc", &vm));
	vm.store = gc->store;
	if (vm_state(&vm) == VM_RUNNING)
		return vm_ended(&vm, fault_new(F_BUSY, "VM '%s' was started just now", name));
	f = vm_teardown(&vm);
	return vm_ended(&vm, f ? f : t->remove(gc, t->context));
}

static void judge(struct gc_item *item, const struct gc_thing *t, enum claim claim,
		  const struct gc_vm *vm)
{
	if (claim == OF_STOPPED)
		gc_judge(item, "stray", "tear down", "VM '%s' does not run", vm->name);
	else if (claim == OF_NOBODY)
		gc_judge(item, "abandoned", "remove", "its VM is not there any more");
	else if (claim == OF_UNREADABLE)
		gc_judge(item, "unknown", "keep", "it may be of VM '%s', whose records cannot be read",
			 vm->name);
	else if (claim == FOREIGN && t->path)
		gc_judge(item, "foreign", "keep", "it belongs to another state directory, and its VM is not "
			 "there any more");
	else if (claim == FOREIGN)
		gc_judge(item, "foreign", "keep", "it belongs to another state directory");
	else
		gc_judge(item, "unknown", "keep", "%s", t->tag ? "the VMs cannot be listed"
							       : "it does not tell which state directory "
								 "it is of");
}

void gc_settle(struct gc *gc, const struct gc_thing *t)
{
	const struct gc_vm *vm;
	enum claim claim = claim_of(gc, t, &vm);
	AUTO_FREE char *owner = vm ? xasprintf("vm %s", vm->name)
				   : t->path ? xstrdup(t->path) : NULL;
	struct gc_item *item;

	if (claim == IN_USE)
		return;
	item = gc_add(gc, t->kind, t->name, owner);
	judge(item, t, claim, vm);
	if (gc->dry_run)
		return;
	if (claim == OF_STOPPED)
		gc_done(item, remove_under_lock(gc, t, vm->name));
	else if (claim == OF_NOBODY)
		gc_done(item, t->remove(gc, t->context));
}
