/* SPDX-License-Identifier: MIT */
#include "vm/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/machine.h"
#include "host/spawn.h"
#include "vmm/vmm.h"

#define CHUNK	    16384
#define END_WAIT_MS 2000
#define TIDY_MS	    60000
#define HALT_SILENCE_MS 300  /* nothing follows the line */
#define HALT_ANSWER_MS	4000 /* for the agent, until it counts as gone */
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

/* "[    4.123456] reboot: System halted", as the kernel prints it even when it is told to be quiet. */
static bool is_halt(const char *line)
{
	static const char *const words[] = { "] reboot: System halted", "] reboot: Power down",
					     "] reboot: Power off not available: " };
	const char *at = line + 1 + strspn(line + 1, " 0123456789.");

	if (line[0] != '[')
		return false;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!strncmp(at, words[i], strlen(words[i])))
			return true;
	return false;
}

bool halt_seen(struct halt_scan *scan, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = data[i];

		if (c == '\r' || (!scan->len && (c == '\n' || c == ' ')))
			continue;
		if (c == '\n') {
			scan->line[scan->len] = '\0';
			scan->seen = is_halt(scan->line);
			scan->len = 0;
			continue;
		}
		scan->seen = false;
		if (scan->len < sizeof(scan->line) - 1)
			scan->line[scan->len++] = c;
	}
	return scan->seen;
}

/*
 * A machine whose kernel has halted stays for ever where it cannot turn itself off.  Anybody may write
 * such a line to the console, so the agent has the last word: as long as it answers, nothing has halted.
 */
static struct fault *end_halted(int dir, const char *path)
{
	const struct vm_dir d = { .path = (char *)(uintptr_t)path, .fd = dir };
	struct vm_handles handles = { 0 };
	AUTO_FD pidfd = -1;
	struct fault *f = vm_handles_read(&d, &handles);

	if (!f)
		f = process_open(&handles.vmm, &pidfd);
	if (!f && pidfd >= 0 && handles.run_dir) {
		struct guest_address address = { vmm_find(handles.driver)->transport,
						 handles.run_dir };
		struct guest *guest = NULL;

		f = guest_connect(&address, HALT_ANSWER_MS, NULL, NULL, &guest);
		guest_close(guest);
		if (f && fault_kind(f) == F_TIMEOUT)
			f = fault_attach(process_kill(pidfd, SIGTERM), f);
	}
	record_release(&vm_handles_type, &handles);
	return f;
}

static void keep_all(int in, int dir, const char *path)
{
	struct halt_scan scan = { .len = 0 };
	AUTO_FD fd = -1;
	char data[CHUNK];

	for (;;) {
		struct pollfd p = { in, POLLIN, 0 };
		int ready = poll(&p, 1, scan.seen ? HALT_SILENCE_MS : TIDY_MS);
		ssize_t n;

		if (!ready) { /* what goes wrong then does so again, or does not matter */
			fault_free(scan.seen ? end_halted(dir, path) : vmm_tidy(dir));
			scan.seen = false;
			continue;
		}
		n = read(in, data, sizeof(data));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		halt_seen(&scan, data, (size_t)n);
		keep(dir, &fd, data, (size_t)n);
	}
}

struct fault *console_keep(const char *path, int in)
{
	AUTO_FD dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return fault_sys(F_SYS, "opening '%s'", path);
	prctl(PR_SET_NAME, "banger-console");
	keep_all(in, dir, path);
	return NULL;
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
