/* SPDX-License-Identifier: MIT */
#include "guest/ssh_config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fenced_file.h"
#include "base/file.h"
#include "guest/ssh_client.h"
#include "guest/ssh_key.h"
#include "host/machine.h"
#include "host/process.h"

#define OWN_FILE "ssh_config"

static const struct fence fence = {
	"# >>> banger: written by 'banger ssh-config --install'",
	"# <<< banger: removed by 'banger ssh-config --uninstall'",
};

void ssh_config_release(struct ssh_config *c)
{
	user_release(&c->user);
	free(c->own);
	free(c->theirs);
	free(c->include);
	*c = (struct ssh_config){ 0 };
}

struct fault *ssh_config_find(struct ssh_config *c)
{
	AUTO_FREE char *directory = NULL;

	*c = (struct ssh_config){ 0 };
	user_real(&c->user);
	directory = user_xdg(&c->user, "XDG_CONFIG_HOME", ".config");
	if (!c->user.home || !directory) {
		ssh_config_release(c);
		return fault_new(F_MISSING, "this user has no home directory for ssh's configuration");
	}
	c->own = xasprintf("%s/banger/" OWN_FILE, directory);
	c->theirs = xasprintf("%s/.ssh/config", c->user.home);
	c->include = xasprintf("Include \"%s\"", c->own);
	return NULL;
}

struct fault *ssh_config_state(const struct ssh_config *c, bool *own, bool *included)
{
	struct fault *f;
	struct stat st;

	user_enter(&c->user);
	*own = !stat(c->own, &st);
	f = fenced_file_has(c->theirs, &fence, included);
	user_leave(&c->user);
	return f;
}

/* ---------------------------------------------------------------------------------- the content */

/* Not run by a shell: words in quotes, the first one an absolute path. */
static struct fault *add_known_hosts_command(struct buf *b, const char *program,
					     const char *state_dir, const char *sudo)
{
	if (sudo) {
		TRY(ssh_add_path(b, sudo));
		buf_addc(b, ' ');
	}
	TRY(ssh_add_path(b, program));
	buf_adds(b, " internal known-hosts --state-dir ");
	TRY(ssh_add_path(b, state_dir));
	buf_adds(b, " %n");
	return NULL;
}

static struct fault *fill(struct buf *b, const struct ssh_config *c, const struct store *s,
			  const struct ssh_identity *identity)
{
	AUTO_FREE char *sudo = c->user.by_sudo ? machine_find_program("sudo") : NULL;
	AUTO_FREE char *program = process_program();

	if (c->user.by_sudo && !sudo)
		return fault_new(F_MISSING, "program 'sudo' is not installed");
	buf_adds(b, "# Written by 'banger ssh-config --install', which replaces the whole file.\n\n"
		    "Host *.vm\n"
		    "    User root\n"
		    "    ProxyCommand ");
	ssh_add_proxy_command(b, program, s->path, "%n", c->user.by_sudo);
	buf_adds(b, "\n    KnownHostsCommand ");
	TRY(add_known_hosts_command(b, program, s->path, sudo));
	buf_adds(b, "\n    IdentityFile ");
	TRY(ssh_add_path(b, identity->path));
	buf_adds(b, "\n"
		    "    IdentitiesOnly yes\n"
		    "    StrictHostKeyChecking yes\n"
		    "    HostKeyAlgorithms ssh-ed25519\n"
		    "    UserKnownHostsFile /dev/null\n"
		    "    GlobalKnownHostsFile /dev/null\n"
		    "    UpdateHostKeys no\n"
		    "    CheckHostIP no\n");
	return NULL;
}

/* ----------------------------------------------------------------------------------- the files */

/* The directory of @path with what is missing above it. */
static struct fault *make_parent(const char *path, int *dir)
{
	AUTO_FREE char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	AUTO_FD fd = -1;

	/* It may be a link of the user's to somewhere else. */
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return fault_sys(F_SYS, "opening directory '%s'", parent);
	if (fd < 0)
		TRY(dir_make_path(parent, 0700, &fd));
	*dir = steal_fd(&fd);
	return NULL;
}

static struct fault *install(const struct ssh_config *c, const struct buf *text, bool *changed)
{
	AUTO_FREE char *line = xasprintf("%s\n", c->include);
	AUTO_FD ours = -1;
	AUTO_FD theirs = -1;
	bool has;

	/* What cannot be included is not written either. */
	TRY(fenced_file_has(c->theirs, &fence, &has));
	TRY(make_parent(c->own, &ours));
	TRY(fault_wrap(file_write_atomic(ours, OWN_FILE, text->data, text->len, 0600), "'%s'", c->own));
	TRY(make_parent(c->theirs, &theirs));
	return fenced_file_put(c->theirs, &fence, line, 0600, changed);
}

struct fault *ssh_config_install(const struct ssh_config *c, const struct store *s,
				 const struct config *config, bool *changed)
{
	AUTO_SSH_IDENTITY identity = { 0 };
	AUTO_BUF text = BUF_INIT;
	struct fault *f;

	if (strpbrk(c->own, "\"\\\r\n"))
		return fault_new(F_INVALID, "the path '%s' has a quote, a backslash or a line end in it, "
				 "which ssh's configuration cannot hold", c->own);
	TRY(ssh_identity_get(s, config, true, &identity));
	TRY(fill(&text, c, s, &identity));
	user_enter(&c->user);
	f = install(c, &text, changed);
	user_leave(&c->user);
	return f;
}

/* The Include goes first: one that leads nowhere would only be noise, but it would be our noise. */
struct fault *ssh_config_uninstall(const struct ssh_config *c, bool *changed)
{
	struct fault *f;

	user_enter(&c->user);
	f = fenced_file_take(c->theirs, &fence, changed);
	if (!f && unlink(c->own) < 0 && errno != ENOENT && errno != ENOTDIR)
		f = fault_sys(F_SYS, "removing '%s'", c->own);
	user_leave(&c->user);
	return f;
}
