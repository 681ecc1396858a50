/* SPDX-License-Identifier: MIT */
#include "host/user.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/fsuid.h>

/* The number in environment variable @name, or -1. */
static long id_from(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long id;

	if (!text || *text < '0' || *text > '9')
		return -1;
	errno = 0;
	id = strtol(text, &end, 10);
	return errno || *end || id >= UINT_MAX ? -1 : id;
}

static char *home_of(uid_t uid)
{
	char room[16384];
	struct passwd entry, *found = NULL;

	if (getpwuid_r(uid, &entry, room, sizeof(room), &found) || !found ||
	    found->pw_dir[0] != '/')
		return NULL;
	return xstrdup(found->pw_dir);
}

void user_real(struct user *user)
{
	long uid = geteuid() == 0 ? id_from("SUDO_UID") : -1;
	long gid = id_from("SUDO_GID");
	const char *home = getenv("HOME");

	*user = (struct user){ .uid = getuid(), .gid = getgid() };
	if (uid > 0 && gid >= 0) {
		user->uid = (uid_t)uid;
		user->gid = (gid_t)gid;
		user->by_sudo = true;
		home = NULL;
	}
	user->home = home && home[0] == '/' ? xstrdup(home) : home_of(user->uid);
}

void user_release(struct user *user)
{
	free(user->home);
	user->home = NULL;
}

void user_enter(const struct user *user)
{
	if (!user->by_sudo)
		return;
	setfsgid(user->gid);
	setfsuid(user->uid);
}

void user_leave(const struct user *user)
{
	if (!user->by_sudo)
		return;
	setfsuid(geteuid());
	setfsgid(getegid());
}

char *user_xdg(const struct user *user, const char *variable, const char *fallback)
{
	const char *set = user->by_sudo ? NULL : getenv(variable);

	if (set && set[0] == '/')
		return xstrdup(set);
	return user->home ? xasprintf("%s/%s", user->home, fallback) : NULL;
}
