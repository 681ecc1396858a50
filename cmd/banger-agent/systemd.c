/* SPDX-License-Identifier: MIT */
#include "systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "agent.h"
#include "tree.h"

#define UNIT_DIR  "/run/systemd/system"
#define UNIT_NAME "banger-agent.service"

static const char unit[] = "[Unit]\n"
			   "Description=banger's agent, should the first one end\n"
			   "DefaultDependencies=no\n"
			   "\n"
			   "[Service]\n"
			   "ExecStart=" AGENT_PROGRAM " serve\n"
			   "Restart=always\n"
			   "RestartSec=100ms\n"
			   "KillMode=process\n"
			   "Delegate=yes\n"
			   "OOMScoreAdjust=-900\n";

static struct fault *make_directories(const char *const *paths, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (mkdir(paths[i], 0755) && errno != EEXIST)
			return fault_sys(F_SYS, "making '%s'", paths[i]);
	return NULL;
}

static struct fault *write_unit(void)
{
	static const char *const directories[] = { "/run/systemd", UNIT_DIR,
						   UNIT_DIR "/sysinit.target.wants" };

	TRY(make_directories(directories, ARRAY_LEN(directories)));
	TRY(write_text(UNIT_DIR "/" UNIT_NAME, unit, 0644));
	if (symlink("../" UNIT_NAME, UNIT_DIR "/sysinit.target.wants/" UNIT_NAME))
		return fault_sys(F_SYS, "enabling the unit");
	return NULL;
}

/* Copy a tmpfiles.d fragment, with "D /tmp" (empty it at boot) turned into "d /tmp". */
static bool keep_tmp(char *text, struct buf *out)
{
	bool changed = false;
	char *rest = text;

	while (rest && *rest) {
		char *line = strsep(&rest, "\n");
		size_t type = strcspn(line, " \t");
		const char *path = line + type + strspn(line + type, " \t");

		if (*line == 'D' && !strncmp(path, "/tmp", 4) && strchr(" \t", path[4])) {
			*line = 'd';
			changed = true;
		}
		buf_addf(out, "%s\n", line);
	}
	return changed;
}

static struct fault *write_tmpfiles(void)
{
	static const char *const directories[] = { "/run/tmpfiles.d" };
	AUTO_BUF old = BUF_INIT, new = BUF_INIT;
	struct fault *f = read_text("/usr/lib/tmpfiles.d/tmp.conf", 65536, &old);
	AUTO_FD tmp = -1;

	if (f && fault_errno(f) == ENOENT) {
		fault_free(f);
		return NULL;
	}
	if (f || !keep_tmp(old.data, &new))
		return f;
	TRY(make_directories(directories, ARRAY_LEN(directories)));
	TRY(write_text("/run/tmpfiles.d/tmp.conf", new.data, 0644));
	tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (tmp >= 0)
		tree_empty(tmp);
	return NULL;
}

void systemd_prepare(void)
{
	say_fault(write_unit());
	say_fault(write_tmpfiles());
}
