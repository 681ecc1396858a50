/* SPDX-License-Identifier: MIT */
#include "host/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/close_range.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "host/machine.h"
#include "host/process.h"

#define STDERR_TAIL 4096

struct child_report {
	const char *step; /* a string constant: the same address in parent and child */
	int error_number;
};

static void __attribute__((noreturn)) report(int pipe_fd, const char *step)
{
	struct child_report r = { step, errno };
	ssize_t ignored = write(pipe_fd, &r, sizeof(r));

	(void)ignored;
	_exit(127);
}

/* Put @fd (or /dev/null) at position @target in the child. */
static void place(int pipe_fd, int fd, int target)
{
	if (fd == SPAWN_NULL)
		fd = open("/dev/null", (target ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		report(pipe_fd, "opening /dev/null");
	if (fd == target ? fcntl(fd, F_SETFD, 0) < 0 : dup2(fd, target) < 0)
		report(pipe_fd, "preparing descriptors");
}

/*
 * @forget: what came before the child had a session of its own, such as our terminal's Ctrl-C, was
 * not meant for it; ignoring a signal throws away one that is pending.
 */
static void default_signals(bool forget)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigemptyset(&action.sa_mask);
	sigemptyset(&ignore.sa_mask);
	for (int number = 1; number < NSIG; number++) {
		if (forget)
			sigaction(number, &ignore, NULL);
		sigaction(number, &action, NULL); /* fails for KILL and STOP, as it should */
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Between fork and exec: only async-signal-safe calls. */
static void __attribute__((noreturn)) run_child(const struct spawn *s, const char *program,
						 int pipe_fd)
{
	int fds[3] = { s->in, s->out, s->err };

	/* The pipe and the sources must not lie where the standard descriptors go. */
	pipe_fd = fcntl(pipe_fd, F_DUPFD_CLOEXEC, 10);
	if (pipe_fd < 0)
		_exit(127);
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0 && fds[i] < 3 && (fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10)) < 0)
			report(pipe_fd, "preparing descriptors");
	if (s->new_session && setsid() < 0)
		report(pipe_fd, "starting a session");
	default_signals(s->new_session);
	for (int i = 0; i < 3; i++)
		place(pipe_fd, fds[i], i);
	if (s->as && s->as->by_sudo &&
	    (setgroups(1, &s->as->gid) < 0 || setgid(s->as->gid) < 0 || setuid(s->as->uid) < 0))
		report(pipe_fd, "becoming the user");
	if (s->cwd && chdir(s->cwd) < 0)
		report(pipe_fd, "changing directory");
	/* Nothing but 0, 1 and 2 survives exec, whoever opened it; kernels before 5.11 lack this,
	 * and there O_CLOEXEC on everything of ours has to do. */
	syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC);
	execve(program, (char *const *)(uintptr_t)s->argv,
	       s->env ? (char *const *)(uintptr_t)s->env : environ);
	report(pipe_fd, "running it");
}

/* Fork with all signals blocked, so that no handler of ours runs in the child. */
static pid_t fork_blocked(void)
{
	sigset_t all, old;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid)
		sigprocmask(SIG_SETMASK, &old, NULL);
	return pid;
}

static struct fault *read_report(int fd, const char *program)
{
	struct child_report r;
	ssize_t n;

	do
		n = read(fd, &r, sizeof(r));
	while (n < 0 && errno == EINTR);
	if (n != sizeof(r))
		return NULL;
	errno = r.error_number;
	return fault_sys(F_SYS, "program '%s': %s", program, r.step);
}

static struct fault *open_pipe(int *read_end, int *write_end)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return fault_sys(F_SYS, "creating a pipe");
	*read_end = fds[0];
	*write_end = fds[1];
	return NULL;
}

struct fault *spawn_start(const struct spawn *s, struct child *child)
{
	AUTO_FREE char *program = machine_find_program(s->argv[0]);
	AUTO_FD report_read = -1;
	AUTO_FD report_write = -1;
	struct fault *f;
	pid_t pid;

	if (!program)
		return fault_new(F_MISSING, "program '%s' is not installed", s->argv[0]);
	TRY(open_pipe(&report_read, &report_write));
	pid = fork_blocked();
	if (pid < 0)
		return fault_sys(F_SYS, "starting '%s'", s->argv[0]);
	if (!pid)
		run_child(s, program, report_write);
	fd_close(steal_fd(&report_write));
	f = read_report(report_read, program);
	if (f) {
		waitpid(pid, NULL, 0);
		return f;
	}
	/* It is not reaped yet, so the pid still means our child. */
	log_write(LOG_LEVEL_DEBUG, "started %s as process %d", program, (int)pid);
	*child = (struct child){ pid, (int)syscall(SYS_pidfd_open, pid, 0) };
	if (child->pidfd < 0) {
		f = fault_sys(F_SYS, "watching '%s'", s->argv[0]);
		child_kill(child);
	}
	return f;
}

static void reap(struct child *child, struct child_status *status)
{
	int raw = 0;

	while (waitpid(child->pid, &raw, 0) < 0 && errno == EINTR)
		;
	*status = WIFSIGNALED(raw) ? (struct child_status){ CHILD_SIGNALLED, WTERMSIG(raw) }
				   : (struct child_status){ CHILD_EXITED, WEXITSTATUS(raw) };
	child_release(child);
}

