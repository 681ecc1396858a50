/* SPDX-License-Identifier: MIT */
#include "service.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "agent.h"
#include "child.h"
#include "loop.h"

static void on_report(void *context, uint32_t events);

static struct watch watch = { -1, 0, on_report, &watch };
static pid_t service = -1;
static bool failed;

/* Why it could not be started. */
static void on_report(void *context, uint32_t events)
{
	struct watch *w = context;
	char text[CHILD_REPORT_MAX + 1];
	ssize_t n = read(w->fd, text, sizeof(text) - 1);

	(void)events;
	if (n > 0) {
		text[n] = '\0';
		failed = true;
		say("the entry point could not be started: %s", text + 1);
	}
	loop_want(w, 0);
	fd_close(w->fd);
	w->fd = -1;
}

void service_start(const struct seed *seed)
{
	struct frame_exec e = { .user = seed->entrypoint_user, .argv = seed->entrypoint };
	AUTO_FD console = -1;
	struct fault *f;

	if (!seed->run_entrypoint || !seed->entrypoint.n)
		return;
	console = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (console < 0)
		console = open("/dev/null", O_WRONLY | O_CLOEXEC);
	f = child_start(&e, seed, &(struct child_io){ -1, console, console, false }, &service,
			&watch.fd);
	if (f)
		say_fault(fault_wrap(f, "the entry point"));
	else
		loop_want(&watch, EPOLLIN);
}

void service_reaped(pid_t pid, int wait_status)
{
	if (pid != service)
		return;
	service = -1;
	if (watch.fd >= 0)
		on_report(&watch, 0);
	if (failed)
		return;
	if (WIFSIGNALED(wait_status))
		say("the entry point was ended by signal %d", WTERMSIG(wait_status));
	else
		say("the entry point has ended with status %d", WEXITSTATUS(wait_status));
}
