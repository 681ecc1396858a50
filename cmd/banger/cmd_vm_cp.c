/* SPDX-License-Identifier: MIT */
/* cmd_vm_cp.c - 'vm cp'. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banger/commands.h"
#include "banger/output_file.h"
#include "store/name.h"
#include "store/session.h"
#include "vm/copy.h"

#define GUEST_HOME	  "/root" /* where paths that are not absolute begin */
#define BOOT_WAIT_DEFAULT "3m"
#define BOOT_WAIT_MS	  (3 * 60 * 1000)

/* "NAME:path" names a VM when the colon comes before any slash; "./a:b" does not. */
static const char *guest_part(const char *operand)
{
	const char *colon = strchr(operand, ':');

	return colon && colon != operand && !memchr(operand, '/', (size_t)(colon - operand)) ? colon
											      : NULL;
}

/* Which operand is the VM's, and which way it goes. */
struct plan {
	const char *remote; /* "NAME:path" */
	char *path;	    /* absolute, in the guest; owned */
	bool in;	    /* to the guest */
	struct vm_copy copy;
};

static struct fault *make_plan(const struct invocation *inv, struct plan *p)
{
	const char *from = inv->operands.v[0], *to = inv->operands.v[1];
	const char *host, *path;

	if (guest_part(from) && guest_part(to))
		return fault_hint(fault_new(F_USAGE, "one of the two must be on this host"),
				  "From VM to VM: banger vm cp %s - | banger vm cp - %s", from, to);
	if (!guest_part(from) && !guest_part(to))
		return fault_new(F_USAGE, "neither '%s' nor '%s' is a path in a VM, NAME:PATH", from,
				 to);
	p->in = guest_part(to) != NULL;
	p->remote = p->in ? to : from;
	host = p->in ? from : to;
	path = guest_part(p->remote) + 1;
	p->path = *path == '/' ? xstrdup(path) : xasprintf(GUEST_HOME "/%s", path);
	p->copy = (struct vm_copy){ .guest = p->path, .user = option_value(inv, "user") };
	if (strcmp(host, "-") != 0)
		p->copy.host = host;
	else
		p->copy.fd = p->in ? STDIN_FILENO : STDOUT_FILENO;
	if (!p->copy.host && isatty(p->copy.fd))
		return fault_new(F_USAGE, "'-' is a tar archive, which is not for a terminal");
	return NULL;
}

static struct fault *copy(struct invocation *inv, const char *name, struct plan *p)
{
	AUTO_SESSION busy = LOCK_INIT;
	struct guest *guest = NULL;
	AUTO_VM vm = VM_INIT;
	mode_t ours;
	struct fault *f;

	TRY(vm_open(&inv->store, &inv->config, name, &vm));
	TRY(session_begin(&vm.dir, inv->wait_ms, &busy));
	TRY(vm_connect(&vm, (int)option_number(inv, "boot-timeout", BOOT_WAIT_MS), &guest));
	ours = umask(output_file_umask); /* missing directories are the user's to have */
	f = p->in ? vm_copy_in(guest, &p->copy) : vm_copy_out(guest, &p->copy);
	umask(ours);
	guest_close(guest);
	if (!f && p->copy.notice && !inv->quiet)
		fprintf(stderr, "banger: VM '%s': %s\n", name, p->copy.notice);
	free(p->copy.notice);
	return fault_wrap(f, "VM '%s'", name);
}

static struct fault *cp_run(struct invocation *inv)
{
	AUTO_FREE char *wanted = NULL, *name = NULL;
	struct plan p = { .path = NULL };
	struct fault *f = make_plan(inv, &p);

	if (!f)
		f = vm_copy_check(&p.copy, p.in);
	if (!f) {
		wanted = xstrndup(p.remote, (size_t)(guest_part(p.remote) - p.remote));
		f = vm_resolve(&inv->store, wanted, &name);
	}
	if (!f)
		f = copy(inv, name, &p);
	free(p.path);
	return f;
}

static const struct option cp_options[] = {
	{ .letter = 'u', .name = "user", .value = "USER", .preset = "root",
	  .help = "read and write in the guest as this user" },
	{ .name = "boot-timeout", .value = "DURATION", .type = OPTION_DURATION,
	  .preset = BOOT_WAIT_DEFAULT, .help = "how long to wait for a guest that is still booting" },
	{ 0 },
};

const struct command command_vm_cp = {
	.name = "vm cp",
	.summary = "copy files and directories to and from a running VM",
	.operands = "SRC DST",
	.description =
		"Copies SRC to DST, one of which is NAME:PATH, a path in a VM; a PATH that is not absolute "
		"begins in /root. As with 'cp -r', what is copied goes into "
		"DST under its own name when DST is a directory that exists, and gets the name DST when "
		"there is nothing yet; 'DIR/.' is what is in DIR.\n\n"
		"Modes and times are kept, symbolic links stay links, sparse files stay sparse. Files belong "
		"to whoever writes them: in the guest the user given with -u, on this host you. Devices, "
		"sockets and pipes are left out. What a guest sends is written below DST and nowhere else, "
		"and loses its set-user-ID and set-group-ID bits.\n\n"
		"With '-' on this host's side it is a tar archive, from standard input into the directory "
		"PATH, or to standard output. Needs neither ssh nor a network.",
	.examples = "banger vm cp src web:/srv\tdirectory src becomes /srv/src\n"
		    "banger vm cp web:/var/log/syslog .\ta file from the VM\n"
		    "tar c src | banger vm cp - web:/srv\ta tar archive\n"
		    "banger vm cp web:/etc - | tar t\tthe other way",
	.options = cp_options,
	.min_operands = 2,
	.max_operands = 2,
	.complete = COMPLETE_FILE,
	.flags = CMD_QUIET | CMD_NEEDS_READ,
	.run = cp_run,
};
