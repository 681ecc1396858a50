/* SPDX-License-Identifier: MIT */
/*
 * boot.c - /init of the initramfs, pid 1.
 *
 * Theory of operation
 *
 * 1. In the initramfs: /dev, /proc and /sys, the modules, the seed, the disks.
 * 2. The root disk is mounted and becomes "/": mounts are moved, then chroot.  From here on every
 *    path is resolved by the image's own links, and none leads out of it.
 * 3. In the image: /run and the work disk; then the modules disk, network, host name, resolver,
 *    clock.
 * 4. The agent is copied to /run.  Where the image has an init, the agent is forked and the init
 *    executed; else the agent goes on as pid 1.  The agent answers from then on, long before
 *    the image's init has finished.
 *
 * A failure up to the work disk is fatal: one line on the console, then the machine is turned off,
 * so that the host sees the end and can show the line.  A missing work disk is fatal because what
 * the user saves in /root would end up on a disk that a reset throws away.  Later failures are told
 * and passed over: a machine that answers with a part missing is easier to mend than one that does
 * not.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "agent.h"
#include "disks.h"
#include "image_init.h"
#include "network.h"
#include "power.h"
#include "settings.h"
#include "ssh.h"
#include "sync.h"
#include "systemd.h"
#include "tree.h"
#include "work.h"

#define NEW_ROOT     "/newroot"
#define MODULES_MAX  (1 << 20)
#define SEED_MAX     (16 << 20)
#define COMPRESSED   4 /* MODULE_INIT_COMPRESSED_FILE */

struct machine {
	struct seed seed;
	int initramfs; /* its root directory */
	int program;   /* our own file */
};

/* ------------------------------------------------------------------------------------- step 1 */

static struct fault *mount_at(const char *type, const char *where, unsigned long flags,
			      const char *options)
{
	if (mkdir(where, 0755) && errno != EEXIST)
		return fault_sys(F_SYS, "making '%s'", where);
	if (mount(type, where, type, flags, options))
		return fault_sys(F_SYS, "mounting '%s'", where);
	return NULL;
}

