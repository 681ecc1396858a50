/* SPDX-License-Identifier: MIT */
#include "image_init.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "agent.h"

static bool is_program(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool is_called(const char *path, const char *name)
{
	AUTO_FREE char *real = realpath(path, NULL);
	const char *slash = real ? strrchr(real, '/') : NULL;

	return slash && !strcmp(slash + 1, name);
}

/* The program of an inittab line "id:levels:sysinit:program arguments"; owned, NULL = another. */
static char *sysinit_program(char *line)
{
	char *column[3];

	if (*line == '#')
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(column); i++)
		column[i] = strsep(&line, ":");
	if (!line || strcmp(column[2], "sysinit") != 0)
		return NULL;
	line += strspn(line, "- \t"); /* a dash asks for a login shell */
	return xstrndup(line, strcspn(line, " \t\n"));
}

static bool busybox_has_work(void)
{
	AUTO_FILE table = fopen("/etc/inittab", "re");
	AUTO_FREE char *line = NULL;
	size_t room = 0;

	while (table && getline(&line, &room, table) > 0) {
		AUTO_FREE char *program = sysinit_program(line);

		if (program)
			return is_program(program);
	}
	return is_program("/etc/init.d/rcS");
}

static bool is_busybox(const char *path)
{
	return is_called(path, "busybox") || same_file(path, "/bin/busybox");
}

enum image_init image_init_find(const char **path)
{
	static const char *const inits[] = { "/sbin/init", "/etc/init", "/bin/init" };
	static const char *const systemds[] = { "/lib/systemd/systemd",
						"/usr/lib/systemd/systemd" };

	for (size_t i = 0; i < ARRAY_LEN(inits); i++) {
		*path = inits[i];
		if (!is_program(inits[i]))
			continue;
		if (is_called(inits[i], "systemd"))
			return INIT_SYSTEMD;
		if (!is_busybox(inits[i]) || busybox_has_work())
			return INIT_OTHER;
	}
	for (size_t i = 0; i < ARRAY_LEN(systemds); i++) {
		*path = systemds[i];
		if (is_program(systemds[i]))
			return INIT_SYSTEMD;
	}
	return INIT_NONE;
}
