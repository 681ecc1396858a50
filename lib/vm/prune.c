/* SPDX-License-Identifier: MIT */
#include "vm/prune.h"

#include "base/text.h"
#include "base/tree_usage.h"
#include "store/session.h"
#include "vm/labels.h"
#include "vm/stats.h"
#include "vm/workspace_export.h"

static const struct field item_fields[] = {
	FIELD(struct vm_prune_item, name, FIELD_STRING),
	FIELD(struct vm_prune_item, state, FIELD_STRING),
	FIELD(struct vm_prune_item, touched, FIELD_STRING),
	FIELD(struct vm_prune_item, bytes, FIELD_U64),
};
const struct record_type vm_prune_item_type = {
	"vm", sizeof(struct vm_prune_item), item_fields, ARRAY_LEN(item_fields), 0,
};

static time_t used_or_made(const struct vm *vm)
{
	time_t used = vm_last_used(vm), made = 0;

	if (vm->spec.created && !text_parse_time(vm->spec.created, &made))
		made = 0;
	return used > made ? used : made;
}

static bool fits(const struct vm *vm, const struct vm_prune_rule *rule)
{
	for (size_t i = 0; i < rule->n_labels; i++)
		if (!labels_match(&vm->spec.labels, rule->labels[i]))
			return false;
	if (vm_is_orphan(vm))
		return true;
	if (rule->stale_s < 0)
		return vm_state(vm) != VM_RUNNING;
	/* Of a VM without a readable record nobody knows when it was used. */
	return !vm->spec_fault && time(NULL) - used_or_made(vm) >= rule->stale_s;
}

static uint64_t bytes_of(const struct vm *vm)
{
	struct tree_usage usage = { 0 };

	fault_free(tree_usage_add(vm->dir.fd, ".", false, &usage)); /* for people, not for deciding */
	return usage.allocated_bytes;
}

struct fault *vm_prune_find(const struct store *s, const struct config *config,
			    const struct vm_prune_rule *rule, struct records *out)
{
	struct strings names;

	*out = (struct records){ 0 };
	TRY(store_names(s, COLLECTION_VMS, &names));
	for (size_t i = 0; i < names.n; i++) {
		AUTO_VM vm = VM_INIT;
		AUTO_FAULT gone = vm_open(s, config, names.v[i], &vm);
		struct vm_prune_item *item;

		if (gone || !fits(&vm, rule))
			continue;
		item = records_add(out, sizeof(*item));
		*item = (struct vm_prune_item){
			.name = xstrdup(names.v[i]),
			.state = xstrdup(vm_state_name(vm_state(&vm))),
			.touched = used_or_made(&vm) ? text_time(used_or_made(&vm)) : NULL,
			.bytes = bytes_of(&vm),
		};
	}
	strings_release(&names);
	return NULL;
}

/* The VM is as it is under its lock. */
static struct fault *remove_locked(struct vm *vm, const struct vm_prune_rule *rule)
{
	AUTO_LOCK sessions = LOCK_INIT;
	bool alone = false;

	if (!fits(vm, rule))
		return fault_new(F_STATE, "VM '%s' is in use again and stays", vm->dir.name);
	TRY(session_shut_out(&vm->dir, &sessions, &alone));
	if (!alone)
		return fault_new(F_BUSY, "VM '%s' stays: somebody has a session in it", vm->dir.name);
	if (!rule->force && !vm_is_orphan(vm))
		TRY(workspace_check_exported(vm));
	return vm_delete(vm);
}

struct fault *vm_prune_remove(const struct store *s, const struct config *config,
			      const struct vm_prune_rule *rule, const char *name, uint64_t *bytes)
{
	struct store at_once = *s; /* borrowed: whoever works on a VM needs it */
	AUTO_VM vm = VM_INIT;
	uint64_t size;

	at_once.wait_ms = 0;
	TRY(vm_lock(&at_once, config, NULL, name, "prune", &vm));
	vm.store = s;
	size = bytes_of(&vm);
	TRY(vm_ended(&vm, remove_locked(&vm, rule)));
	*bytes = size;
	return NULL;
}
