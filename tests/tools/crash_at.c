/* SPDX-License-Identifier: MIT */
/*
 * crash_at.c - run a program and let it die, or one of its system calls fail, at a chosen point.
 *
 *	crash_at count COMMAND...             print how many points there are
 *	crash_at list COMMAND...              print them, one per line, on standard error
 *	crash_at before N COMMAND...          SIGKILL just before point N (from 1) has an effect
 *	crash_at after N COMMAND...           SIGKILL just after it
 *	crash_at fail ERRNO N COMMAND...      let point N fail with that error, without effect
 *	crash_at send SIGNAL N COMMAND...     send a signal before point N
 *
 * A point is a system call of the program itself, all its threads but none of its children, by which
 * it changes something that others can see.  Exit status: 42 when it was killed as asked, else that
 * of the command; 43 when this program could not do its work.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "base/mem.h"

enum { STATUS_KILLED = 42, STATUS_OURS = 43 };
enum mode { COUNT, LIST, BEFORE, AFTER, FAIL, SEND };

#define THREADS_MAX 256
#define OPTIONS                                                                                    \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC)

/* Which argument holds open(2)'s flags, or a descriptor that must not be 0, 1 or 2. */
enum look { ALWAYS, FLAGS_1, FLAGS_2, NOT_STDIO };

static const struct {
	long number;
	const char *name;
	enum look look;
} points[] = {
#ifdef SYS_open
	{ SYS_open, "open", FLAGS_1 },
	{ SYS_rename, "rename", ALWAYS },
	{ SYS_link, "link", ALWAYS },
	{ SYS_symlink, "symlink", ALWAYS },
	{ SYS_unlink, "unlink", ALWAYS },
	{ SYS_mkdir, "mkdir", ALWAYS },
	{ SYS_rmdir, "rmdir", ALWAYS },
	{ SYS_fork, "fork", ALWAYS },
	{ SYS_vfork, "vfork", ALWAYS },
	{ SYS_renameat, "renameat", ALWAYS },
	{ SYS_chmod, "chmod", ALWAYS },
#endif
	{ SYS_openat, "openat", FLAGS_2 },
	{ SYS_renameat2, "renameat2", ALWAYS },
	{ SYS_linkat, "linkat", ALWAYS },
	{ SYS_symlinkat, "symlinkat", ALWAYS },
	{ SYS_unlinkat, "unlinkat", ALWAYS },
	{ SYS_mkdirat, "mkdirat", ALWAYS },
	{ SYS_mknodat, "mknodat", ALWAYS },
	{ SYS_fsync, "fsync", ALWAYS },
	{ SYS_fdatasync, "fdatasync", ALWAYS },
	{ SYS_syncfs, "syncfs", ALWAYS },
	{ SYS_truncate, "truncate", ALWAYS },
	{ SYS_ftruncate, "ftruncate", ALWAYS },
	{ SYS_fallocate, "fallocate", ALWAYS },
	{ SYS_write, "write", NOT_STDIO },
	{ SYS_writev, "writev", NOT_STDIO },
	{ SYS_pwrite64, "pwrite64", ALWAYS },
	{ SYS_copy_file_range, "copy_file_range", ALWAYS },
	{ SYS_sendfile, "sendfile", ALWAYS },
	{ SYS_fchmod, "fchmod", ALWAYS },
	{ SYS_fchmodat, "fchmodat", ALWAYS },
	{ SYS_fchown, "fchown", ALWAYS },
	{ SYS_fchownat, "fchownat", ALWAYS },
	{ SYS_utimensat, "utimensat", ALWAYS },
	{ SYS_flock, "flock", ALWAYS },
	{ SYS_ioctl, "ioctl", NOT_STDIO },
	{ SYS_pipe2, "pipe2", ALWAYS },
	{ SYS_socket, "socket", ALWAYS },
	{ SYS_bind, "bind", ALWAYS },
	{ SYS_connect, "connect", ALWAYS },
	{ SYS_sendto, "sendto", ALWAYS },
	{ SYS_sendmsg, "sendmsg", ALWAYS },
	{ SYS_clone, "clone", ALWAYS },
	{ SYS_clone3, "clone3", ALWAYS },
	{ SYS_kill, "kill", ALWAYS },
	{ SYS_pidfd_send_signal, "pidfd_send_signal", ALWAYS },
	{ SYS_mount, "mount", ALWAYS },
	{ SYS_umount2, "umount2", ALWAYS },
};

static const struct {
	const char *name;
	int number;
} names[] = {
	{ "ENOSPC", ENOSPC }, { "EIO", EIO },	  { "EMFILE", EMFILE }, { "EINTR", EINTR },
	{ "EBUSY", EBUSY },   { "EPERM", EPERM }, { "ENOMEM", ENOMEM }, { "SIGINT", SIGINT },
	{ "SIGTERM", SIGTERM }, { "SIGHUP", SIGHUP }, { "EROFS", EROFS },
};

