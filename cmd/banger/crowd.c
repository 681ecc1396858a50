/* SPDX-License-Identifier: MIT */
#include "banger/crowd.h"

#include <pthread.h>
#include <string.h>

#include "base/cancel.h"

/* Each needs about ten descriptors, and a process may have few. */
#define WORKERS_MAX 32

struct workers {
	struct crowd *crowd;
	_Atomic size_t next;
};

static void work_on(struct target *t)
{
	struct invocation *inv = t->inv;
	struct vm vm = VM_INIT;

	if (!t->name)
		return;
	t->fault = t->verb ? vm_lock(&inv->store, &inv->config, NULL, t->name, t->verb, &vm)
			   : vm_open(&inv->store, &inv->config, t->name, &vm);
	if (!t->fault)
		t->fault = vm_ended(&vm, t->act(t, &vm));
	vm_release(&vm);
}

static void *work(void *context)
{
	struct workers *w = context;

	for (size_t i = w->next++; i < w->crowd->n; i = w->next++)
		work_on(&w->crowd->targets[i]);
	return NULL;
}

static void work_on_all(struct crowd *c)
{
	struct workers w = { c, 0 };
	pthread_t helpers[WORKERS_MAX];
	size_t n_helpers = 0;

	while (n_helpers + 1 < c->n && n_helpers < WORKERS_MAX - 1 &&
	       !pthread_create(&helpers[n_helpers], NULL, work, &w))
		n_helpers++;
	work(&w);
	for (size_t i = 0; i < n_helpers; i++)
		pthread_join(helpers[i], NULL);
}

static bool is_duplicate(const struct crowd *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->targets[i].name && !strcmp(c->targets[i].name, name))
			return true;
	return false;
}

static void add(struct crowd *c, const struct target *model, char *name, struct fault *f)
{
	struct target *t = &c->targets[c->n++];

	*t = *model;
	t->name = name;
	t->fault = f;
}

struct fault *crowd_run(struct invocation *inv, const struct target *model, bool all,
			struct crowd *c)
{
	struct strings names = { 0 };

	*c = (struct crowd){ 0 };
	if (all && !inv->operands.n)
		TRY(store_names(&inv->store, COLLECTION_VMS, &names));
	c->targets = xcalloc(inv->operands.n + names.n + 1, sizeof(*c->targets));
	for (size_t i = 0; i < names.n; i++)
		add(c, model, xstrdup(names.v[i]), NULL);
	strings_release(&names);
	for (size_t i = 0; i < inv->operands.n; i++) {
		AUTO_FREE char *name = NULL;
		struct fault *f = vm_resolve(&inv->store, inv->operands.v[i], &name);

		if (f || !is_duplicate(c, name))
			add(c, model, f ? NULL : steal_ptr(&name), f);
	}
	work_on_all(c);
	return NULL;
}

/* One that a signal ended tells more than those that failed. */
static int status_after(int status, const struct fault *f)
{
	if (fault_kind(f) == F_CANCELLED && cancel_signal())
		return 128 + cancel_signal();
	return status ? status : 1;
}

struct fault *crowd_faults(struct crowd *c, bool outcomes)
{
	for (size_t i = 0; i < c->n; i++) {
		struct target *t = &c->targets[i];

		if (t->fault && c->n == 1)
			return steal_ptr(&t->fault);
		if (t->fault) {
			print_fault(t->inv, t->fault);
			t->inv->status = status_after(t->inv->status, t->fault);
		} else if (outcomes && t->outcome && !t->inv->quiet) {
			printf("%s: %s\n", t->name, t->outcome);
		}
	}
	return NULL;
}

void crowd_release(struct crowd *c)
{
	for (size_t i = 0; i < c->n; i++) {
		fault_free(c->targets[i].fault);
		free(c->targets[i].name);
		free(c->targets[i].outcome);
	}
	free(c->targets);
	*c = (struct crowd){ 0 };
}