struct fault *child_wait(struct child *child, int ms, struct child_status *status)
{
	bool gone = false;

	TRY(process_wait_gone(child->pidfd, ms, &gone));
	if (gone)
		reap(child, status);
	else
		*status = (struct child_status){ CHILD_TIMED_OUT, 0 };
	return NULL;
}

void child_kill(struct child *child)
{
	struct child_status ignored;

	if (child->pid <= 0)
		return;
	kill(child->pid, SIGKILL); /* an unreaped child of ours: the number cannot be recycled */
	reap(child, &ignored);
}

struct fault *child_signal(const struct child *child, int number)
{
	/* Not reaped yet, so no other group can have this number. */
	if (child->pid > 0 && kill(-child->pid, number) < 0 && errno != ESRCH)
		return fault_sys(F_SYS, "sending signal %d", number);
	return NULL;
}

void child_release(struct child *child)
{
	fd_close(child->pidfd);
	*child = CHILD_INIT;
}

/* Read what is there; false at the end of the stream. @keep: bound to the last bytes; 0 = all. */
static bool drain(int fd, struct buf *into, size_t keep)
{
	ssize_t n = read(fd, buf_grow(into, 65536), 65536);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	into->len += (size_t)n;
	into->data[into->len] = '\0';
	if (keep && into->len > 16 * keep)
		buf_drop(into, into->len - keep);
	return n > 0;
}

struct capture {
	int out, err; /* owned; -1 = closed */
	struct buf *out_text;
	struct buf err_text;
	size_t out_max;
	const char *program;
};

/* Pump both pipes until they are closed. */
static struct fault *pump(struct capture *c, int64_t deadline)
{
	while (c->out >= 0 || c->err >= 0) {
		struct pollfd fds[3] = {
			{ .fd = c->out, .events = POLLIN },
			{ .fd = c->err, .events = POLLIN },
			{ .fd = cancel_fd(), .events = POLLIN },
		};
		int n = poll(fds, 3, clock_left(deadline));

		if (n < 0 && errno != EINTR)
			return fault_sys(F_SYS, "waiting for '%s'", c->program);
		TRY(cancel_check());
		if (n == 0)
			return fault_new(F_TIMEOUT, "'%s' did not end within its time limit",
					 c->program);
		if (n > 0 && fds[0].revents && !drain(c->out, c->out_text, 0))
			fd_close(steal_fd(&c->out));
		if (c->out_text && c->out_text->len > c->out_max)
			return fault_new(F_TOOL, "'%s' printed more than %zu bytes", c->program,
					 c->out_max);
		if (n > 0 && fds[1].revents && !drain(c->err, &c->err_text, STDERR_TAIL))
			fd_close(steal_fd(&c->err));
	}
	return NULL;
}

struct fault *child_fault(const char *program, const struct child_status *status,
			  const struct buf *stderr_text)
{
	AUTO_BUF tail = BUF_INIT;
	struct fault *f;

	if (status->end == CHILD_EXITED && status->code == 0)
		return NULL;
	if (status->end == CHILD_TIMED_OUT)
		f = fault_new(F_TIMEOUT, "'%s' did not end within its time limit", program);
	else if (status->end == CHILD_SIGNALLED)
		f = fault_new(F_TOOL, "'%s' was killed by signal %d", program, status->code);
	else
		f = fault_new(F_TOOL, "'%s' failed with status %d", program, status->code);
	if (!stderr_text || !stderr_text->len)
		return f;
	buf_add(&tail, stderr_text->data, stderr_text->len);
	if (tail.len > STDERR_TAIL)
		buf_drop(&tail, tail.len - STDERR_TAIL);
	while (tail.len && tail.data[tail.len - 1] == '\n')
		tail.data[--tail.len] = '\0';
	return fault_attach(f, fault_new(F_TOOL, "%s said: %s", program, tail.data));
}

static struct fault *finish(struct child *child, struct capture *c, int64_t deadline)
{
	struct child_status status;
	struct fault *f = pump(c, deadline);

	if (!f)
		f = child_wait(child, clock_left(deadline), &status);
	if (!f)
		f = child_fault(c->program, &status, &c->err_text);
	child_kill(child); /* nothing to do when it was reaped */
	return f;
}

struct fault *spawn_run(const struct spawn *s, struct buf *out, size_t out_max)
{
	AUTO_FD out_read = -1;
	AUTO_FD out_write = -1;
	AUTO_FD err_read = -1;
	AUTO_FD err_write = -1;
	struct child child = CHILD_INIT;
	struct spawn copy = *s;
	struct capture c;
	struct fault *f;

	TRY(open_pipe(&err_read, &err_write));
	copy.err = err_write;
	if (out) {
		TRY(open_pipe(&out_read, &out_write));
		copy.out = out_write;
	}
	TRY(spawn_start(&copy, &child));
	fd_close(steal_fd(&out_write));
	fd_close(steal_fd(&err_write));
	c = (struct capture){ steal_fd(&out_read), steal_fd(&err_read), out, BUF_INIT, out_max,
			      s->argv[0] };
	f = finish(&child, &c, clock_deadline(s->deadline_ms ? s->deadline_ms : -1));
	fd_close(c.out);
	fd_close(c.err);
	buf_release(&c.err_text);
	return f;
}
