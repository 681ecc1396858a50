/* SPDX-License-Identifier: MIT */
/* test_jail_owner.c - a copied state directory has VMs with the same ids, and leaves the other's jails alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "host/bind.h"
#include "host/cgroup.h"
#include "store/store.h"
#include "vmm/jailer.h"

#define ID "banger-01234567"

static char top[64];
static char *group;

static int vm_dir_of(const char *state)
{
	AUTO_FREE char *vm = xasprintf("%s/%s/vms/a", top, state);
	AUTO_FREE char *jail = xasprintf("%s/" JAIL_DIR "/firecracker/" ID "/root", vm);
	AUTO_FD inner = -1;
	int fd = -1;

	assert_null(dir_make_path(jail, 0700, &inner));
	assert_null(dir_open(AT_FDCWD, vm, &fd));
	return fd;
}

static int setup(void **state)
{
	AUTO_FREE char *groups = NULL, *controllers = NULL, *proc = NULL;
	AUTO_FD dir = -1;
	AUTO_FD file = -1;

	(void)state;
	snprintf(top, sizeof(top), "/tmp/bgjo.XXXXXX");
	assert_non_null(mkdtemp(top));
	groups = xasprintf("%s/sys/fs/cgroup", top);
	controllers = xasprintf("%s/cgroup.controllers", groups);
	proc = xasprintf("%s/proc", top);
	group = xasprintf("%s/" JAIL_GROUP "/" ID, groups);
	assert_null(dir_make_path(groups, 0700, &dir));
	file = open(controllers, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	assert_int_equal(symlink("/proc", proc), 0);
	setenv("BANGER_SYSROOT", top, 1);
	return 0;
}

static int teardown(void **state)
{
	AUTO_FD parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	unsetenv("BANGER_SYSROOT");
	fault_free(tree_remove(parent, top + 5));
	free(group);
	return 0;
}

static bool group_is_there(void)
{
	return access(group, F_OK) == 0;
}

/* False where attributes of the trusted name space cannot be written: nothing to test then. */
static bool make_group(const char *tag)
{
	AUTO_FREE char *kept = NULL;

	assert_null(cgroup_make(JAIL_GROUP, ID, tag));
	kept = cgroup_tag(JAIL_GROUP, ID);
	return kept && !strcmp(kept, tag);
}

static void only_ours_is_removed(void **state)
{
	AUTO_FD original = vm_dir_of("state"), copy = vm_dir_of("copy");
	AUTO_FREE char *tag = store_tag_of(original);
	AUTO_FREE char *jail = xasprintf("%s/copy/vms/a/" JAIL_DIR, top);

	(void)state;
	if (!make_group(tag))
		skip();
	assert_null(jail_remove(copy));
	assert_int_equal(access(jail, F_OK), -1); /* its own files go */
	assert_true(group_is_there());
	assert_null(jail_remove(original));
	assert_false(group_is_there());
}

static void one_without_a_tag_is_ours(void **state)
{
	AUTO_FD copy = vm_dir_of("copy");
	AUTO_FD made = -1;

	(void)state;
	assert_null(dir_make_path(group, 0700, &made));
	assert_null(jail_remove(copy));
	assert_false(group_is_there());
}

/* It waits for what never comes. */
static pid_t start_jailed(int in)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		if (dup2(in, STDIN_FILENO) == STDIN_FILENO)
			execl("/bin/sh", "sh", "-c", "read x; :", "--id", ID, NULL);
		_exit(127);
	}
	return child;
}

static bool is_found(const char *state, pid_t child)
{
	AUTO_FREE char *path = xasprintf("%s/%s/vms/a", top, state);
	struct process_id id = { 0 };
	bool found = false;

	for (int i = 0; !found && i < 20; i++) {
		assert_null(jail_find(path, &found, &id));
		if (!found)
			usleep(20000);
	}
	if (found)
		assert_int_equal(id.pid, child);
	process_id_release(&id);
	return found;
}

static void the_process_is_found_by_its_own_only(void **state)
{
	AUTO_FD original = vm_dir_of("state"), copy = vm_dir_of("copy");
	AUTO_FREE char *tag = store_tag_of(original);
	AUTO_FD in = -1;
	AUTO_FD out = -1;
	int ends[2];
	pid_t child;

	(void)state;
	(void)copy;
	if (!make_group(tag))
		skip();
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	in = ends[0];
	out = ends[1];
	child = start_jailed(in);
	assert_true(is_found("state", child));
	assert_false(is_found("copy", child));
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

/* ---------------------------------------------------------------------------- another file system */

static bool is_mounted(const char *path)
{
	AUTO_BUF text = BUF_INIT;
	AUTO_FD fd = open("/proc/self/mounts", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_null(file_read_fd(fd, MIB, "mounts", &text));
	return strstr(text.data, path) != NULL;
}

/* A file that no hard link reaches from /tmp.  False where there is no such place. */
static bool make_far(char *path)
{
	struct stat here, there;
	int fd = mkstemp(path);

	if (fd < 0)
		return false;
	assert_int_equal(write(fd, "far", 3), 3);
	assert_int_equal(fstat(fd, &there), 0);
	assert_int_equal(stat(top, &here), 0);
	close(fd);
	return here.st_dev != there.st_dev;
}

static void look_at_bound(int root, const struct stat *far)
{
	AUTO_FD written = openat(root, "kernel", O_WRONLY | O_CLOEXEC);
	struct stat st;

	assert_int_equal(written, -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(fstatat(root, "kernel", &st, 0), 0);
	assert_int_equal(st.st_ino, far->st_ino);
	assert_int_equal(st.st_dev, far->st_dev);
}

static void what_no_link_reaches_is_bound(void **state)
{
	char path[] = "/dev/shm/bgjo.XXXXXX";
	AUTO_FD vm = vm_dir_of("state");
	AUTO_FD root = -1;
	struct stat far;
	struct fault *f;

	(void)state;
	if (geteuid() || !make_far(path)) {
		unlink(path);
		skip();
	}
	assert_null(dir_open(vm, JAIL_DIR "/firecracker/" ID "/root", &root));
	f = bind_file(path, root, "kernel");
	if (f) { /* not allowed to mount here, as in a container */
		fault_free(f);
		unlink(path);
		assert_int_equal(faccessat(root, "kernel", F_OK, 0), -1);
		skip();
	}
	assert_int_equal(stat(path, &far), 0);
	look_at_bound(root, &far);
	assert_true(is_mounted(top));
	/* What a process that broke out could leave; and twice, as after a start that was killed. */
	assert_int_equal(symlinkat(path, root, "planted"), 0);
	assert_null(jail_remove(vm));
	assert_null(jail_remove(vm));
	assert_false(is_mounted(top));
	assert_int_equal(stat(path, &far), 0);
	assert_int_equal(far.st_size, 3);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_ours_is_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(one_without_a_tag_is_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(the_process_is_found_by_its_own_only, setup, teardown),
		cmocka_unit_test_setup_teardown(what_no_link_reaches_is_bound, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
