/* SPDX-License-Identifier: MIT */
/* prune.h - removing VMs that nobody needs. */
#ifndef BANGER_VM_PRUNE_H
#define BANGER_VM_PRUNE_H

#include "vm/vm.h"

struct vm_prune_rule {
	bool force; /* also when there are changes in it that were not exported */
	/* <0: every VM that does not run.  Else only VMs that nobody used for so many seconds, and
	 * these also when they run, unless a session is open in them. */
	int64_t stale_s;
	const char *const *labels; /* all must fit: "K=V" or "K" */
	size_t n_labels;
};

struct vm_prune_item {
	char *name, *state;
	char *touched; /* when somebody used it last, or when it was made; NULL = not known */
	uint64_t bytes; /* that its files take on the host's disk */
};
extern const struct record_type vm_prune_item_type;

/* vm_prune_find() - what the rule fits, by name.  Takes no lock.  @out: records of vm_prune_item. */
struct fault *vm_prune_find(const struct store *s, const struct config *config,
			    const struct vm_prune_rule *rule, struct records *out) MUST_CHECK;

/*
 * vm_prune_remove() - delete one of them if, under its lock, the rule still fits.  *@bytes: out, what
 * that freed.  F_BUSY when somebody works on it or a session is open; F_STATE when the rule fits no
 * more; F_NOT_FOUND.
 */
struct fault *vm_prune_remove(const struct store *s, const struct config *config,
			      const struct vm_prune_rule *rule, const char *name,
			      uint64_t *bytes) MUST_CHECK;

#endif
