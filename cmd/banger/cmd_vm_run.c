/* SPDX-License-Identifier: MIT */
/* cmd_vm_run.c - 'vm run', 'vm create', 'vm exec'. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "banger/commands.h"
#include "banger/output_file.h"
#include "banger/session.h"
#include "banger/vm_options.h"
#include "banger/workspace_options.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "store/session.h"

#define AGENT_WAIT_DEFAULT "3m"
#define AGENT_WAIT_MS	   (3 * 60 * 1000)

/* --timing: when each phase of 'vm run' ended. */
struct timing {
	int64_t last;
	struct strings phases; /* "create 12 ms" */
};

static void phase_done(struct timing *t, const char *phase)
{
	int64_t now = clock_now_ms();
	AUTO_FREE char *text = xasprintf("%s %lld ms", phase, (long long)(now - t->last));

	strings_add(&t->phases, text);
	t->last = now;
}

static void print_timing(struct invocation *inv, struct timing *t)
{
	AUTO_BUF line = BUF_INIT;

	for (size_t i = 0; i < t->phases.n; i++)
		buf_addf(&line, "%s%s", i ? ", " : "", t->phases.v[i]);
	if (option_given(inv, "timing"))
		fprintf(stderr, "banger: timing: %s\n", line.data);
	strings_release(&t->phases);
}

static struct fault *start(struct invocation *inv, const char *name)
{
	AUTO_VM vm = VM_INIT;
	enum vm_started how;

	TRY(vm_lock(&inv->store, &inv->config, &inv->progress, name, "start", &vm));
	return vm_ended(&vm, vm_start(&vm, &how));
}

static struct fault *connect_agent(struct invocation *inv, const char *name, int wait_ms,
				   struct lock *busy, struct guest **guest)
{
	AUTO_VM vm = VM_INIT;

	TRY(vm_open(&inv->store, &inv->config, name, &vm));
	TRY(session_begin(&vm.dir, inv->wait_ms, busy));
	return vm_connect(&vm, wait_ms, guest);
}

static struct fault *delete(struct invocation *inv, const char *name)
{
	struct vm vm = VM_INIT;
	struct fault *f;

	cancel_hold(); /* Ctrl-C in the session must not stop the clean-up */
	f = vm_lock(&inv->store, &inv->config, NULL, name, "delete", &vm);
	if (!f)
		f = vm_ended(&vm, vm_delete(&vm));
	vm_release(&vm);
	cancel_release();
	return f;
}

/* From now on it is not removed by others when this process is killed. */
static struct fault *keep(struct invocation *inv, const char *name)
{
	AUTO_VM vm = VM_INIT;

	TRY(vm_lock(&inv->store, &inv->config, NULL, name, "keep", &vm));
	return vm_ended(&vm, vm_keep(&vm));
}

/* ------------------------------------------------------------------------------------ vm run */

struct run {
	struct invocation *inv;
	struct session session;
	struct timing timing;
	char *name;
	struct lock busy; /* of the session */
	struct workspace_wish wish;	/* of a workspace; path NULL = none */
	struct workspace_source source;
	char *guest_path; /* owned */
	char *exported;	  /* the tree that came out; owned */
	bool prepared;	  /* there is something to export */
	bool unexported;  /* and that failed: the VM is the only place where it is */
	bool started; /* the VMM ran: there may be something in its log */
	bool reached; /* the agent answered once: the VM is usable */
};

static struct fault *check_workspace_flags(const struct invocation *inv)
{
	bool export = option_given(inv, "export");

