/* SPDX-License-Identifier: MIT */
/* system_install_systemd.c - what systemd has to be told when its files come and go. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "host/machine.h"
#include "host/spawn.h"
#include "vm/system_install.h"

#define GROUP	  "banger"
#define LIMIT_MS  30000
#define UNIT_DIR  "/etc/systemd/system"
#define RUNS_HERE "/run/systemd/system"

static struct fault *run_tool(const char *const *argv)
{
	AUTO_FREE char *path = machine_find_program(argv[0]);

	if (!path)
		return NULL;
	return spawn_run(&(struct spawn){ SPAWN_INIT, .argv = argv, .deadline_ms = LIMIT_MS }, NULL, 0);
}

static bool is_live_with_systemd(const struct install *in)
{
	return install_is_live(in) && !access(RUNS_HERE, F_OK);
}

struct fault *install_system(const struct install *in)
{
	static const char *const users[] = { "systemd-sysusers", "banger.conf", NULL };
	static const char *const directories[] = { "systemd-tmpfiles", "--create", "banger.conf", NULL };
	static const char *const reload[] = { "systemctl", "daemon-reload", NULL };
	struct fault *f;

	if (!install_is_live(in))
		return NULL;
	f = run_tool(users);
	f = fault_attach(f, run_tool(directories));
	if (is_live_with_systemd(in))
		f = fault_attach(f, run_tool(reload));
	return f;
}

/* "banger-watch.service" and the like, also of a template: what enabling makes links of. */
static bool is_our_unit(const char *name)
{
	return !strncmp(name, "banger-watch.", strlen("banger-watch.")) ||
	       !strncmp(name, "banger-gc.", strlen("banger-gc.")) ||
	       !strncmp(name, "banger@", strlen("banger@"));
}

/* A unit that is enabled, and is no more, would be complained about at each boot. */
static struct fault *disable_in(int dir, const char *wants)
{
	struct strings names = { 0 };
	struct fault *f;
	struct stat st;
	AUTO_FD fd = -1;

	TRY(dir_open(dir, wants, &fd));
	f = dir_names(fd, wants, &names);
	for (size_t i = 0; !f && i < names.n; i++)
		if (is_our_unit(names.v[i]) && !fstatat(fd, names.v[i], &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISLNK(st.st_mode) && unlinkat(fd, names.v[i], 0) < 0)
			f = fault_sys(F_SYS, "disabling unit '%s'", names.v[i]);
	strings_release(&names);
	return f;
}

static struct fault *disable_all(const struct install *in)
{
	AUTO_FREE char *path = xasprintf("%s" UNIT_DIR, in->root);
	struct strings names = { 0 };
	AUTO_FD dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct fault *f;

	if (dir < 0)
		return NULL;
	f = dir_names(dir, path, &names);
	for (size_t i = 0; !f && i < names.n; i++) {
		size_t len = strlen(names.v[i]);

		if (len > 6 && !strcmp(names.v[i] + len - 6, ".wants"))
			f = disable_in(dir, names.v[i]);
	}
	strings_release(&names);
	return f;
}

struct fault *install_forget_system(const struct install *in)
{
	/* The machines go on: only what acts by itself is stopped. */
	static const char *const stop[] = { "systemctl", "stop", "banger-watch.service",
					    "banger-gc.timer", NULL };
	static const char *const reload[] = { "systemctl", "daemon-reload", NULL };
	static const char *const group[] = { "groupdel", GROUP, NULL };
	struct fault *f = disable_all(in);

	if (is_live_with_systemd(in)) {
		fault_free(run_tool(stop)); /* what does not run needs no stopping */
		f = fault_attach(f, run_tool(reload));
	}
	if (install_is_live(in) && getgrnam(GROUP))
		f = fault_attach(f, run_tool(group));
	return f;
}
