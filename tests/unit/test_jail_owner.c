/* SPDX-License-Identifier: MIT */
/* test_jail_owner.c - a copied state directory has VMs with the same ids, and leaves the other's jails alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_ours_is_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(one_without_a_tag_is_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(the_process_is_found_by_its_own_only, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