	if (option_given(inv, "apply") && !export)
		return fault_new(F_USAGE, "--apply needs --export FILE: the patch has to be somewhere if it "
				 "cannot be applied");
	if (inv->operands.n && access(inv->operands.v[0], F_OK) < 0 && errno == ENOENT)
		return fault_hint(fault_sys(F_NOT_FOUND, "directory '%s'", inv->operands.v[0]),
				  "A command for the guest goes after '--', an image after --image.");
	if (inv->operands.n)
		return export && option_given(inv, "detach")
			       ? fault_hint(fault_new(F_USAGE, "--export is for when the command ends, and "
						      "--detach does not wait for one"),
					    "Use later: banger vm workspace export NAME")
			       : NULL;
	if (export || workspace_options_given(inv) || option_given(inv, "no-bootstrap"))
		return fault_new(F_USAGE, "options of a workspace need the PATH of one");
	return NULL;
}

static struct fault *check_flags(const struct invocation *inv)
{
	TRY(check_workspace_flags(inv));
	if (!option_given(inv, "detach"))
		return NULL;
	if (option_given(inv, "rm"))
		return fault_new(F_USAGE, "--detach leaves the VM running and --rm removes it: choose "
				 "one");
	if (inv->n_rest)
		return fault_hint(fault_new(F_USAGE, "--detach and a command do not go together"),
				  "Start with -d, then use: banger vm exec NAME -- CMD");
	return NULL;
}

/* ------------------------------------------------------------------------------------- workspace */

static bool wants_tools(const struct run *r)
{
	return r->source.bootstrap && !r->inv->n_rest && !option_given(r->inv, "no-bootstrap");
}

/* All that can be wrong with the host's directory is said before there is a VM. */
static struct fault *look_at_path(struct run *r, const struct vm_create *wanted)
{
	struct invocation *inv = r->inv;
	AUTO_OUTPUT_FILE trial = OUTPUT_FILE_INIT;

	if (!inv->operands.n)
		return NULL;
	if (option_given(inv, "export"))
		TRY(output_file_open(option_value(inv, "export"), &trial));
	TRY(workspace_options_read(inv, inv->operands.v[0], &r->wish));
	TRY(workspace_source_find(&r->wish, &r->source));
	if (wants_tools(r) && !vm_create_goes_out(&inv->config, wanted))
		return fault_hint(fault_new(F_USAGE, "'%s' asks for tools to be installed, and this VM could "
					    "not reach the network that they come from", r->wish.path),
				  "Let it out with --nat or --net user, or do without them: --no-bootstrap");
	return NULL;
}

static struct fault *install_tools(struct run *r, struct workspace *ws)
{
	AUTO_FREE char *said = NULL;

	if (!wants_tools(r))
		return NULL;
	TRY(workspace_bootstrap(ws, r->guest_path, !option_given(r->inv, "detach"), &said));
	if (said && !r->inv->quiet)
		fprintf(stderr, "banger: %s\n", said);
	return NULL;
}

static struct fault *send_workspace(struct run *r, struct guest *guest)
{
	struct invocation *inv = r->inv;
	AUTO_WORKSPACE ws = WORKSPACE_INIT;
	struct workspace_result result = { 0 };
	struct fault *f;

	if (!r->wish.path)
		return NULL;
	TRY(workspace_open(&inv->store, &inv->config, &inv->progress, r->name, "prepare", guest, 0, &ws));
	f = workspace_prepare(&ws, &r->wish, &r->source, true, &result);
	progress_end(&inv->progress);
	r->prepared = !f;
	phase_done(&r->timing, "workspace");
	if (!f)
		workspace_say(inv, &result, &r->source);
	r->guest_path = steal_ptr(&result.guest_path);
	workspace_result_release(&result);
	if (!r->session.cwd)
		r->session.cwd = r->guest_path;
	return f ? f : install_tools(r, &ws);
}

/* Its own connection: a command that ran out of time has left the first one unusable. */
static struct fault *fetch_changes(struct run *r)
{
	struct invocation *inv = r->inv;
	AUTO_WORKSPACE ws = WORKSPACE_INIT;
	struct workspace_export x = { .ws = &ws };
	struct fault *f;

