/* SPDX-License-Identifier: MIT */
#include "host/process.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/text.h"
#include "host/machine.h"
#include "host/sysroot.h"

static const struct field process_id_fields[] = {
	FIELD(struct process_id, pid, FIELD_U64),
	FIELD(struct process_id, start_ticks, FIELD_U64),
	FIELD(struct process_id, boot_id, FIELD_STRING),
};

const struct record_type process_id_type = {
	"process", sizeof(struct process_id), process_id_fields, ARRAY_LEN(process_id_fields), 0,
};

void process_id_release(struct process_id *id)
{
	record_release(&process_id_type, id);
}

/* Fields of /proc/<pid>/stat, numbered as in proc_pid_stat(5). */
enum { STAT_STATE = 3, STAT_START = 22 };

/*
 * The command name in field 2 may hold anything, so counting starts after the last ')'.
 */
static const char *stat_field(const struct buf *stat, int wanted)
{
	const char *at = memrchr(stat->data, ')', stat->len);

	for (int field = 2; at && field < wanted; field++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	return at;
}

bool process_identify(pid_t pid, struct process_id *id)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/stat", (int)pid);
	AUTO_BUF stat = BUF_INIT;
	char state;

	if (pid <= 0 || !sysroot_read(path, 4096, &stat) || !stat_field(&stat, STAT_START))
		return false;
	state = *stat_field(&stat, STAT_STATE);
	if (state == 'Z' || state == 'X')
		return false;
	*id = (struct process_id){
		.pid = (uint64_t)pid,
		.start_ticks = strtoull(stat_field(&stat, STAT_START), NULL, 10),
		.boot_id = xstrdup(machine_boot_id()),
	};
	return true;
}

static bool same_process(const struct process_id *a, const struct process_id *b)
{
	return a->pid == b->pid && a->start_ticks == b->start_ticks && a->boot_id && b->boot_id &&
	       !strcmp(a->boot_id, b->boot_id);
}

int process_open(const struct process_id *id)
{
	struct process_id now;
	AUTO_FD pidfd = -1;
	bool same;

	if (!id->pid || id->pid > INT32_MAX)
		return -1;
	pidfd = (int)syscall(SYS_pidfd_open, (pid_t)id->pid, 0);
	if (pidfd < 0 || !process_identify((pid_t)id->pid, &now))
		return -1;
	same = same_process(id, &now);
	process_id_release(&now);
	return same ? steal_fd(&pidfd) : -1;
}

/* Does the NUL-separated argument list hold @wanted as a whole value? */
static bool arguments_hold(const struct buf *arguments, const char *wanted)
{
	size_t len = strlen(wanted);
	const char *at = arguments->data, *end = arguments->data + arguments->len;

	while ((at = memmem(at, (size_t)(end - at), wanted, len))) {
		bool starts = at == arguments->data || strchr("=:,", at[-1]); /* NUL included */
		char following = at[len]; /* a buffer is followed by a NUL */

		if (starts && (following == '\0' || following == ','))
			return true;
		at++;
	}
	return false;
}

bool process_find(const char *argument, struct process_id *id)
{
	AUTO_FD proc = sysroot_open_dir("/proc");
	AUTO_DIR listing = proc < 0 ? NULL : fdopendir(proc);
	struct dirent *entry;

	if (!listing)
		return false;
	steal_fd(&proc);
	while ((entry = readdir(listing))) {
		AUTO_BUF arguments = BUF_INIT;
		AUTO_FREE char *path = NULL;

		if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name))
			continue;
		path = xasprintf("/proc/%s/cmdline", entry->d_name);
		if (sysroot_read(path, 256 * KIB, &arguments) &&
		    arguments_hold(&arguments, argument) &&
		    process_identify((pid_t)strtol(entry->d_name, NULL, 10), id))
			return true;
	}
	return false;
}

struct fault *process_kill(int pidfd, int number)
{
	if (syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) < 0 && errno != ESRCH)
		return fault_sys(F_SYS, "sending signal %d", number);
	return NULL;
}

struct fault *process_wait_gone(int pidfd, int ms, bool *gone)
{
	int64_t deadline = clock_deadline(ms);

	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = pidfd, .events = POLLIN },
			{ .fd = cancel_fd(), .events = POLLIN },
		};
		int n = poll(fds, 2, clock_left(deadline));

		if (n < 0 && errno != EINTR)
			return fault_sys(F_SYS, "waiting for a process");
		if (n == 0 || (n > 0 && fds[0].revents)) {
			*gone = n > 0;
			return NULL;
		}
		TRY(cancel_check());
	}
}
