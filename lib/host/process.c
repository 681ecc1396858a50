/* SPDX-License-Identifier: MIT */
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "host/machine.h"
#include "host/sysroot.h"

#define DYING_MS 5000

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

	if (pid <= 0 || !*machine_boot_id() || !sysroot_read(path, 4096, &stat) ||
	    !stat_field(&stat, STAT_START))
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

/*
 * Has it ended?  For a process that shows nothing of itself any more.  Killed, it is a zombie as soon as its first thread
 * has ended; it is gone when the others have, too, which may be a while later.
 */
static bool await_end(int pidfd)
{
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };

	return poll(&fd, 1, DYING_MS) > 0;
}

struct fault *process_open(const struct process_id *id, int *pidfd)
{
	struct process_id now;
	AUTO_FD fd = -1;

	*pidfd = -1;
	if (!id->pid || id->pid > INT32_MAX)
		return NULL;
	fd = (int)syscall(SYS_pidfd_open, (pid_t)id->pid, 0);
	if (fd < 0 && (errno == ESRCH || errno == EINVAL))
		return NULL;
	if (fd < 0)
		return fault_sys(F_SYS, "looking for process %d", (int)id->pid);
	if (process_identify((pid_t)id->pid, &now)) {
		if (same_process(id, &now))
			*pidfd = steal_fd(&fd);
		process_id_release(&now);
	} else if (!await_end(fd)) {
		return fault_new(F_SYS, "process %d is there but cannot be looked at", (int)id->pid);
	}
	return NULL;
}

/* Do the NUL-terminated arguments hold @option and then @value?  The first one is the program. */
static bool arguments_hold(const struct buf *arguments, const char *option, const char *value)
{
	AUTO_BUF wanted = BUF_INIT;

	buf_addc(&wanted, '\0');
	buf_add(&wanted, option, strlen(option) + 1);
	buf_add(&wanted, value, strlen(value) + 1);
	return memmem(arguments->data, arguments->len, wanted.data, wanted.len);
}

/* The arguments of a process of this user; another user's, or a process that just ended, has none. */
static struct fault *read_arguments(int proc, const char *pid, uid_t uid, struct buf *out)
{
	AUTO_FREE char *path = xasprintf("%s/cmdline", pid);
	AUTO_FD fd = openat(proc, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		return fault_sys(F_SYS, "looking for a process");
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != uid)
		return NULL;
	fault_free(file_read_fd(fd, 256 * KIB, path, out));
	return NULL;
}

struct fault *process_find_as(uid_t uid, const char *option, const char *value, bool *found,
			      struct process_id *id)
{
	AUTO_FD proc = sysroot_open_dir("/proc");
	AUTO_DIR listing = proc < 0 ? NULL : fdopendir(proc);
	struct dirent *entry;

	*found = false;
	if (!listing)
		return fault_sys(F_SYS, "listing the processes");
	steal_fd(&proc);
	while (!*found && (entry = readdir(listing))) {
		AUTO_BUF arguments = BUF_INIT;

		if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name))
			continue;
		TRY(read_arguments(dirfd(listing), entry->d_name, uid, &arguments));
		*found = arguments_hold(&arguments, option, value) &&
			 process_identify((pid_t)strtol(entry->d_name, NULL, 10), id);
	}
	return NULL;
}

struct fault *process_find(const char *option, const char *value, bool *found,
			   struct process_id *id)
{
	return process_find_as(geteuid(), option, value, found, id);
}

struct fault *process_of_user(uid_t uid, bool *any)
{
	AUTO_FD proc = sysroot_open_dir("/proc");
	AUTO_DIR listing = proc < 0 ? NULL : fdopendir(proc);
	struct dirent *entry;
	struct stat st;

	*any = false;
	if (!listing)
		return fault_sys(F_SYS, "listing the processes");
	steal_fd(&proc);
	while (!*any && (entry = readdir(listing)))
		*any = strspn(entry->d_name, "0123456789") == strlen(entry->d_name) &&
		       !fstatat(dirfd(listing), entry->d_name, &st, 0) && st.st_uid == uid;
	return NULL;
}

/* The value of the first of @options in the NUL-terminated arguments; NULL when there is none.  Borrowed. */
static const char *argument_after(const struct buf *arguments, const char *const *options, size_t n,
				  const char *prefix, size_t *option)
{
	const char *end = arguments->data + arguments->len;

	for (const char *at = arguments->data; at < end; at += strlen(at) + 1) {
		const char *value = at + strlen(at) + 1;

		for (size_t i = 0; i < n && value < end; i++)
			if (!strcmp(at, options[i]) && !strncmp(value, prefix, strlen(prefix))) {
				*option = i;
				return value;
			}
	}
	return NULL;
}

struct fault *process_list(const char *const *options, size_t n, const char *prefix,
			   struct records *out)
{
	AUTO_FD proc = sysroot_open_dir("/proc");
	AUTO_DIR listing = proc < 0 ? NULL : fdopendir(proc);
	struct dirent *entry;
	struct fault *f = NULL;

	*out = (struct records){ 0 };
	if (!listing)
		return fault_sys(F_SYS, "listing the processes");
	steal_fd(&proc);
	while (!f && (entry = readdir(listing))) {
		AUTO_BUF arguments = BUF_INIT;
		struct process_match match = { 0 };
		const char *value;

		if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name))
			continue;
		f = read_arguments(dirfd(listing), entry->d_name, geteuid(), &arguments);
		value = f ? NULL : argument_after(&arguments, options, n, prefix, &match.option);
		if (!value || !process_identify((pid_t)strtol(entry->d_name, NULL, 10), &match.id))
			continue;
		match.value = xstrdup(value);
		*(struct process_match *)records_add(out, sizeof(match)) = match;
	}
	if (f)
		process_list_release(out);
	return f;
}

void process_list_release(struct records *matches)
{
	struct process_match *all = matches->v;

	for (size_t i = 0; i < matches->n; i++) {
		process_id_release(&all[i].id);
		free(all[i].value);
	}
	free(all);
	*matches = (struct records){ 0 };
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

char *process_program(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n <= 0)
		return xstrdup("banger");
	path[n] = '\0';
	return xstrdup(path);
}

char *process_fd_path(int fd)
{
	return xasprintf("/proc/%d/fd/%d", (int)getpid(), fd);
}