	TRY(workspace_open(&inv->store, &inv->config, &inv->progress, r->name, "export", NULL,
			   AGENT_WAIT_MS, &ws));
	r->unexported = true;
	f = workspace_export(&ws, NULL, &x);
	if (!f)
		f = workspace_deliver(inv, &x, option_value(inv, "export"), false, false);
	r->unexported = f != NULL;
	if (!f)
		f = workspace_export_tree(&x, &r->exported);
	if (!f && option_given(inv, "apply"))
		f = fault_hint(workspace_deliver(inv, &x, NULL, true, false),
			       "The changes are in %s; 'git apply --3way' merges them.",
			       option_value(inv, "export"));
	workspace_export_release(&x);
	return f;
}

/* Ctrl-C ended the command; it must not end this. */
static struct fault *export_changes(struct run *r)
{
	struct fault *f;

	if (!r->prepared || !option_given(r->inv, "export"))
		return NULL;
	r->unexported = true;
	cancel_hold();
	f = fetch_changes(r);
	cancel_release();
	phase_done(&r->timing, "export");
	return f;
}

/* Everything up to a VM whose agent answers. */
static struct fault *bring_up(struct run *r, struct vm_create *wanted, struct guest **guest)
{
	struct invocation *inv = r->inv;
	int wait_ms = (int)option_number(inv, "boot-timeout", AGENT_WAIT_MS);

	TRY(vm_create(&inv->store, &inv->config, &inv->progress, wanted, vm_options_announce, inv,
		      &r->name));
	phase_done(&r->timing, "create");
	TRY(start(inv, r->name));
	r->started = true;
	phase_done(&r->timing, "start");
	progress_stage(&inv->progress, "waiting for %s to boot", r->name);
	TRY(connect_agent(inv, r->name, wait_ms, &r->busy, guest));
	r->reached = true;
	phase_done(&r->timing, "boot");
	progress_end(&inv->progress);
	TRY(send_workspace(r, *guest));
	/* What will be changed there has to come out before the VM may go. */
	return r->prepared && wanted->ephemeral && option_given(inv, "export") ? keep(inv, r->name) : NULL;
}

static struct fault *use(struct run *r, struct guest *guest)
{
	struct guest_status status = { 0 };
	struct fault *f = session_run(&r->session, guest, &status);

	if (f) {
		AUTO_VM vm = VM_INIT;
		AUTO_FAULT absent = vm_open(&r->inv->store, &r->inv->config, r->name, &vm);

		return absent ? f : fault_wrap(vm_explain(&vm, f), "VM '%s'", r->name);
	}
	phase_done(&r->timing, "command");
	r->inv->status = session_status(r->inv, &r->session, &status);
	return NULL;
}

/* Of a VM that goes on: what 'vm delete' asks about.  At worst it asks in vain. */
static void settle(struct run *r, const struct fault *f)
{
	bool untouched = !f && option_given(r->inv, "detach") && !wants_tools(r);

	if (r->prepared && !option_given(r->inv, "rm") && (r->exported || untouched))
		fault_free(workspace_settle(&r->inv->store, &r->inv->config, r->name, r->exported));
}

/* What is said, kept and removed at the end, whichever way it went. */
static struct fault *wind_up(struct run *r, struct fault *f)
{
	struct invocation *inv = r->inv;
	bool cancelled = f && fault_kind(f) == F_CANCELLED;

	if (!r->name)
		return f;
	if (r->unexported) {
		f = fault_hint(f, "VM '%s' is kept, with all that was changed in it. Try again: banger vm "
			       "workspace export %s --output FILE", r->name, r->name);
	} else if (option_given(inv, "rm") && (r->reached || !r->started || cancelled)) {
		f = fault_attach(f, delete(inv, r->name));
		phase_done(&r->timing, "delete");
	} else if (!r->started) {
		f = fault_hint(f, "VM '%s' is kept. Remove it: banger vm delete %s", r->name, r->name);
	} else if (!r->reached && !cancelled) {
		if (option_given(inv, "rm"))
			f = fault_attach(f, keep(inv, r->name));
		f = fault_hint(f, "VM '%s' is kept. Its console: banger vm logs %s. Remove it: "
			       "banger vm delete %s", r->name, r->name, r->name);
	} else if (!inv->quiet && !option_given(inv, "detach")) {
		fprintf(stderr, "banger: VM '%s' is still running; stop it with: banger vm stop %s\n",
			r->name, r->name);
	}
	return f;
}

