/* SPDX-License-Identifier: MIT */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"

#define RETRY_MS_MAX 50
#define TELL_AFTER_MS 200

static void (*notice_callback)(const char *sentence);

void lock_set_notice(void (*notice)(const char *sentence))
{
	notice_callback = notice;
}

_Bool lock_holder(int dir, const char *name, struct lock_holder *holder)
{
	AUTO_FD fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	char line[128];
	ssize_t n = fd < 0 ? -1 : pread(fd, line, sizeof(line) - 1, 0);
	long long since;
	int pid;

	if (n <= 0)
		return false;
	line[n] = '\0';
	*holder = (struct lock_holder){ 0 };
	if (sscanf(line, "%d %31[a-z-] @%lld", &pid, holder->verb, &since) != 3 || pid <= 0)
		return false;
	holder->verb[strcspn(holder->verb, " ")] = '\0'; /* the blank before the "@" */
	holder->pid = pid;
	holder->since = since;
	return true;
}

static void sign(int fd, const char *verb)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%d %s @%lld\n", (int)getpid(), verb,
			   (long long)time(NULL));

	/* For messages only; a full disk must not keep anybody from locking. */
	if (!ftruncate(fd, 0) && pwrite(fd, line, (size_t)len, 0) < 0)
		return;
}

/* "in use by 'start' (pid 12, since 3 s)", as far as known.  Owned. */
static char *describe_holder(int dir, const char *name)
{
	struct lock_holder holder;

	if (!lock_holder(dir, name, &holder))
		return xstrdup("in use by another banger");
	return xasprintf("in use by '%s' (pid %d, for %lld s)", holder.verb, (int)holder.pid,
			 (long long)(time(NULL) - holder.since));
}

/* Is the inode that we locked still the one the name leads to? */
static bool still_linked(int dir, const char *name, int fd)
{
	struct stat ours, theirs;

	return !fstat(fd, &ours) && !fstatat(dir, name, &theirs, AT_SYMLINK_NOFOLLOW) &&
	       ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

static struct fault *open_lock(int dir, const char *name, const char *what, int *fd)
{
	*fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	if (*fd >= 0)
		return NULL;
	if (errno == ENOENT) /* its directory has been removed since it was opened */
		return fault_new(F_NOT_FOUND, "%s is not there any more", what);
	return fault_sys(F_SYS, "opening the lock of %s", what);
}

struct wait_state {
	int64_t began_ms, deadline;
	int64_t tell_ms; /* a shorter wait is not worth a word */
	int pause_ms;
	bool told;
};

/* One pause between two tries, or the fault that ends the waiting. */
static struct fault *wait_a_little(struct wait_state *w, int dir, const char *name,
				   const char *what)
{
	struct pollfd stop = { .fd = cancel_fd(), .events = POLLIN };
	int left = clock_left(w->deadline);
	int pause = left >= 0 && left < w->pause_ms ? left : w->pause_ms;

	if (left == 0) {
		AUTO_FREE char *holder = describe_holder(dir, name);

		return fault_hint(fault_new(F_BUSY, "%s is %s", what, holder),
				  "Try again, or give more time with --wait 1m.");
	}
	if (!w->told && notice_callback && clock_now_ms() >= w->tell_ms) {
		AUTO_FREE char *holder = describe_holder(dir, name);
		AUTO_FREE char *sentence = xasprintf("%s is %s; waiting", what, holder);

		notice_callback(sentence);
		w->told = true;
	}
	poll(&stop, 1, pause);
	if (w->pause_ms < RETRY_MS_MAX)
		w->pause_ms *= 2;
	return fault_wrap(cancel_check(), "waiting for %s", what);
}

struct fault *lock_take(int dir, const char *name, enum lock_kind kind, const char *what,
			const char *verb, int wait_ms, struct lock *lock)
{
	int operation = (kind == LOCK_SHARED ? LOCK_SH : LOCK_EX) | LOCK_NB;
	int64_t now = clock_now_ms();
	struct wait_state w = { now, clock_deadline(wait_ms), now + TELL_AFTER_MS, 1, false };
	AUTO_FD fd = -1;

	for (;;) {
		if (fd < 0)
			TRY(open_lock(dir, name, what, &fd));
		if (!flock(fd, operation)) {
			if (still_linked(dir, name, fd))
				break;
			/* Removed while we waited: what is there now, if anything, is another. */
			fd_close(steal_fd(&fd));
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return fault_sys(F_SYS, "locking %s", what);
		TRY(wait_a_little(&w, dir, name, what));
	}
	if (w.pause_ms > 1)
		log_write(LOG_LEVEL_INFO, "waited %lld ms for %s",
			  (long long)(clock_now_ms() - w.began_ms), what);
	if (kind == LOCK_EXCLUSIVE)
		sign(fd, verb);
	lock->fd = steal_fd(&fd);
	return NULL;
}

void lock_drop(struct lock *lock)
{
	fd_close(lock->fd);
	lock->fd = -1;
}
