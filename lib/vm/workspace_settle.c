/* SPDX-License-Identifier: MIT */
/* workspace_settle.c - is there work in a guest that is nowhere else? */
#include <fcntl.h>
#include <string.h>

#include "store/session.h"
#include "vm/workspace_export.h"

#define AGENT_WAIT_MS 2000

struct fault *workspace_export_tree(struct workspace_export *x, char **tree)
{
	const struct git git = { .git_dir = x->scratch };
	AUTO_FREE char *revision = xasprintf("%s^{tree}", x->result);

	return GIT_LINE(&git, tree, "rev-parse", "--verify", revision);
}

struct fault *workspace_settle(const struct store *s, const struct config *config, const char *name,
			       const char *tree)
{
	AUTO_VM vm = VM_INIT;

	TRY(vm_lock(s, config, NULL, name, "workspace", &vm));
	TRY(vm_need_spec(&vm));
	if (tree) {
		free(vm.spec.workspace.exported);
		vm.spec.workspace.exported = xstrdup(tree);
	}
	vm.spec.workspace.settled = session_is_open(&vm.dir) ? 0 : session_stamp(&vm.dir);
	return vm_ended(&vm, vm_spec_write(&vm.dir, &vm.spec));
}

/* ------------------------------------------------------------------------------------ checking */

enum answer { NOTHING_LOST, LOST, NOBODY_KNOWS };

static struct fault *compare(struct workspace *ws, enum answer *answer)
{
	struct workspace_export x = { .ws = ws };
	const char *exported = ws->vm.spec.workspace.exported;
	AUTO_FREE char *tree = NULL;
	struct fault *f = workspace_export(ws, NULL, &x);

	if (f && fault_kind(f) == F_NOT_FOUND) { /* somebody removed the directory in the guest */
		fault_free(f);
		f = NULL;
		*answer = NOTHING_LOST;
	} else if (!f && !x.changed && !x.added && !x.removed) {
		*answer = NOTHING_LOST;
	} else if (!f) {
		f = workspace_export_tree(&x, &tree);
		*answer = !f && exported && !strcmp(tree, exported) ? NOTHING_LOST : LOST;
	}
	workspace_export_release(&x);
	return f;
}

/* A guest that does not answer is as good as one that does not run. */
static struct fault *ask_guest(const struct vm *vm, enum answer *answer)
{
	struct store at_once = *vm->store; /* borrowed */
	AUTO_WORKSPACE ws = WORKSPACE_INIT;
	struct fault *f;

	*answer = NOBODY_KNOWS;
	at_once.wait_ms = 0;
	f = workspace_open(&at_once, vm->config, NULL, vm->dir.name, "delete", NULL, AGENT_WAIT_MS, &ws);
	if (!f)
		f = compare(&ws, answer);
	if (f && fault_kind(f) == F_CANCELLED)
		return f;
	fault_free(f);
	return NULL;
}

static bool is_settled(const struct vm *vm)
{
	return vm->spec.workspace.settled && vm->spec.workspace.settled == session_stamp(&vm->dir) &&
	       !session_is_open(&vm->dir);
}

static bool has_workspace(const struct vm *vm)
{
	if (vm->spec_fault)
		return !faccessat(vm->dir.fd, VM_WORKSPACE_GIT, F_OK, AT_SYMLINK_NOFOLLOW);
	return vm->spec.workspace.base != NULL;
}

struct fault *workspace_check_exported(const struct vm *vm)
{
	enum answer answer = NOBODY_KNOWS;
	bool running = vm_state(vm) == VM_RUNNING;
	const char *name = vm->dir.name;

	if (!has_workspace(vm))
		return NULL;
	if (running && !vm->spec_fault)
		TRY(ask_guest(vm, &answer));
	if (answer == NOTHING_LOST || (answer == NOBODY_KNOWS && !vm->spec_fault && is_settled(vm)))
		return NULL;
	if (answer == LOST)
		return fault_hint(fault_new(F_STATE, "VM '%s' has changes in its workspace that were not "
					    "exported", name),
				  "Bring them back: banger vm workspace export %s --output FILE. Give them "
				  "up: --force", name);
	return fault_hint(fault_new(F_STATE, "VM '%s' may have changes in its workspace that were not exported%s",
				    name, running ? ", and its guest does not tell"
						  : ": it was used since, and does not run"),
			  "%sexport them: banger vm workspace export %s --output FILE. Give them up: --force",
			  running ? "See 'vm logs', or " : "Start it and ", name);
}
