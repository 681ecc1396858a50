/* SPDX-License-Identifier: MIT */
/* cmd_vm_forward.c - 'vm forward', and what it runs in the background. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "banger/commands.h"
#include "base/cancel.h"
#include "vm/forward.h"

static struct fault *print_lines(const struct strings *lines)
{
	for (size_t i = 0; i < lines->n; i++) {
		AUTO_FREE char *line = xasprintf("%s\n", lines->v[i]);

		TRY(print_text(line));
	}
	return NULL;
}

static void take_specs(const struct invocation *inv, struct strings *specs)
{
	for (size_t i = 1; i < inv->operands.n; i++)
		strings_add(specs, inv->operands.v[i]);
}

/* --------------------------------------------------------------------------------- foreground */

struct foreground {
	struct invocation *inv;
	const char *name;
};

static struct fault *foreground_ready(void *context, const struct strings *lines)
{
	struct foreground *g = context;

	if (g->inv->quiet)
		return NULL;
	TRY(print_lines(lines));
	return fflush(stdout) ? fault_sys(F_SYS, "writing the ports") : NULL;
}

static void foreground_tell(void *context, const char *sentence)
{
	struct foreground *g = context;

	fprintf(stderr, "banger: VM '%s': %s\n", g->name, sentence);
}

static struct fault *serve_here(struct invocation *inv, const char *name,
				const struct strings *specs)
{
	struct foreground g = { inv, name };
	struct forward_listener listener = { foreground_ready, foreground_tell, &g };
	AUTO_VM vm = VM_INIT;

	TRY(vm_open(&inv->store, &inv->config, name, &vm));
	TRY(vm_need_spec(&vm));
	TRY(forward_serve(&vm, specs, &listener));
	if (!inv->quiet)
		fprintf(stderr, "banger: VM '%s' has stopped, and with it its forwarded ports\n", name);
	return NULL;
}

/* --------------------------------------------------------------------------------- background */

static struct fault *start_detached(struct vm *vm, const struct strings *specs, struct strings *lines)
{
	struct process_id id = { 0 };
	bool running = false;

	TRY(vm_need_spec(vm));
	TRY(vm_find_process(vm, &running, &id));
	process_id_release(&id);
	if (!running)
		return fault_hint(fault_new(F_STATE, "VM '%s' is not running", vm->dir.name),
				  "Start it with: banger vm start %s", vm->dir.name);
	return forward_start(vm, specs, lines);
}

static struct fault *serve_detached(struct invocation *inv, const char *name,
				    const struct strings *specs)
{
	struct strings lines = { 0 };
	AUTO_VM vm = VM_INIT;
	struct fault *f;

	TRY(vm_lock(&inv->store, &inv->config, &inv->progress, name, "forward", &vm));
	f = vm_ended(&vm, start_detached(&vm, specs, &lines));
	if (!f && !inv->quiet)
		f = print_lines(&lines);
	strings_release(&lines);
	return f;
}

static struct fault *stop_all(struct invocation *inv, const char *name)
{
	AUTO_VM vm = VM_INIT;
	unsigned int n;

	TRY(vm_lock(&inv->store, &inv->config, &inv->progress, name, "forward", &vm));
	TRY(vm_ended(&vm, forward_stop(&vm, &n)));
	if (!inv->quiet)
		printf("%s: %s\n", name,
		       n ? "its ports are not forwarded any more" : "no ports were forwarded");
	return NULL;
}

/* --------------------------------------------------------------------------------- vm forward */

static struct fault *check(const struct invocation *inv, const struct strings *specs)
{
	bool stop = option_given(inv, "stop");

	if (stop && (specs->n || option_given(inv, "detach")))
		return fault_new(F_USAGE, "--stop ends all forwarding to the VM and takes no ports");
	if (!stop && !specs->n)
		return fault_new(F_USAGE, "at least one [BIND:]HOSTPORT:GUESTPORT is needed");
	return stop ? NULL : forward_check(specs, true);
}

static struct fault *forward_run(struct invocation *inv)
{
	AUTO_FREE char *name = NULL;
	struct strings specs = { 0 };
	struct fault *f;

