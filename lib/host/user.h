/* SPDX-License-Identifier: MIT */
/*
 * user.h - the person on whose behalf we run.
 *
 * Under sudo that is SUDO_UID: what is theirs (home, configuration, keys) is read and written as
 * them.  user_enter() changes the identity that file access is checked against (setfsuid(2)) of the
 * calling thread only; it is a no-op for everybody who is not root through sudo.
 */
#ifndef BANGER_HOST_USER_H
#define BANGER_HOST_USER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/mem.h"

struct user {
	uid_t uid;
	gid_t gid;
	char *home;   /* owned, absolute; NULL when nobody knows */
	bool by_sudo; /* we are root, and they are not */
};

/* user_real() - fill *@user; release with user_release(). */
void user_real(struct user *user);
void user_release(struct user *user);
/* Between these two, files are opened and created as @user. */
void user_enter(const struct user *user);
void user_leave(const struct user *user);

/*
 * user_xdg() - a directory of the XDG base directory specification: $@variable when it is set and
 * absolute (not under sudo, where it is not theirs), else ~/@fallback.  NULL when there is no home.
 * Owned.
 */
char *user_xdg(const struct user *user, const char *variable, const char *fallback);

#define AUTO_USER __attribute__((cleanup(user_release))) struct user

#endif
