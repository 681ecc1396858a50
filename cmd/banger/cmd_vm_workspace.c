/* SPDX-License-Identifier: MIT */
/* cmd_vm_workspace.c - 'vm workspace prepare', 'vm workspace export'. */
#include <string.h>

#include "banger/commands.h"
#include "banger/workspace_options.h"
#include "store/session.h"

#define AGENT_WAIT_MS (3 * 60 * 1000)

const struct command command_vm_workspace = {
	.name = "vm workspace",
	.summary = "a directory of the host in a VM, and the changes out of it",
	.description =
		"A workspace is a copy of a directory, usually a git repository, in a VM. 'prepare' copies "
		"it in, 'export' brings back what was changed there. The host's files are only read: its "
		"index, branches and working tree stay as they are unless --apply is given.",
};

/* --------------------------------------------------------------------------------------- prepare */

/* Without PATH: what was prepared last. */
static struct fault *wish_for(struct invocation *inv, const char *name, struct vm *vm,
			      struct workspace_wish *w)
{
	const char *path = inv->operands.n > 1 ? inv->operands.v[1] : NULL;

	TRY(workspace_options_read(inv, path, w));
	TRY(vm_open(&inv->store, &inv->config, name, vm));
	TRY(vm_need_spec(vm));
	if (path)
		return NULL;
	if (!vm->spec.workspace.source)
		return fault_hint(fault_new(F_USAGE, "VM '%s' has no workspace yet: a PATH is needed", name),
				  "For the present directory: banger vm workspace prepare %s .", name);
	w->path = vm->spec.workspace.source;
	if (!option_given(inv, "mode"))
		TRY(workspace_mode_from(vm->spec.workspace.mode, &w->mode));
	w->untracked |= vm->spec.workspace.untracked;
	w->no_submodules |= vm->spec.workspace.no_submodules;
	return NULL;
}

static struct fault *prepare(struct invocation *inv, const char *name,
			     const struct workspace_wish *w, struct workspace_source *s)
{
	AUTO_WORKSPACE ws = WORKSPACE_INIT;
	AUTO_SESSION busy = LOCK_INIT;
	struct workspace_result r = { 0 };
	struct fault *f;
	bool first;

	TRY(workspace_open(&inv->store, &inv->config, &inv->progress, name, "prepare", NULL,
			   AGENT_WAIT_MS, &ws));
	TRY(session_begin(&ws.vm.dir, inv->wait_ms, &busy));
	first = !ws.vm.spec.workspace.base && !ws.vm.spec.workspace.incoming;
	f = workspace_prepare(&ws, w, s, option_given(inv, "overwrite"), &r);
	progress_end(&inv->progress);
	if (!f)
		workspace_say(inv, &r, s);
	workspace_result_release(&r);
	session_end(&busy);
	if (!f && first) /* nobody can have changed anything yet */
		fault_free(workspace_settle(&inv->store, &inv->config, name, NULL));
	return f;
}

static struct fault *prepare_run(struct invocation *inv)
{
	AUTO_FREE char *name = NULL;
	AUTO_VM vm = VM_INIT;
	AUTO_WORKSPACE_SOURCE s = WORKSPACE_SOURCE_INIT;
	struct workspace_wish w;

	TRY(vm_resolve(&inv->store, inv->operands.v[0], &name));
	TRY(wish_for(inv, name, &vm, &w));
	TRY(workspace_source_find(&w, &s));
	if (option_given(inv, "dry-run"))
		return workspace_print_list(&s);
	return fault_wrap(prepare(inv, name, &w, &s), "VM '%s'", name);
}

static const struct option prepare_options[] = {
	WORKSPACE_OPTIONS,
	{ .name = "overwrite", .help = "also replace files that were changed in the guest" },
	{ 0 },
};

const struct command command_vm_workspace_prepare = {
	.name = "vm workspace prepare",
	.summary = "copy a directory of the host into a VM, or its changes",
	.operands = "NAME [PATH]",
	.description =
		"Copies the git repository that PATH is in: the files that git tracks, as they are in the "
		"working tree now, with a repository whose history is one commit deep. Ignored files are never "
		"copied, untracked ones only with --include-untracked. The files of submodules go along. The "
		"guest's repository has the host's branch, the address of its origin without credentials, and "
		"the user's name and e-mail address. An image without git gets the files only.\n\n"
		"Run again, it sends only what changed since; one that was cut off goes on. A file that was "
		"changed on both sides stops it before anything is sent, unless --overwrite is given. Without "
		"PATH it is the directory of the last time.\n\n"
		"With --mode full_copy every file that is not ignored goes along, and the whole history; this "
		"also takes a directory that is no repository. With --mode metadata_only it is the repository "
		"without its files.",
	.examples = "banger vm workspace prepare dev .\tthe repository of the present directory\n"
		    "banger vm workspace prepare dev\tonce more, what changed\n"
		    "banger vm workspace prepare dev . --dry-run\tthe files that would be sent\n"
		    "banger vm workspace prepare dev . --branch fix --from v1.0\ta branch from a tag",
	.options = prepare_options,
	.min_operands = 1,
	.max_operands = 2,
	.complete = COMPLETE_VM,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = prepare_run,
};

