/* SPDX-License-Identifier: MIT */
/* forward_background.c - forwarders that run on their own: starting, finding, ending. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "host/spawn.h"
#include "vm/forward.h"

#define READY_MS     30000
#define TERM_WAIT_MS 5000
#define KILL_WAIT_MS 5000
#define REPORT_MAX   65536

/* All that the forwarder reports until it closes its end. */
static struct fault *read_report(int fd, struct buf *report)
{
	int64_t deadline = clock_deadline(READY_MS);

	for (;;) {
		struct pollfd fds[] = { { fd, POLLIN, 0 }, { cancel_fd(), POLLIN, 0 } };
		int n = poll(fds, 2, clock_left(deadline));
		ssize_t got;

		if (n < 0 && errno != EINTR)
			return fault_sys(F_SYS, "waiting for the forwarder");
		TRY(cancel_check());
		if (n == 0 || report->len > REPORT_MAX)
			return fault_new(F_TIMEOUT, "the forwarder did not begin in time");
		if (n < 0 || !fds[0].revents)
			continue;
		got = read(fd, buf_grow(report, 4096), 4096);
		if (got < 0 && errno != EINTR)
			return fault_sys(F_SYS, "reading from the forwarder");
		if (!got)
			return NULL;
		if (got > 0) {
			report->len += (size_t)got;
			report->data[report->len] = '\0';
		}
	}
}

/* What went wrong is on one line, what to type next on the second one. */
static struct fault *refusal(const char *report)
{
	size_t len = strcspn(report, "\n");
	const char *hint = report + len + (report[len] == '\n');
	struct fault *f = fault_new(F_BUSY, "%.*s", (int)len, report);

	return *hint && *hint != '\n' ? fault_hint(f, "%.*s", (int)strcspn(hint, "\n"), hint) : f;
}

static struct fault *take_report(const struct buf *report, struct strings *lines)
{
	const char *at = report->data + strlen(FORWARD_READY);

	if (!report->len)
		return fault_new(F_TOOL, "the forwarder ended before it began");
	if (strncmp(report->data, FORWARD_READY, strlen(FORWARD_READY)) != 0)
		return refusal(report->data);
	while (lines && *at) {
		AUTO_FREE char *line = xstrndup(at, strcspn(at, "\n"));

		strings_add(lines, line);
		at += strlen(line) + (at[strlen(line)] == '\n');
	}
	return NULL;
}

static struct fault *launch(const struct vm *vm, const struct strings *specs, int log, int out,
			    struct child *child)
{
	AUTO_FREE char *program = process_program();
	struct strings argv = { 0 };
	struct spawn s = { .in = SPAWN_NULL, .out = out, .err = log, .cwd = "/",
			   .new_session = true };
	struct fault *f;

	strings_add(&argv, program);
	strings_add(&argv, "internal");
	strings_add(&argv, "forward");
	strings_add(&argv, "--state-dir");
	strings_add(&argv, vm->store->path);
	strings_add(&argv, FORWARD_OPTION);
	strings_add(&argv, vm->dir.path);
	strings_add(&argv, vm->dir.name);
	for (size_t i = 0; i < specs->n; i++)
		strings_add(&argv, specs->v[i]);
	s.argv = (const char *const *)argv.v;
	f = spawn_start(&s, child);
	strings_release(&argv);
	return f;
}

struct fault *forward_start(const struct vm *vm, const struct strings *specs, struct strings *lines)
{
	AUTO_BUF report = BUF_INIT;
	AUTO_FD log = -1;
	AUTO_FD read_end = -1;
	AUTO_FD write_end = -1;
	struct child child = CHILD_INIT;
	struct fault *f;
	int ends[2];

	log = openat(vm->dir.fd, VM_FORWARD_LOG, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
		     0600);
	if (log < 0)
		return fault_sys(F_SYS, "opening the forwarder's log");
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fault_sys(F_SYS, "creating a pipe");
	read_end = ends[0];
	write_end = ends[1];
	TRY(launch(vm, specs, log, write_end, &child));
	fd_close(steal_fd(&write_end));
	f = read_report(read_end, &report);
	if (!f)
		f = take_report(&report, lines);
	if (f)
		child_kill(&child); /* it was not waited for, or did not listen */
	else
		child_release(&child);
	return f;
}

static struct fault *end_one(const struct process_id *id)
{
	AUTO_FD pidfd = -1;
	bool gone = false;

	TRY(process_open(id, &pidfd));
	if (pidfd < 0)
		return NULL;
	TRY(process_kill(pidfd, SIGTERM));
	TRY(process_wait_gone(pidfd, TERM_WAIT_MS, &gone));
	if (gone)
		return NULL;
	TRY(process_kill(pidfd, SIGKILL));
	TRY(process_wait_gone(pidfd, KILL_WAIT_MS, &gone));
	return gone ? NULL : fault_new(F_SYS, "the forwarder, process %llu, did not end",
				       (unsigned long long)id->pid);
}

struct fault *forward_stop(const struct vm *vm, unsigned int *n)
{
	bool found = true;

	*n = 0;
	if (faccessat(vm->dir.fd, VM_FORWARD_LOG, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	while (found) {
		struct process_id id = { 0 };
		struct fault *f = process_find(FORWARD_OPTION, vm->dir.path, &found, &id);

		if (!f && found)
			f = end_one(&id);
		process_id_release(&id);
		TRY(f);
		*n += found;
	}
	return tree_remove(vm->dir.fd, VM_FORWARD_LOG);
}