	take_specs(inv, &specs);
	f = check(inv, &specs);
	if (!f)
		f = vm_resolve(&inv->store, inv->operands.v[0], &name);
	if (!f && option_given(inv, "stop"))
		f = stop_all(inv, name);
	else if (!f && option_given(inv, "detach"))
		f = serve_detached(inv, name, &specs);
	else if (!f)
		f = serve_here(inv, name, &specs);
	strings_release(&specs);
	return f;
}

static const struct option forward_options[] = {
	{ .letter = 'd', .name = "detach", .help = "go on in the background until the VM stops" },
	{ .name = "stop", .help = "end what is forwarded to the VM in the background" },
	{ 0 },
};

const struct command command_vm_forward = {
	.name = "vm forward",
	.summary = "forward TCP ports of this host to a running VM",
	.operands = "NAME [BIND:]HOSTPORT:GUESTPORT...",
	.description =
		"Listens on HOSTPORT of 127.0.0.1, or of BIND, and carries each connection to GUESTPORT "
		"on the loopback interface of the guest, through its agent: no network is needed. BIND "
		"is an IPv4 address, or an IPv6 address in brackets; HOSTPORT 0 takes a free port. The "
		"ports are printed when they are open.\n\n"
		"It ends with Ctrl-C or when the VM stops; with -d it goes on in the background, until "
		"the VM stops or until --stop. At most 12 connections of one forwarder are open at the "
		"same time, further ones wait for one of them to end.\n\n"
		"'vm create' and 'vm run' forward ports at every start of the VM with -p.",
	.examples = "banger vm forward web 8080:80\tuntil Ctrl-C\n"
		    "banger vm forward -d db 5432:5432 [::1]:5432:5432\tin the background\n"
		    "banger vm forward --stop db\tend it",
	.options = forward_options,
	.min_operands = 1,
	.max_operands = 1 + FORWARDS_MAX,
	.complete = COMPLETE_VM,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = forward_run,
};

/* --------------------------------------------------------------------------- internal forward */

struct background {
	const char *name;
	bool ready;
};

/* Whoever started us waits for the end of this stream. */
static void close_report(void)
{
	AUTO_FD null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	fflush(stdout);
	if (null >= 0)
		dup2(null, STDOUT_FILENO);
}

static struct fault *background_ready(void *context, const struct strings *lines)
{
	struct background *b = context;

	TRY(print_text(FORWARD_READY));
	TRY(print_lines(lines));
	close_report();
	b->ready = true;
	return NULL;
}

static void background_tell(void *context, const char *sentence)
{
	const struct background *b = context;

	fprintf(stderr, "banger: VM '%s': %s\n", b->name, sentence);
}

static struct fault *background_serve(struct invocation *inv, struct background *b)
{
	struct forward_listener listener = { background_ready, background_tell, b };
	struct strings specs = { 0 };
	AUTO_VM vm = VM_INIT;
	struct fault *f;

	TRY(vm_open(&inv->store, &inv->config, b->name, &vm));
	TRY(vm_need_spec(&vm));
	take_specs(inv, &specs);
	f = forward_serve(&vm, &specs, &listener);
	strings_release(&specs);
	return f;
}

static struct fault *internal_run(struct invocation *inv)
{
	struct background b = { inv->operands.v[0], false };
	struct fault *f = background_serve(inv, &b);
	const char *hint = f ? fault_hint_text(f) : NULL;

	if (f && fault_kind(f) == F_CANCELLED) {
		fault_free(f); /* that is how it is ended */
		return NULL;
	}
	if (!f || b.ready)
		return f;
	printf("%s\n%s\n", fault_message(f), hint ? hint : "");
	fault_free(f);
	inv->status = 1;
	return NULL;
}

static const struct option internal_options[] = {
	{ .name = "forwarder-of", .value = "DIR", .help = "the VM's directory; it is found by this" },
	{ 0 },
};

const struct command command_internal_forward = {
	.name = "internal forward",
	.summary = "forward ports for 'vm forward -d' and 'vm create -p'",
	.operands = "NAME [BIND:]HOSTPORT:GUESTPORT...",
	.options = internal_options,
	.min_operands = 2,
	.max_operands = 1 + FORWARDS_MAX,
	.flags = CMD_HIDDEN | CMD_NEEDS_READ,
	.run = internal_run,
};