static struct fault *run_run(struct invocation *inv)
{
	struct run r = { .inv = inv, .timing = { .last = clock_now_ms() }, .busy = LOCK_INIT };
	bool detach = option_given(inv, "detach");
	struct guest *guest = NULL;
	struct vm_create wanted;
	struct fault *f;

	TRY(check_flags(inv));
	if (!detach && !option_given(inv, "dry-run"))
		TRY(session_from(inv, &r.session));
	vm_options_read(inv, &wanted);
	wanted.ephemeral = option_given(inv, "rm");
	/* A session or a command has the machine to itself; a detached one is a service. */
	wanted.run_entrypoint = detach;
	f = look_at_path(&r, &wanted);
	if (!f && option_given(inv, "dry-run"))
		f = workspace_print_list(&r.source);
	else if (!f)
		f = bring_up(&r, &wanted, &guest);
	if (!f && option_given(inv, "dry-run")) {
		/* nothing was made */
	} else if (!f && detach) {
		AUTO_FREE char *line = xasprintf("%s\n", r.name);

		f = print_text(line);
	} else if (!f) {
		f = use(&r, guest);
	}
	guest_close(guest);
	f = fault_attach(f, export_changes(&r));
	session_end(&r.busy);
	settle(&r, f);
	f = wind_up(&r, f);
	print_timing(inv, &r.timing);
	workspace_source_release(&r.source);
	session_release(&r.session);
	vm_options_release(&wanted);
	free(r.guest_path);
	free(r.exported);
	free(r.name);
	return f;
}

static const struct option run_options[] = {
	VM_CREATE_OPTIONS,
	SESSION_OPTIONS,
	WORKSPACE_OPTIONS,
	{ .name = "no-bootstrap", .help = "do not install the tools that the repository asks for" },
	{ .name = "export", .value = "FILE", .complete = COMPLETE_FILE,
	  .help = "when the command ends, write what it changed as a patch" },
	{ .name = "apply", .help = "with --export: apply it to PATH, too, if nothing changed there" },
	{ .letter = 'd', .name = "detach", .help = "leave the VM running and print its name" },
	{ .name = "rm", .help = "remove the VM afterwards, however the command ends" },
	{ .name = "boot-timeout", .value = "DURATION", .type = OPTION_DURATION,
	  .preset = AGENT_WAIT_DEFAULT, .help = "how long to wait for the guest to boot" },
	{ .name = "timing", .help = "print how long each phase took" },
	{ 0 },
};

