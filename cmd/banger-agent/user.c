/* SPDX-License-Identifier: MIT */
#include "user.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define COLUMNS 7

/* Cut @line at its colons; false when it has not @want columns. */
static bool split(char *line, char **column, size_t want)
{
	size_t n = 0;

	line[strcspn(line, "\n")] = '\0';
	for (char *at = line; n < want; n++) {
		char *colon = strchr(at, ':');

		column[n] = at;
		if (!colon)
			return n + 1 == want;
		*colon = '\0';
		at = colon + 1;
	}
	return true;
}

static bool number(const char *text, unsigned int *out)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (*end || errno || value >= UINT_MAX)
		return false;
	*out = (unsigned int)value;
	return true;
}

static void set_text(char **slot, const char *text)
{
	free(*slot);
	*slot = *text ? xstrdup(text) : NULL;
}

/* Find @name, or number @uid when @by_number, in /etc/passwd. */
static bool find_entry(const char *name, bool by_number, uid_t uid, struct user *out)
{
	AUTO_FILE file = fopen("/etc/passwd", "re");
	AUTO_FREE char *line = NULL;
	char *column[COLUMNS];
	size_t room = 0;

	while (file && getline(&line, &room, file) > 0) {
		unsigned int id, group;

		if (!split(line, column, COLUMNS) || !number(column[2], &id) ||
		    !number(column[3], &group))
			continue;
		if (by_number ? id != uid : strcmp(column[0], name) != 0)
			continue;
		out->uid = id;
		out->gid = group;
		set_text(&out->name, column[0]);
		set_text(&out->home, column[5]);
		set_text(&out->shell, column[6]);
		return true;
	}
	return false;
}

static struct fault *find_group(const char *text, gid_t *gid)
{
	AUTO_FILE file = fopen("/etc/group", "re");
	AUTO_FREE char *line = NULL;
	unsigned int id;
	char *column[4];
	size_t room = 0;

	while (file && getline(&line, &room, file) > 0) {
		if (!split(line, column, 4) || !number(column[2], &id) || strcmp(column[0], text))
			continue;
		*gid = id;
		return NULL;
	}
	if (!number(text, &id))
		return fault_new(F_NOT_FOUND, "group '%s' does not exist in the machine", text);
	*gid = id;
	return NULL;
}

static bool lists(char *members, const char *name)
{
	char *rest = members;

	for (char *each = strsep(&rest, ","); each; each = strsep(&rest, ","))
		if (!strcmp(each, name))
			return true;
	return false;
}

static void find_supplementary(struct user *u)
{
	AUTO_FILE file = fopen("/etc/group", "re");
	AUTO_FREE char *line = NULL;
	char *column[4];
	size_t room = 0;

	u->groups[u->n_groups++] = u->gid;
	while (file && u->name && u->n_groups < USER_GROUPS_MAX &&
	       getline(&line, &room, file) > 0) {
		unsigned int id;

		if (split(line, column, 4) && number(column[2], &id) && id != u->gid &&
		    lists(column[3], u->name))
			u->groups[u->n_groups++] = id;
	}
}

static struct fault *find(const char *name, struct user *out)
{
	unsigned int uid = 0;
	bool is_number = number(name, &uid);

	if (find_entry(name, false, 0, out) || (is_number && find_entry(NULL, true, uid, out)))
		return NULL;
	if (!is_number && strcmp(name, "root") != 0)
		return fault_new(F_NOT_FOUND, "user '%s' does not exist in the machine", name);
	out->uid = uid;
	if (!uid)
		out->name = xstrdup("root");
	return NULL;
}

struct fault *user_find(const char *text, struct user *out)
{
	const char *name = text && *text ? text : "root";
	const char *colon = strchr(name, ':');
	AUTO_FREE char *alone = xstrndup(name, colon ? (size_t)(colon - name) : strlen(name));
	struct fault *f;

	memset(out, 0, sizeof(*out));
	f = find(*alone ? alone : "root", out);
	if (!f && colon) {
		f = find_group(colon + 1, &out->gid);
		out->groups[out->n_groups++] = out->gid;
	} else if (!f) {
		find_supplementary(out);
	}
	if (!f && !out->home)
		out->home = xstrdup(out->uid || access("/root", F_OK) ? "/" : "/root");
	if (f)
		user_release(out);
	return f;
}

void user_release(struct user *u)
{
	free(u->name);
	free(u->home);
	free(u->shell);
	memset(u, 0, sizeof(*u));
}
