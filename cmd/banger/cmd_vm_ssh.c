/* SPDX-License-Identifier: MIT */
/* cmd_vm_ssh.c - 'vm ssh', and 'vm proxy', by which any ssh client gets into a guest. */
#include <string.h>

#include "banger/commands.h"
#include "base/cancel.h"
#include "base/text.h"
#include "guest/ssh_client.h"
#include "guest/ssh_key.h"
#include "host/process.h"
#include "store/session.h"
#include "vm/proxy.h"

#define BOOT_WAIT_DEFAULT "3m"
#define BOOT_WAIT_MS	  (3 * 60 * 1000)
#define SHORT_WAIT_MS	  1000

/* ------------------------------------------------------------------------------------- vm ssh */

static struct fault *check_keys(const struct vm *vm)
{
	AUTO_BUF line = BUF_INIT;

	return fault_hint(fault_wrap(ssh_known_hosts_line(vm->dir.fd, vm->dir.name, &line), "VM '%s'",
				     vm->dir.name),
			  "It gets new keys when it starts again: banger vm restart %s",
			  vm->dir.name);
}

/* That it takes time is only told when it does. */
static struct fault *wait_for_server(struct invocation *inv, struct vm *vm)
{
	int wait_ms = (int)option_number(inv, "boot-timeout", BOOT_WAIT_MS);
	struct fault *f = vm_proxy_ask(vm, wait_ms < SHORT_WAIT_MS ? wait_ms : SHORT_WAIT_MS);

	if (!f || fault_kind(f) != F_TIMEOUT || wait_ms <= SHORT_WAIT_MS)
		return f;
	fault_free(f);
	progress_stage(&inv->progress, "waiting for %s to boot", vm->dir.name);
	f = vm_proxy_ask(vm, wait_ms - SHORT_WAIT_MS);
	progress_end(&inv->progress);
	return f;
}

static struct fault *connect_to(struct invocation *inv, struct vm *vm, int *status)
{
	AUTO_SSH_IDENTITY identity = { 0 };
	AUTO_FREE char *program = process_program();
	AUTO_FREE char *known = xasprintf("%s/" VM_KNOWN_HOSTS_FILE, vm->dir.path);
	const char *user = option_value(inv, "user");
	struct ssh_client c = {
		.vm = vm->dir.name,
		.program = program,
		.state_dir = inv->store.path,
		.known_hosts = known,
		.user = user ? user : "root",
		.tty = option_given(inv, "tty"),
		.argv = inv->n_rest ? (const char *const *)inv->rest : NULL,
	};

	TRY(ssh_identity_get(&inv->store, &inv->config, true, &identity));
	TRY(wait_for_server(inv, vm));
	TRY(check_keys(vm));
	c.key_path = identity.path;
	return ssh_client_run(&c, status);
}

static struct fault *ssh_run(struct invocation *inv)
{
	AUTO_FREE char *name = NULL;
	AUTO_SESSION busy = LOCK_INIT;
	const char *user = option_value(inv, "user");
	AUTO_VM vm = VM_INIT;

	if (user && (!*user || *user == '-'))
		return fault_new(F_USAGE, "--user: a user's name is needed");
	TRY(vm_resolve(&inv->store, inv->operands.v[0], &name));
	TRY(vm_open(&inv->store, &inv->config, name, &vm));
	TRY(session_begin(&vm.dir, inv->wait_ms, &busy));
	TRY(connect_to(inv, &vm, &inv->status));
	if (!inv->n_rest && !inv->quiet && vm_state(&vm) == VM_RUNNING)
		fprintf(stderr, "banger: VM '%s' is still running; stop it with: banger vm stop %s\n",
			name, name);
	return NULL;
}

static const struct option ssh_options[] = {
	{ .letter = 't', .name = "tty", .help = "give the command a terminal" },
	{ .letter = 'u', .name = "user", .value = "USER", .preset = "root",
	  .help = "log in as this user of the guest" },
	{ .name = "boot-timeout", .value = "DURATION", .type = OPTION_DURATION,
	  .preset = BOOT_WAIT_DEFAULT, .help = "how long to wait for a guest that is still booting" },
	{ 0 },
};

