/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "agent.h"

#define DOOM_MS	   500
#define DOOMED_MAX 64

static struct {
	pid_t sid;
	int64_t when;
} doomed[DOOMED_MAX];
static size_t n_doomed;

/* Session and virtual size of @pid; false when it is gone or belongs to the kernel. */
static bool stat_of(pid_t pid, pid_t *sid)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/stat", (int)pid);
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	int parent, group, session, tty, foreground;
	char text[512], state, *at;
	unsigned long flags;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	at = strrchr(text, ')'); /* the name before it may hold anything */
	if (!at || sscanf(at + 1, " %c %d %d %d %d %d %lu", &state, &parent, &group, &session, &tty,
			  &foreground, &flags) != 7)
		return false;
	*sid = session;
	return state != 'Z' && parent != 2 && pid != 2;
}

void process_each(void (*visit)(pid_t pid, pid_t sid, void *context), void *context)
{
	AUTO_DIR dir = opendir("/proc");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10), sid;

		if (pid > 1 && pid != getpid() && stat_of(pid, &sid))
			visit(pid, sid, context);
	}
}

struct hunt {
	pid_t sid;
	int number;
};

static void hit(pid_t pid, pid_t sid, void *context)
{
	const struct hunt *h = context;

	if (sid != h->sid)
		return;
	kill(pid, h->number);
	if (h->number == SIGHUP)
		kill(pid, SIGCONT);
}

static void session_signal(pid_t sid, int number)
{
	kill(-sid, number);
	if (number == SIGHUP)
		kill(-sid, SIGCONT);
	process_each(hit, &(struct hunt){ sid, number });
}

void session_doom(pid_t sid)
{
	session_signal(sid, SIGHUP);
	if (n_doomed == DOOMED_MAX) {
		session_signal(sid, SIGKILL);
		return;
	}
	doomed[n_doomed].sid = sid;
	doomed[n_doomed++].when = now_ms() + DOOM_MS;
}

int64_t session_tick(void)
{
	while (n_doomed && doomed[0].when <= now_ms()) {
		session_signal(doomed[0].sid, SIGKILL);
		memmove(doomed, doomed + 1, --n_doomed * sizeof(doomed[0]));
	}
	return n_doomed ? doomed[0].when : -1;
}
