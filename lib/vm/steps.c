/* SPDX-License-Identifier: MIT */
#include "vm/steps.h"

#include <assert.h>

#include "base/cancel.h"

static struct fault *run_one(struct vm *vm, const char *verb, const struct step *s, bool *ours)
{
	bool there = false;

	TRY(cancel_check());
	if (s->probe)
		TRY(s->probe(vm, &there));
	if (there)
		return NULL;
	*ours = true;
	TRY(vm_op_set(&vm->dir, verb, s->name));
	return s->apply(vm);
}

static struct fault *undo_one(struct vm *vm, const struct step *s)
{
	return s->undo ? fault_wrap(s->undo(vm), "undoing step '%s'", s->name) : NULL;
}

struct fault *steps_check(const struct vm *vm, const struct step *steps, size_t n)
{
	struct fault *f = NULL;

	for (size_t i = 0; i < n; i++)
		if (steps[i].check)
			f = fault_attach(f, steps[i].check(vm));
	return f;
}

struct fault *steps_run(struct vm *vm, const char *verb, const struct step *steps, size_t n)
{
	struct fault *f = NULL;
	uint64_t ours = 0; /* bit i: this run began step i */
	size_t i;

	assert(n <= STEPS_MAX);
	for (i = 0; i < n && !f; i++) {
		bool began = false;

		f = run_one(vm, verb, &steps[i], &began);
		if (began)
			ours |= UINT64_C(1) << i;
		if (f && fault_kind(f) != F_CANCELLED)
			f = fault_wrap(f, "%s", steps[i].telling);
	}
	if (f) {
		cancel_hold(); /* a second Ctrl-C must not interrupt the undoing */
		while (i-- > 0)
			if (ours >> i & 1)
				f = fault_attach(f, undo_one(vm, &steps[i]));
		cancel_release();
	}
	return fault_attach(f, vm_op_set(&vm->dir, NULL, NULL));
}

struct fault *steps_undo(struct vm *vm, const struct step *steps, size_t n)
{
	struct fault *f = NULL;

	cancel_hold();
	while (n-- > 0)
		f = fault_attach(f, undo_one(vm, &steps[n]));
	cancel_release();
	return fault_attach(f, vm_op_set(&vm->dir, NULL, NULL));
}
