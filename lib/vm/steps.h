/* SPDX-License-Identifier: MIT */
/*
 * steps.h - host work as steps that can be undone.
 *
 * Each step has a name that goes to disk before the deed, a probe that asks the kernel (never
 * handles.json) whether the thing is there already, apply and undo.  On a fault the steps of this run
 * are undone in reverse order, the failing one included; undo must accept what is half done or was
 * never begun.  The same undo functions serve stop, kill, delete, a failed start and clean-up after a
 * crash: there is one way to tear a VM down.
 */
#ifndef BANGER_VM_STEPS_H
#define BANGER_VM_STEPS_H

#include "vm/vm.h"

struct step {
	const char *name;    /* stable: goes to disk and into messages */
	const char *telling; /* for people: "starting the VMM" */
	struct fault *(*probe)(struct vm *vm, bool *there); /* NULL = never there */
	struct fault *(*apply)(struct vm *vm);
	struct fault *(*undo)(struct vm *vm); /* NULL = nothing to undo */
	/* What is missing for apply: files, programs, devices, permissions.  Makes nothing. */
	struct fault *(*check)(const struct vm *vm); /* NULL = nothing to check */
};

#define STEPS_MAX 64

/* steps_check() - run every check: all that is missing comes back at once, joined. */
struct fault *steps_check(const struct vm *vm, const struct step *steps, size_t n) MUST_CHECK;
/* steps_run() - apply @n steps in order; on a fault undo what this run did, the first fault first. */
struct fault *steps_run(struct vm *vm, const char *verb, const struct step *steps,
			size_t n) MUST_CHECK;
/* steps_undo() - undo all @n steps in reverse, going on after faults; they come back joined. */
struct fault *steps_undo(struct vm *vm, const struct step *steps, size_t n) MUST_CHECK;

#endif
