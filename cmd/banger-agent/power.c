/* SPDX-License-Identifier: MIT */
#include "power.h"

#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>

#include "agent.h"
#include "session.h"

/* SIGRTMIN+4 and +5 as the kernel counts; musl's SIGRTMIN is another. */
#define SYSTEMD_POWER_OFF (34 + 4)
#define SYSTEMD_REBOOT	  (34 + 5)
#define TERM_MS		  2000	   /* from TERM to KILL when the agent is pid 1 */

static void sleep_ms(int ms)
{
	usleep((useconds_t)ms * 1000);
}

/*
 * Firecracker's machine cannot be turned off, its processor would only stand still: there a reset
 * ends it.  The kernel's arguments say so, which are known before anything else is.
 */
static bool ends_by_reset(void)
{
	AUTO_BUF line = BUF_INIT;

	fault_free(read_text("/proc/cmdline", 4096, &line));
	return strstr(line.data, " reboot=k ") != NULL;
}

void power_off_now(void)
{
	sync();
	if (!ends_by_reset())
		reboot(RB_POWER_OFF);
	reboot(RB_AUTOBOOT); /* a machine that cannot turn itself off ends by a reboot */
	for (;;)
		pause();
}

static void run(const char *const *argv)
{
	AUTO_FREE char *path = xstrdup(argv[0]);
	pid_t pid = fork();

	if (!pid) {
		execv(path, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
}

/*
 * Tell the image's init in the way it understands.  A signal is repeated, as the kernel drops one
 * that comes before pid 1 is ready for it; an init that is at it already does not mind.
 */
static void ask_init(void)
{
	static const char *const openrc[][4] = { { "/sbin/openrc-shutdown", "-p", "now", NULL },
						 { "/sbin/openrc-shutdown", "-r", "now", NULL } };
	static const char *const sysv[][5] = { { "/sbin/shutdown", "-h", "-P", "now", NULL },
					       { "/sbin/shutdown", "-r", "now", NULL } };
	static const char *const other[][2] = { { "/sbin/poweroff", NULL },
						{ "/sbin/reboot", NULL } };
	bool reset = ends_by_reset();
	char exe[256] = "";
	ssize_t n = readlink("/proc/1/exe", exe, sizeof(exe) - 1);
	const char *base = n > 0 ? strrchr(exe, '/') : NULL;
	int number = 0;

	if (base && !strcmp(base, "/systemd"))
		number = reset ? SYSTEMD_REBOOT : SYSTEMD_POWER_OFF;
	else if (base && !strcmp(base, "/busybox"))
		number = reset ? SIGTERM : SIGUSR2;
	else if (base && !strcmp(base, "/openrc-init"))
		run(openrc[reset]);
	else
		run(access(sysv[reset][0], X_OK) ? other[reset] : sysv[reset]);
	for (int i = 0; i < POWER_LIMIT_S; i++) {
		if (number)
			kill(1, number);
		sleep(1);
	}
}

static void count(pid_t pid, pid_t sid, void *context)
{
	(void)pid;
	(void)sid;
	++*(int *)context;
}

static bool alone(void)
{
	int others = 0;

	process_each(count, &others);
	return !others;
}

static void end_all_processes(void)
{
	int64_t limit = now_ms() + TERM_MS;

	kill(-1, SIGTERM);
	kill(-1, SIGHUP); /* an interactive shell ignores TERM */
	kill(-1, SIGCONT);
	while (!alone() && now_ms() < limit)
		sleep_ms(10);
	kill(-1, SIGKILL);
	while (!alone() && now_ms() < limit + TERM_MS)
		sleep_ms(10);
}

static void unmount_disks(void)
{
	FILE *mounts = setmntent("/proc/mounts", "re");
	struct strings disks = { 0 };
	struct mntent *m;

	while (mounts && (m = getmntent(mounts)))
		if (!strncmp(m->mnt_fsname, "/dev/", 5))
			strings_add(&disks, m->mnt_dir);
	if (mounts)
		endmntent(mounts);
	for (size_t i = disks.n; i-- > 0;)
		if (umount2(disks.v[i], UMOUNT_NOFOLLOW))
			mount(NULL, disks.v[i], NULL, MS_REMOUNT | MS_RDONLY, NULL);
	strings_release(&disks);
}

static void power_off(bool no_init) __attribute__((noreturn));
static void power_off(bool no_init)
{
	sync();
	if (no_init) {
		end_all_processes();
		unmount_disks();
		power_off_now();
	}
	ask_init();
	say("the image's init has not powered off within %d seconds; turning the machine off",
	    POWER_LIMIT_S);
	power_off_now();
}

bool power_off_begin(void)
{
	static bool begun;
	bool no_init = getpid() == 1;
	pid_t pid;

	if (begun)
		return true;
	pid = fork();
	if (!pid) {
		setsid();
		power_off(no_init);
	}
	begun = pid > 0;
	return begun;
}
