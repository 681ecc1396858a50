/* SPDX-License-Identifier: MIT */
/* user.h - /etc/passwd and /etc/group of the image, read without NSS. */
#ifndef BANGER_AGENT_USER_H
#define BANGER_AGENT_USER_H

#include <sys/types.h>

#include "base/fault.h"

#define USER_GROUPS_MAX 256

struct user {
	uid_t uid;
	gid_t gid;
	gid_t groups[USER_GROUPS_MAX];
	size_t n_groups;
	char *name;  /* owned; NULL when the number has no name */
	char *home;  /* owned; never NULL */
	char *shell; /* owned; NULL = none given */
};

/*
 * user_find() - "name", "uid", "name:group", "uid:gid"; NULL or "" = root.
 * A number needs no entry: its group is 0 then and its home "/".  Root needs none either.
 * Supplementary groups are those that list the name, none when a group was given.
 * Return: NULL and *@out (release with user_release()); F_NOT_FOUND.
 */
struct fault *user_find(const char *text, struct user *out) MUST_CHECK;
void user_release(struct user *u);

#endif