const struct command command_vm_run = {
	.name = "vm run",
	.summary = "make a VM, start it and run a command or a shell in it",
	.operands = "[PATH] [-- CMD...]",
	.max_operands = 1,
	.complete = COMPLETE_DIRECTORY,
	.description =
		"Makes a virtual machine, starts it and runs CMD in it; without CMD it opens a shell "
		"on this terminal. The exit status is the command's own; 124 means that --timeout ran "
		"out, 125 that banger failed, 126 that the command cannot be executed, 127 that it was "
		"not found, and 128+n that signal n killed it.\n\n"
		"The default image and kernel are fetched the first time that they are needed. "
		"Everything that can be checked is checked before anything is made.\n\n"
		"The VM goes on running afterwards unless --rm is given. A VM that never became "
		"reachable is kept even with --rm, so that its console can be read. If this command is "
		"killed, 'banger gc' and 'vm prune' remove the VM that --rm was to remove, unless there are "
		"changes in it that --export was to bring back.\n\n"
		"With PATH the git repository there goes along: its tracked files as they are now, to "
		"/root/repo, where CMD is run; see 'vm workspace prepare'. --export writes what was changed "
		"there as a patch when the command ends, whatever its status, and before --rm removes the VM; "
		"if the patch cannot be written, the VM is kept.\n\n"
		"Where the repository has a .mise.toml or .tool-versions and there is no CMD, the guest's mise "
		"installs those tools, in the background of a shell or before --detach returns; its log is "
		"/var/log/banger-bootstrap.log in the guest (another user than root has it in "
		"~/.local/state).\n\n"
		"Standard input reaches the command only with -i.",
	.examples = "banger vm run --rm -- uname -a\trun one command in a fresh machine\n"
		    "banger vm run --rm . -- make test\trun it in a copy of this repository\n"
		    "banger vm run --rm --export fix.patch . -- ./agent\tand keep what it changed\n"
		    "echo hi | banger vm run --rm -i -- cat\tfeed it from a pipe\n"
		    "banger vm run --name dev\topen a shell; the machine stays\n"
		    "banger vm run -d --name web --memory 2G\tleave it running in the background",
	.options = run_options,
	.flags = CMD_QUIET | CMD_REST | CMD_NEEDS_WRITE | CMD_GUEST_STATUS,
	.run = run_run,
};

/* --------------------------------------------------------------------------------- vm create */

static struct fault *create_run(struct invocation *inv)
{
	AUTO_FREE char *name = NULL;
	AUTO_FREE char *line = NULL;
	struct vm_create wanted;
	struct fault *f;

	vm_options_read(inv, &wanted);
	f = vm_create(&inv->store, &inv->config, &inv->progress, &wanted, vm_options_announce, inv,
		      &name);
	vm_options_release(&wanted);
	if (f)
		return f;
	if (!option_given(inv, "no-start"))
		TRY(fault_hint(start(inv, name), "VM '%s' is kept. Remove it: banger vm delete %s",
			       name, name));
	progress_end(&inv->progress);
	line = xasprintf("%s\n", name);
	return print_text(line);
}

static const struct option create_options[] = {
	VM_CREATE_OPTIONS,
	{ .letter = 'e', .name = "env", .value = "KEY=VALUE", .repeat = true,
	  .help = "set an environment variable for everything in the guest" },
	{ .letter = 'u', .name = "user", .value = "USER", .preset = "root",
	  .help = "user that commands run as" },
	{ .letter = 'w', .name = "workdir", .value = "DIR",
	  .help = "directory of the guest that commands run in" },
	{ .name = "no-start", .help = "only make the VM" },
	{ 0 },
};

const struct command command_vm_create = {
	.name = "vm create",
	.summary = "make a VM and start it",
	.description = "Makes a virtual machine, starts it and prints its name, without waiting for "
		       "the guest to boot. With --no-start it is only made.",
	.examples = "banger vm create --name web --vcpu 2 --memory 2G\tmake and start a machine\n"
		    "banger vm create --no-start --net none\tmake one without a network",
	.options = create_options,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = create_run,
};

/* ----------------------------------------------------------------------------------- vm exec */

static struct fault *send_again(struct invocation *inv, const struct vm *vm, struct guest *guest)
{
	AUTO_WORKSPACE ws = WORKSPACE_INIT;
	AUTO_WORKSPACE_SOURCE source = WORKSPACE_SOURCE_INIT;
	struct workspace_wish wish = workspace_wish_of(&vm->spec);
	struct workspace_result result = { 0 };
	struct fault *f;

	TRY(workspace_source_find(&wish, &source));
	TRY(workspace_open(&inv->store, &inv->config, &inv->progress, vm->dir.name, "prepare", guest, 0,
			   &ws));
	f = workspace_prepare(&ws, &wish, &source, false, &result);
	progress_end(&inv->progress);
	if (!f)
		workspace_say(inv, &result, &source);
	workspace_result_release(&result);
	return f;
}