/* ---------------------------------------------------------------------------------------- export */

static struct fault *check_flags(const struct invocation *inv)
{
	const char *format = option_value(inv, "format");

	if (option_given(inv, "3way") && !option_given(inv, "apply"))
		return fault_new(F_USAGE, "--3way says how to apply: it needs --apply");
	if (option_given(inv, "apply") && option_given(inv, "base-commit"))
		return fault_new(F_USAGE, "--apply and --base-commit do not go together: what is applied is "
				 "what changed since the workspace was prepared");
	if (format && !strcmp(format, "bundle") && option_given(inv, "base-commit"))
		return fault_new(F_USAGE, "a bundle is made on the commit that was prepared: --base-commit "
				 "does not go with it");
	if (!option_given(inv, "output") && !option_given(inv, "apply") && !option_given(inv, "stat") &&
	    format && strcmp(format, "patch") && isatty(STDOUT_FILENO))
		return fault_hint(fault_new(F_USAGE, "a %s is not for a terminal", format),
				  "Give --output FILE.");
	return NULL;
}

/* Only --stat looks without taking; a difference to something else may leave out what is new to the host. */
static bool brings_out(const struct invocation *inv)
{
	return (option_given(inv, "output") || option_given(inv, "apply") || !option_given(inv, "stat")) &&
	       !option_given(inv, "base-commit");
}

static struct fault *export_from(struct invocation *inv, const char *name)
{
	AUTO_WORKSPACE ws = WORKSPACE_INIT;
	AUTO_SESSION busy = LOCK_INIT;
	struct workspace_export x = { .ws = &ws };
	AUTO_FREE char *tree = NULL;
	struct fault *f;

	TRY(workspace_open(&inv->store, &inv->config, &inv->progress, name, "export", NULL, AGENT_WAIT_MS,
			   &ws));
	TRY(session_begin(&ws.vm.dir, inv->wait_ms, &busy));
	f = workspace_export(&ws, option_value(inv, "base-commit"), &x);
	progress_end(&inv->progress);
	if (!f)
		f = workspace_deliver(inv, &x, option_value(inv, "output"), option_given(inv, "apply"),
				      option_given(inv, "3way"));
	if (!f && brings_out(inv))
		f = workspace_export_tree(&x, &tree);
	workspace_export_release(&x);
	session_end(&busy);
	if (!f && tree) /* at worst 'delete' asks in vain */
		fault_free(workspace_settle(&inv->store, &inv->config, name, tree));
	return f;
}

static struct fault *export_run(struct invocation *inv)
{
	AUTO_FREE char *name = NULL;

	TRY(check_flags(inv));
	TRY(vm_resolve(&inv->store, inv->operands.v[0], &name));
	return fault_wrap(export_from(inv, name), "VM '%s'", name);
}

static const struct option export_options[] = {
	{ .letter = 'o', .name = "output", .value = "FILE", .complete = COMPLETE_FILE,
	  .preset = "standard output", .help = "write to this file, on disk before anything else" },
	{ .name = "format", .value = "FORMAT", .complete = COMPLETE_WORDS,
	  .words = WORKSPACE_FORMAT_WORDS, .preset = "patch",
	  .help = "a patch, a git bundle of one commit, or the changed and new files" },
	{ .name = "base-commit", .value = "COMMIT",
	  .help = "differences to this commit of the host, not to what was sent" },
	{ .name = "stat", .help = "print which files changed, by how much" },
	{ .name = "apply", .help = "change the host's files, if they are as they were sent" },
	{ .name = "3way", .help = "with --apply: merge with what the host's files have become" },
	{ 0 },
};

const struct command command_vm_workspace_export = {
	.name = "vm workspace export",
	.summary = "what was changed in a VM's workspace, as a patch",
	.operands = "NAME",
	.description =
		"Brings back everything that changed in the guest's directory since it was prepared, committed "
		"there or not: contents, modes, links, new and removed files; ignored files stay. The guest "
		"needs no git. Only changed files travel. 'git apply' takes the patch on the tree that was "
		"sent; neither side's index, branches or files are touched.\n\n"
		"--apply changes the host's files, but only if they are exactly as they were sent; otherwise "
		"nothing is touched and the patch, if --output was given, is there. With --3way both sides' "
		"changes are merged, with conflict markers where that is not possible. Changes that are all there "
		"already are no mistake: then no file is touched.\n\n"
		"A bundle has one commit, banger/NAME, on the commit that was prepared: 'git fetch FILE "
		"banger/NAME'. A tar archive has the changed and new files, not the removals.\n\n"
		"The guest is not trusted: a name that leads out of the directory or into a .git directory, in "
		"whatever spelling, and files of more than 4 GiB are refused by name.",
	.examples = "banger vm workspace export dev | git apply\tinto the working tree\n"
		    "banger vm workspace export dev --stat\twhat is there\n"
		    "banger vm workspace export dev -o fix.patch --apply\tboth, if nothing changed here",
	.options = export_options,
	.min_operands = 1,
	.max_operands = 1,
	.complete = COMPLETE_VM,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = export_run,
};
