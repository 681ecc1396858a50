/* SPDX-License-Identifier: MIT */
/* serve.c - the agent at work: one loop over ports, commands and ended children. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "agent.h"
#include "journal.h"
#include "loop.h"
#include "port.h"
#include "service.h"
#include "session.h"

#define KEEP_PAUSE_MS 200

static void reap(void *context, uint32_t events)
{
	const struct watch *w = context;
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	(void)events;
	while (read(w->fd, &info, sizeof(info)) > 0)
		continue; /* one may stand for several */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (!ports_reaped(pid, status))
			service_reaped(pid, status);
}

static void watch_children(void)
{
	static struct watch watch = { -1, 0, reap, &watch };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	watch.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	loop_want(&watch, EPOLLIN);
}

/* Streams 0 to 2 must be taken, so that no pipe gets such a number. */
static void sanitize(void)
{
	AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);
	AUTO_FREE char *score = xstrdup("-900");

	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_NAME, "banger-agent");
	fault_free(write_text("/proc/self/oom_score_adj", score, 0));
	if (chdir("/"))
		say("entering '/' failed");
}

int serve_keep(void)
{
	sanitize();
	for (;;) {
		pid_t pid = fork();

		if (!pid) {
			execl(AGENT_PROGRAM, "banger-agent", "serve", (char *)NULL);
			_exit(1);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
		usleep(KEEP_PAUSE_MS * 1000);
	}
}

static struct fault *read_seed(struct seed *seed)
{
	AUTO_BUF text = BUF_INIT;

	TRY(read_text(AGENT_SEED, 16 << 20, &text));
	return record_read(&seed_type, text.data, text.len, AGENT_SEED, seed);
}

/*
 * The ports belong to whoever holds the lock; it ends with the process.
 * @successor: out, there was another agent before this one.
 */
static struct fault *become_only(bool *successor)
{
	static int lock = -1;
	ssize_t n;
	char mark;

	lock = open(AGENT_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return fault_sys(F_SYS, "opening '%s'", AGENT_LOCK);
	while (flock(lock, LOCK_EX))
		if (errno != EINTR)
			return fault_sys(F_SYS, "locking '%s'", AGENT_LOCK);
	n = pread(lock, &mark, 1, 0);
	*successor = n == 1;
	if (!n && pwrite(lock, "1", 1, 0) != 1)
		return fault_sys(F_SYS, "writing '%s'", AGENT_LOCK);
	return NULL;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < 0 ? b : b < 0 || a < b ? a : b;
}

int serve_run(void)
{
	static struct seed seed;
	bool successor = false;
	struct fault *f;

	sanitize();
	f = become_only(&successor);
	if (!f)
		f = read_seed(&seed);
	if (f) {
		say_fault(f);
		return 1;
	}
	loop_init();
	watch_children();
	journal_write(seed.operation && journal_id(seed.operation) && !successor ? seed.operation : NULL,
		      successor ? "another agent takes over" : "the machine was started");
	ports_init(&seed, successor);
	if (getpid() == 1)
		service_start(&seed);
	for (;;)
		loop_once(sooner(ports_tick(), session_tick()));
}