static enum mode mode;
static long wanted, value, seen;
/* The thread whose point it is, from its entry to its exit. */
static pid_t chosen;

__attribute__((noreturn)) static void give_up(const char *what)
{
	fprintf(stderr, "crash_at: %s: errno %d\n", what, errno);
	exit(STATUS_OURS);
}

static const char *point_name(const struct __ptrace_syscall_info *info)
{
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		const uint64_t *args = info->entry.args;
		uint64_t flags = args[points[i].look == FLAGS_1 ? 1 : 2];

		if (points[i].number != (long)info->entry.nr)
			continue;
		if (points[i].look == NOT_STDIO && args[0] <= 2)
			return NULL;
		if ((points[i].look == FLAGS_1 || points[i].look == FLAGS_2) &&
		    !(flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)))
			return NULL;
		return points[i].name;
	}
	return NULL;
}

/* Let the system call that @pid is about to make be none, or have it return @result. */
static void change(pid_t pid, bool skip, long result)
{
#ifdef __x86_64__
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, pid, 0, &regs) < 0)
		give_up("reading registers");
	if (skip)
		regs.orig_rax = (unsigned long long)-1;
	else
		regs.rax = (unsigned long long)result;
	if (ptrace(PTRACE_SETREGS, pid, 0, &regs) < 0)
		give_up("setting registers");
#else
	(void)pid;
	(void)skip;
	(void)result;
	errno = ENOSYS;
	give_up("letting system calls fail");
#endif
}

static void at_entry(pid_t pid, const struct __ptrace_syscall_info *info)
{
	const char *name = point_name(info);

	if (!name)
		return;
	seen++;
	if (mode == LIST)
		fprintf(stderr, "%ld %s\n", seen, name);
	if (seen != wanted || chosen)
		return;
	chosen = pid;
	if (mode == BEFORE) {
		kill(pid, SIGKILL);
	} else if (mode == SEND) {
		kill(pid, (int)value);
	} else if (mode == FAIL) {
		change(pid, true, 0);
	}
}

static void at_exit(pid_t pid)
{
	if (pid != chosen)
		return;
	chosen = -1;
	if (mode == AFTER)
		kill(pid, SIGKILL);
	else if (mode == FAIL)
		change(pid, false, -value);
}

static void at_syscall(pid_t pid)
{
	struct __ptrace_syscall_info info = { 0 };

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0)
		return; /* it was killed meanwhile */
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		at_entry(pid, &info);
	else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
		at_exit(pid);
}

/* The signal to hand on when @pid stopped with @status; 0 = none. */
static int on_stop(pid_t pid, int status)
{
	int signal_number = WSTOPSIG(status);

	if (signal_number == (SIGTRAP | 0x80)) {
		at_syscall(pid);
		return 0;
	}
	/* Events, and the first stop of a thread. */
	return signal_number == SIGTRAP || signal_number == SIGSTOP ? 0 : signal_number;
}

static int follow(pid_t first)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, __WALL);

		if (pid < 0)
			give_up("waiting");
		if (WIFSTOPPED(status)) {
			ptrace(PTRACE_SYSCALL, pid, 0, on_stop(pid, status));
		} else if (pid == first) {
			bool asked = (mode == BEFORE || mode == AFTER) && chosen;

			if (WIFSIGNALED(status))
				return asked && WTERMSIG(status) == SIGKILL ? STATUS_KILLED
									    : 128 + WTERMSIG(status);
			return WEXITSTATUS(status);
		}
	}
}

static pid_t start(char **argv)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		give_up("fork");
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execvp(argv[0], argv);
		_exit(STATUS_OURS);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, 0, OPTIONS) < 0 || ptrace(PTRACE_SYSCALL, pid, 0, 0) < 0)
		give_up("tracing");
	return pid;
}

static long number_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(names[i].name, name))
			return names[i].number;
	errno = EINVAL;
	give_up(name);
}

int main(int argc, char **argv)
{
	static const char *const modes[] = { "count", "list", "before", "after", "fail", "send" };
	static const int before_command[] = { 2, 2, 3, 3, 4, 4 };
	int status;

	while (mode < ARRAY_LEN(modes) && argc > 1 && strcmp(modes[mode], argv[1]))
		mode++;
	if (mode == ARRAY_LEN(modes) || argc <= before_command[mode]) {
		errno = EINVAL;
		give_up("usage");
	}
	if (mode == FAIL || mode == SEND)
		value = number_of(argv[2]);
	if (mode > LIST)
		wanted = strtol(argv[before_command[mode] - 1], NULL, 10);
	status = follow(start(argv + before_command[mode]));
	if (mode == COUNT)
		printf("%ld\n", seen);
	return status;
}