static struct fault *mount_kernel(void)
{
	TRY(mount_at("devtmpfs", "/dev", MS_NOSUID, "mode=0755"));
	TRY(mount_at("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
	return mount_at("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static void load_module(const char *path)
{
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *dot = strrchr(path, '.');
	int flags = dot && strcmp(dot, ".ko") != 0 ? COMPRESSED : 0;

	if (fd >= 0 && (!syscall(SYS_finit_module, fd, "", flags) || errno == EEXIST))
		return;
	say_fault(fault_sys(F_SYS, "loading the module '%s'", path));
}

static void load_modules(void)
{
	AUTO_BUF list = BUF_INIT;
	struct fault *f = read_text("/" SEED_MODULES_LIST, MODULES_MAX, &list);
	char *rest = list.data;

	if (f && fault_errno(f) == ENOENT) {
		fault_free(f); /* everything is built into this kernel */
		return;
	}
	say_fault(f);
	while (rest && *rest) {
		char *line = strsep(&rest, "\n");

		if (*line)
			load_module(line);
	}
}

static struct fault *read_seed(struct seed *seed)
{
	AUTO_BUF text = BUF_INIT;

	TRY(read_text("/" SEED_FILE, SEED_MAX, &text));
	return record_read(&seed_type, text.data, text.len, SEED_FILE, seed);
}

/* ------------------------------------------------------------------------------------- step 2 */

static struct fault *carry_mount(const char *from, const char *to)
{
	if (mkdir(to, 0755) && errno != EEXIST)
		return fault_sys(F_SYS, "making '%s'", to);
	if (mount(from, to, NULL, MS_MOVE, NULL))
		return fault_sys(F_SYS, "moving '%s' to '%s'", from, to);
	return NULL;
}

static struct fault *enter_root(struct machine *m)
{
	AUTO_FREE char *device = NULL;

	TRY(disk_find(m->seed.root_disk, &device));
	if (mkdir(NEW_ROOT, 0755) && errno != EEXIST)
		return fault_sys(F_SYS, "making '%s'", NEW_ROOT);
	TRY(disk_mount(device, NEW_ROOT, false));
	say_fault(disk_grow(device, NEW_ROOT));
	m->initramfs = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	m->program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	TRY(carry_mount("/dev", NEW_ROOT "/dev"));
	TRY(carry_mount("/proc", NEW_ROOT "/proc"));
	TRY(carry_mount("/sys", NEW_ROOT "/sys"));
	if (chdir(NEW_ROOT) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		return fault_sys(F_SYS, "changing to the root disk");
	return NULL;
}

/* ------------------------------------------------------------------------------------- step 3 */

static struct fault *copy_program(int from)
{
	AUTO_FD to = open(AGENT_PROGRAM, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	char data[16384];
	ssize_t n;

	if (to < 0)
		return fault_sys(F_SYS, "creating '%s'", AGENT_PROGRAM);
	while ((n = read(from, data, sizeof(data))) > 0)
		if (write(to, data, (size_t)n) != n)
			return fault_sys(F_SYS, "writing '%s'", AGENT_PROGRAM);
	return n < 0 ? fault_sys(F_SYS, "reading the agent's program") : NULL;
}

static struct fault *set_up_run(struct machine *m)
{
	AUTO_BUF text = BUF_INIT;

	TRY(mount_at("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755,size=20%"));
	if (mkdir(AGENT_DIR, 0755))
		return fault_sys(F_SYS, "making '%s'", AGENT_DIR);
	TRY(copy_program(m->program));
	record_write(&seed_type, &m->seed, &text);
	return write_text(AGENT_SEED, text.data, 0600);
}

static struct fault *mount_modules(const struct seed *seed)
{
	AUTO_FREE char *device = NULL;
	AUTO_FREE char *where = NULL;

	if (!seed->modules_disk || !seed->kernel_release)
		return NULL;
	if (strchr(seed->kernel_release, '/'))
		return fault_new(F_INVALID, "'%s' is no kernel release", seed->kernel_release);
	TRY(disk_find(seed->modules_disk, &device));
	where = xasprintf("/lib/modules/%s", seed->kernel_release);
	if ((mkdir("/lib", 0755) && errno != EEXIST) ||
	    (mkdir("/lib/modules", 0755) && errno != EEXIST) ||
	    (mkdir(where, 0755) && errno != EEXIST))
		return fault_sys(F_SYS, "making '%s'", where);
	return disk_mount(device, where, true);
}

static struct fault *mount_work(const struct seed *seed)
{
	AUTO_FREE char *device = NULL;

	if (!seed->work_disk)
		return NULL;
	TRY(disk_find(seed->work_disk, &device));
	return work_mount(device);
}

static void link_dev(const char *target, const char *path)
{
	if (symlink(target, path) && errno != EEXIST)
		say_fault(fault_sys(F_SYS, "making '%s'", path));
}

/* What commands need before, or without, an init that would do it. */
static void set_up_dev(void)
{
	say_fault(mount_at("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC,
			   "gid=5,mode=0620,ptmxmode=0666"));
	say_fault(mount_at("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777"));
	link_dev("/proc/self/fd", "/dev/fd");
	link_dev("fd/0", "/dev/stdin");
	link_dev("fd/1", "/dev/stdout");
	link_dev("fd/2", "/dev/stderr");
}

/* What an init would have mounted. */
static void set_up_container(void)
{
	say_fault(mount_at("cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
	say_fault(mount_at("mqueue", "/dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
}

/* ------------------------------------------------------------------------------------- step 4 */

static void run_agent(const char *mode)
{
	clearenv();
	execl(AGENT_PROGRAM, "banger-agent", mode, (char *)NULL);
	say_fault(fault_sys(F_SYS, "starting '%s'", AGENT_PROGRAM));
}

static void run_init(const char *path, char **argv, const char *agent_mode)
{
	pid_t pid = fork();

	if (!pid) {
		setsid();
		run_agent(agent_mode);
		_exit(1);
	}
	if (pid < 0)
		say_fault(fault_sys(F_SYS, "starting the agent"));
	argv[0] = (char *)(uintptr_t)path;
	execv(path, argv);
	say_fault(fault_sys(F_SYS, "starting the image's init '%s'", path));
}

static void set_up_image(struct machine *m)
{
	sync_files(m->initramfs);
	tree_empty(m->initramfs); /* it is memory, and nothing in it is needed any more */
	set_up_dev();
	say_fault(mount_modules(&m->seed));
	settings_apply(&m->seed);
	say_fault(ssh_place(&m->seed));
	say_fault(network_up(&m->seed.net));
}

static struct fault *bring_up(struct machine *m)
{
	TRY(mount_kernel());
	load_modules();
	TRY(read_seed(&m->seed));
	TRY(enter_root(m));
	TRY(set_up_run(m));
	return mount_work(&m->seed);
}

void boot_run(char **argv)
{
	static struct machine m = { .initramfs = -1, .program = -1 };
	struct fault *f = bring_up(&m);
	const char *path;

	if (f) {
		say_fault(f);
		power_off_now();
	}
	set_up_image(&m);
	switch (image_init_find(&path)) {
	case INIT_NONE:
		set_up_container();
		run_agent("serve");
		break;
	case INIT_SYSTEMD:
		systemd_prepare();
		run_init(path, argv, "serve"); /* the unit takes over when it ends */
		break;
	case INIT_OTHER:
		run_init(path, argv, "keep");
		break;
	}
	power_off_now();
}
