/* SPDX-License-Identifier: MIT */
/* cmd_ssh_config.c - 'ssh-config': <name>.vm for the user's own ssh client. */
#include "banger/commands.h"
#include "guest/ssh_config.h"

static struct fault *print_state(const struct ssh_config *c)
{
	bool own, included;

	TRY(ssh_config_state(c, &own, &included));
	printf("file       %s%s\n", c->own, own ? "" : " (not there)");
	printf("include    %s\n", c->include);
	printf("installed  %s\n", !own ? "no" : included ? "yes" : "no: the file is not included");
	if (!own || !included)
		printf("\nTo install it: banger ssh-config --install\n"
		       "By hand: put the include line at the very top of %s\n", c->theirs);
	else
		printf("\nTo remove it: banger ssh-config --uninstall\n");
	return NULL;
}

static struct fault *install(struct invocation *inv, const struct ssh_config *c)
{
	bool changed;

	TRY(ssh_config_install(c, &inv->store, &inv->config, &changed));
	if (!inv->quiet)
		printf("%s: %s\nTry: ssh NAME.vm\n", c->theirs,
		       changed ? "names that end in .vm lead to VMs now" : "nothing had to be changed");
	return NULL;
}

static struct fault *uninstall(struct invocation *inv, const struct ssh_config *c)
{
	bool changed;

	TRY(ssh_config_uninstall(c, &changed));
	if (!inv->quiet)
		printf("%s: %s\n", c->theirs, changed ? "restored" : "nothing had to be changed");
	return NULL;
}

static struct fault *run(struct invocation *inv)
{
	AUTO_SSH_CONFIG c = { 0 };

	if (option_given(inv, "install") && option_given(inv, "uninstall"))
		return fault_new(F_USAGE, "--install and --uninstall do not go together");
	TRY(ssh_config_find(&c));
	if (option_given(inv, "install"))
		return install(inv, &c);
	return option_given(inv, "uninstall") ? uninstall(inv, &c) : print_state(&c);
}

static const struct option options[] = {
	{ .name = "install", .help = "write banger's file and include it in ~/.ssh/config" },
	{ .name = "uninstall", .help = "take both away again" },
	{ 0 },
};

const struct command command_ssh_config = {
	.name = "ssh-config",
	.summary = "let ssh, scp, rsync, git and editors reach VMs as NAME.vm",
	.description =
		"With --install, writes a file with a 'Host *.vm' and puts an Include of it into "
		"~/.ssh/config, in a block of its own before everything else; no other byte of that file "
		"changes. From then on 'ssh NAME.vm' works for every VM of this state directory, made "
		"before or after: through the guest's agent, without a network, as root, with strict "
		"checking of the host key that banger made for the VM. So do scp, rsync, 'git push' and "
		"editors that work over ssh.\n\n"
		"--uninstall removes the block and the file. Without an option it tells where the file "
		"is and whether it is in use.\n\n"
		"Under sudo the files are those of the user who ran sudo, and connections ask sudo. "
		"Needs an OpenSSH of 8.5 or later.",
	.examples = "banger ssh-config --install\tonce\n"
		    "ssh web.vm uname -a\tas with any host\n"
		    "scp -r src web.vm:\tcopy a directory\n"
		    "git push web.vm:repo HEAD:main\tto a repository in the VM",
	.options = options,
	.flags = CMD_QUIET | CMD_NEEDS_WRITE,
	.run = run,
};