const struct command command_vm_ssh = {
	.name = "vm ssh",
	.summary = "open an ssh session in a running VM",
	.operands = "NAME [-- CMD...]",
	.description =
		"Runs OpenSSH's client against the guest: a shell, or CMD with exactly these words as "
		"arguments. The connection goes through the guest's agent, so it needs no network and no "
		"init in the guest, only an ssh server (sshd) in the image.\n\n"
		"The VM's host key was made together with the VM, and ssh accepts no other one, from the "
		"first connection on. Your own ssh configuration and known_hosts are neither read nor "
		"written. The client's key is the one that the setting defaults.ssh_key_path names, else "
		"a key that banger makes once.\n\n"
		"The exit status is the command's own; 126 means that it cannot be executed, 127 that it "
		"was not found, 128+n that signal n killed it, and 125 that banger or ssh failed. After "
		"a shell a line says that the VM is still running.\n\n"
		"For ssh, scp, rsync, git and editors, see 'banger ssh-config'.",
	.examples = "banger vm ssh web\ta shell\n"
		    "banger vm ssh web -- sh -c 'exit 42'\tthe exit status is 42\n"
		    "banger vm ssh -t web -- htop\ta command that needs a terminal",
	.options = ssh_options,
	.min_operands = 1,
	.max_operands = 1,
	.complete = COMPLETE_VM,
	.flags = CMD_QUIET | CMD_REST | CMD_NEEDS_READ | CMD_GUEST_STATUS,
	.run = ssh_run,
};

/* ----------------------------------------------------------------------------------- vm proxy */

/* "web.vm" is what ssh calls it; a VM's name has no dot. */
static char *without_domain(const char *host)
{
	size_t len = strlen(host), tail = strlen(SSH_DOMAIN);

	return len > tail && !strcmp(host + len - tail, SSH_DOMAIN) ? xstrndup(host, len - tail)
								    : xstrdup(host);
}

static struct fault *proxy_run(struct invocation *inv)
{
	AUTO_FREE char *wanted = without_domain(inv->operands.v[0]);
	AUTO_SSH_IDENTITY identity = { 0 };
	AUTO_FREE char *name = NULL;
	AUTO_SESSION busy = LOCK_INIT;
	AUTO_VM vm = VM_INIT;
	uint64_t port = PROXY_SSH;
	struct fault *f;

	if (inv->operands.n > 1)
		TRY(text_parse_count(inv->operands.v[1], "port", 1, 65535, &port));
	TRY(vm_resolve(&inv->store, wanted, &name));
	if (port == PROXY_SSH)
		TRY(ssh_identity_get(&inv->store, &inv->config, false, &identity));
	TRY(vm_open(&inv->store, &inv->config, name, &vm));
	TRY(session_begin(&vm.dir, inv->wait_ms, &busy));
	f = vm_proxy(&vm, (unsigned int)port, identity.public, STDIN_FILENO, STDOUT_FILENO,
		     (int)option_number(inv, "boot-timeout", BOOT_WAIT_MS));
	if (!f || fault_kind(f) != F_CANCELLED)
		return f;
	fault_free(f); /* ssh ends its proxy so; there is nothing to tell */
	inv->status = 128 + cancel_signal();
	return NULL;
}

static const struct option proxy_options[] = {
	{ .name = "boot-timeout", .value = "DURATION", .type = OPTION_DURATION,
	  .preset = BOOT_WAIT_DEFAULT, .help = "how long to wait for a guest that is still booting" },
	{ 0 },
};

const struct command command_vm_proxy = {
	.name = "vm proxy",
	.summary = "connect standard input and output to the ssh server or a port of a VM",
	.operands = "NAME [PORT]",
	.options = proxy_options,
	.min_operands = 1,
	.max_operands = 2,
	.flags = CMD_HIDDEN | CMD_NEEDS_READ,
	.run = proxy_run,
};

/* ----------------------------------------------------------------------- internal known-hosts */

static struct fault *known_hosts_run(struct invocation *inv)
{
	AUTO_FREE char *wanted = without_domain(inv->operands.v[0]);
	AUTO_FREE char *name = NULL;
	AUTO_VM_DIR dir = VM_DIR_INIT;
	AUTO_BUF line = BUF_INIT;

	TRY(vm_resolve(&inv->store, wanted, &name));
	TRY(vm_dir_open(&inv->store, name, &dir));
	TRY(fault_wrap(ssh_known_hosts_line(dir.fd, inv->operands.v[0], &line), "VM '%s'", name));
	return print_text(line.data);
}

const struct command command_internal_known_hosts = {
	.name = "internal known-hosts",
	.summary = "print the ssh host key of a VM, for ssh's KnownHostsCommand",
	.operands = "HOST",
	.min_operands = 1,
	.max_operands = 1,
	.flags = CMD_HIDDEN | CMD_NEEDS_READ | CMD_NO_CONFIG,
	.run = known_hosts_run,
};
