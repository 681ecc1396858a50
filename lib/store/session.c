/* SPDX-License-Identifier: MIT */
#include "store/session.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

struct fault *session_begin(const struct vm_dir *d, int wait_ms, struct lock *lock)
{
	AUTO_FREE char *what = xasprintf("VM '%s'", d->name);
	struct fault *f = lock_take(d->fd, VM_SESSION_FILE, LOCK_SHARED, what, "use", wait_ms, lock);

	if (f && (fault_errno(f) == EROFS || fault_errno(f) == EACCES)) {
		fault_free(f);
		*lock = LOCK_INIT;
		return NULL;
	}
	if (!f && futimens(lock->fd, NULL) < 0)
		f = fault_sys(F_SYS, "noting the use of VM '%s'", d->name);
	return f;
}

void session_end(struct lock *lock)
{
	if (lock->fd >= 0)
		futimens(lock->fd, NULL); /* the beginning was noted: better than nothing */
	lock_drop(lock);
}

/* A file that is made here was never used: its time says so. */
static int open_unused(const struct vm_dir *d)
{
	static const struct timespec never[2] = { { 0, 0 }, { 0, 0 } };
	const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	int fd = openat(d->fd, VM_SESSION_FILE, flags);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	fd = openat(d->fd, VM_SESSION_FILE, flags | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return errno == EEXIST ? openat(d->fd, VM_SESSION_FILE, flags) : fd;
	futimens(fd, never); /* at worst it counts as a use */
	return fd;
}

/* Not lock_take(): that signs the file, which would look like a use. */
struct fault *session_shut_out(const struct vm_dir *d, struct lock *lock, bool *got)
{
	AUTO_FD fd = open_unused(d);

	*got = false;
	if (fd < 0)
		return fault_sys(F_SYS, "opening the session lock of VM '%s'", d->name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK || errno == EINTR)
			return NULL;
		return fault_sys(F_SYS, "locking out sessions of VM '%s'", d->name);
	}
	*got = true;
	lock->fd = steal_fd(&fd);
	return NULL;
}

uint64_t session_stamp(const struct vm_dir *d)
{
	struct stat st;

	if (fstatat(d->fd, VM_SESSION_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
}

time_t session_last(const struct vm_dir *d)
{
	struct stat st;

	return fstatat(d->fd, VM_SESSION_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0
									      : st.st_mtim.tv_sec;
}

bool session_is_open(const struct vm_dir *d)
{
	AUTO_FD fd = openat(d->fd, VM_SESSION_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}