/* A command runs where the workspace is, and its user is told when that is an old one. */
static struct fault *enter_workspace(struct invocation *inv, const struct vm *vm, struct guest *guest,
				     struct session *s)
{
	const struct vm_workspace *w = &vm->spec.workspace;
	AUTO_FREE char *now = NULL;

	if (!w->base) {
		if (option_given(inv, "auto-prepare"))
			return fault_new(F_STATE, "there is no workspace that could be prepared again");
		return NULL;
	}
	if (!s->cwd)
		s->cwd = w->guest_path;
	if (!workspace_moved(&vm->spec, &now))
		return NULL;
	if (option_given(inv, "auto-prepare"))
		return send_again(inv, vm, guest);
	fprintf(stderr, "banger: '%s' is at commit %.12s now, the workspace at %.12s; --auto-prepare or "
		"'banger vm workspace prepare %s' sends it again\n", w->source, now, w->head,
		vm->dir.name);
	return NULL;
}

static struct fault *exec_in(struct invocation *inv, const char *name, struct session *s)
{
	AUTO_VM vm = VM_INIT;
	AUTO_SESSION busy = LOCK_INIT;
	struct guest_status status = { 0 };
	struct guest *guest = NULL;
	struct fault *f;

	TRY(vm_open(&inv->store, &inv->config, name, &vm));
	TRY(session_begin(&vm.dir, inv->wait_ms, &busy));
	if (!s->user)
		s->user = vm.spec.user;
	TRY(vm_connect(&vm, (int)option_number(inv, "boot-timeout", AGENT_WAIT_MS), &guest));
	f = enter_workspace(inv, &vm, guest, s);
	if (!f)
		f = session_run(s, guest, &status);
	guest_close(guest);
	if (!f)
		inv->status = session_status(inv, s, &status);
	return fault_wrap(vm_explain(&vm, f), "VM '%s'", name);
}

static struct fault *exec_run(struct invocation *inv)
{
	AUTO_FREE char *name = NULL;
	struct session s;
	struct fault *f;

	TRY(session_from(inv, &s));
	f = vm_resolve(&inv->store, inv->operands.v[0], &name);
	if (!f)
		f = exec_in(inv, name, &s);
	session_release(&s);
	return f;
}

static const struct option exec_options[] = {
	SESSION_OPTIONS,
	{ .name = "auto-prepare",
	  .help = "send the workspace again first, if the host's repository is at another commit" },
	{ .name = "boot-timeout", .value = "DURATION", .type = OPTION_DURATION,
	  .preset = AGENT_WAIT_DEFAULT, .help = "how long to wait for a guest that is still booting" },
	{ 0 },
};

const struct command command_vm_exec = {
	.name = "vm exec",
	.summary = "run a command in a running VM",
	.operands = "NAME [-- CMD...]",
	.description =
		"Runs CMD in the guest through its agent: no ssh and no network are needed. Without CMD "
		"it opens a login shell. Standard input reaches the command only with -i, so a forgotten "
		"pipe can never make it hang. When this program goes away, the command and everything "
		"that it started are killed.\n\n"
		"The exit status is the command's own, or one of 124 to 127 and 128+n as with 'vm run'.",
	.examples = "banger vm exec web -- sh -c 'exit 42'\tthe exit status is 42\n"
		    "banger vm exec -it web\ta shell with a terminal\n"
		    "tar c src | banger vm exec -i web -- tar x\tfiles through a pipe",
	.options = exec_options,
	.min_operands = 1,
	.max_operands = 1,
	.complete = COMPLETE_VM,
	.flags = CMD_REST | CMD_NEEDS_READ | CMD_GUEST_STATUS,
	.run = exec_run,
};
