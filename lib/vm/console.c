/* SPDX-License-Identifier: MIT */
#include "vm/console.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/machine.h"
#include "host/spawn.h"

#define CHUNK	    16384
#define END_WAIT_MS 2000
#define FILE_FLAGS  (O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC)

/* ----------------------------------------------------------------------------- the keeper's side */

static int open_log(int dir)
{
	return openat(dir, VM_CONSOLE_FILE, FILE_FLAGS, 0600);
}

static bool is_full(int fd, size_t more)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_size + (off_t)more > (off_t)CONSOLE_FILE_MAX;
}

/* A full disk loses what the guest wrote meanwhile: it must neither wait nor end for that. */
static void keep(int dir, int *fd, const char *data, size_t len)
{
	if (*fd >= 0 && is_full(*fd, len) &&
	    !renameat(dir, VM_CONSOLE_FILE, dir, VM_CONSOLE_OLD_FILE)) {
		close(*fd);
		*fd = -1;
	}
	if (*fd < 0)
		*fd = open_log(dir);
	while (len && *fd >= 0) {
		ssize_t n = write(*fd, data, len);

		if (n < 0 && errno != EINTR)
			return;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

struct fault *console_keep(const char *path, int in)
{
	AUTO_FD dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD fd = -1;
	char data[CHUNK];

	if (dir < 0)
		return fault_sys(F_SYS, "opening '%s'", path);
	prctl(PR_SET_NAME, "banger-console");
	for (;;) {
		ssize_t n = read(in, data, sizeof(data));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return NULL;
		keep(dir, &fd, data, (size_t)n);
	}
}

/* ------------------------------------------------------------------------------ the other side */

static struct fault *start_keeper(const char *path, int in, struct process_id *keeper)
{
	AUTO_FREE char *program = machine_own_program();
	const char *const argv[] = { program, CONSOLE_KEEPER, path, NULL };
	struct spawn s = { SPAWN_INIT, .argv = argv, .cwd = "/", .new_session = true };
	struct child child = CHILD_INIT;

	s.in = in;
	TRY(spawn_start(&s, &child));
	if (!process_identify(child.pid, keeper)) {
		child_kill(&child);
		return fault_new(F_TOOL, "the process that keeps the console ended at once");
	}
	child_release(&child);
	return NULL;
}

struct fault *console_start(const struct vm_dir *dir, int *pipe, struct process_id *keeper)
{
	AUTO_FD log = openat(dir->fd, VM_CONSOLE_FILE, FILE_FLAGS | O_TRUNC, 0600);
	AUTO_FD read_end = -1;
	AUTO_FD write_end = -1;
	int ends[2];

	if (log < 0)
		return fault_sys(F_SYS, "creating '%s/" VM_CONSOLE_FILE "'", dir->path);
	if (unlinkat(dir->fd, VM_CONSOLE_OLD_FILE, 0) < 0 && errno != ENOENT)
		return fault_sys(F_SYS, "removing '%s/" VM_CONSOLE_OLD_FILE "'", dir->path);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fault_sys(F_SYS, "making a pipe");
	read_end = ends[0];
	write_end = ends[1];
	TRY(start_keeper(dir->path, read_end, keeper));
	*pipe = steal_fd(&write_end);
	return NULL;
}

struct fault *console_end(const struct process_id *keeper)
{
	AUTO_FD pidfd = -1;
	bool gone = false;

	if (!keeper->pid)
		return NULL;
	TRY(process_open(keeper, &pidfd));
	if (pidfd < 0)
		return NULL;
	TRY(process_wait_gone(pidfd, END_WAIT_MS, &gone));
	return gone ? NULL : process_kill(pidfd, SIGKILL);
}
