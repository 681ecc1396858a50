/* SPDX-License-Identifier: MIT */
/* Processes, programs, and facts about machines that are not this one. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "host/machine.h"
#include "host/process.h"
#include "host/spawn.h"

#define assert_ok(expr)                                                                            \
	do {                                                                                       \
		struct fault *got_ = (expr);                                                       \
		if (got_)                                                                          \
			fail_msg("%s", fault_message(got_));                                       \
	} while (0)

static void output_comes_back(void **state)
{
	const char *const argv[] = { "echo", "a b", "*", NULL };
	AUTO_BUF out = BUF_INIT;

	(void)state;
	assert_ok(spawn_run(&(struct spawn){ SPAWN_INIT, .argv = argv }, &out, 100));
	assert_string_equal(out.data, "a b *\n");
}

static void a_failing_program_says_what_it_said(void **state)
{
	const char *const argv[] = { "sh", "-c", "echo the reason >&2; exit 7", NULL };
	AUTO_FAULT f = spawn_run(&(struct spawn){ SPAWN_INIT, .argv = argv }, NULL, 0);

	(void)state;
	assert_non_null(f);
	assert_int_equal(fault_kind(f), F_TOOL);
	assert_non_null(strstr(fault_message(f), "status 7"));
	assert_non_null(strstr(fault_message(fault_next(f)), "the reason"));
}

static void a_signal_death_is_not_success(void **state)
{
	const char *const argv[] = { "sh", "-c", "kill -9 $$", NULL };
	AUTO_FAULT f = spawn_run(&(struct spawn){ SPAWN_INIT, .argv = argv }, NULL, 0);

	(void)state;
	assert_non_null(f);
	assert_non_null(strstr(fault_message(f), "signal 9"));
}

static void exec_failures_name_the_step(void **state)
{
	const char *const missing[] = { "no-such-program-here", NULL };
	const char *const argv[] = { "true", NULL };
	AUTO_FAULT absent = spawn_run(&(struct spawn){ SPAWN_INIT, .argv = missing }, NULL, 0);
	AUTO_FAULT cwd = spawn_run(&(struct spawn){ SPAWN_INIT, .argv = argv, .cwd = "/nowhere" },
				   NULL, 0);

	(void)state;
	assert_int_equal(fault_kind(absent), F_MISSING);
	assert_non_null(strstr(fault_message(cwd), "changing directory"));
}

static void a_deadline_kills(void **state)
{
	const char *const argv[] = { "sleep", "60", NULL };
	int64_t before = clock_now_ms();
	AUTO_FAULT f = spawn_run(&(struct spawn){ SPAWN_INIT, .argv = argv, .deadline_ms = 100 },
				 NULL, 0);

	(void)state;
	assert_int_equal(fault_kind(f), F_TIMEOUT);
	assert_true(clock_now_ms() - before < 10000);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing left to reap */
}

static void no_descriptor_leaks_into_children(void **state)
{
	const char *const argv[] = { "ls", "/proc/self/fd", NULL };
	AUTO_FD inheritable = dup2(STDERR_FILENO, 77);
	AUTO_BUF out = BUF_INIT;

	(void)state;
	assert_true(inheritable == 77);
	assert_ok(spawn_run(&(struct spawn){ SPAWN_INIT, .argv = argv }, &out, 1000));
	assert_string_equal(out.data, "0\n1\n2\n3\n"); /* 3 is ls's own */
}

static void standard_descriptors_may_be_crossed(void **state)
{
	const char *const argv[] = { "sh", "-c", "echo out; echo err >&2", NULL };
	struct child child = CHILD_INIT;
	struct child_status status;
	char text[64] = "";
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_ok(spawn_start(&(struct spawn){ .argv = argv, .in = SPAWN_NULL, .out = fds[1],
					       .err = fds[1] }, &child));
	close(fds[1]);
	assert_ok(child_wait(&child, 5000, &status));
	assert_int_equal(read(fds[0], text, sizeof(text) - 1), 8);
	assert_string_equal(text, "out\nerr\n");
	close(fds[0]);
}

static void too_much_output_is_a_fault(void **state)
{
	const char *const argv[] = { "yes", NULL };
	AUTO_BUF out = BUF_INIT;
	AUTO_FAULT f = spawn_run(&(struct spawn){ SPAWN_INIT, .argv = argv }, &out, 1000);

	(void)state;
	assert_int_equal(fault_kind(f), F_TOOL);
}

static void a_recycled_pid_is_not_believed(void **state)
{
	struct process_id me = { 0 };
	AUTO_FD pidfd = -1;
	int none = -1;

	(void)state;
	assert_true(process_identify(getpid(), &me));
	assert_ok(process_open(&me, &pidfd));
	assert_true(pidfd >= 0);
	me.start_ticks++;
	assert_ok(process_open(&me, &none));
	assert_int_equal(none, -1);
	me.start_ticks--;
	me.boot_id[0] = me.boot_id[0] == '0' ? '1' : '0';
	assert_ok(process_open(&me, &none));
	assert_int_equal(none, -1);
	me.pid = UINT64_C(1) << 40;
	assert_ok(process_open(&me, &none));
	assert_int_equal(none, -1);
	process_id_release(&me);
}

static void without_descriptors_nothing_counts_as_gone(void **state)
{
	struct rlimit old, few;
	struct process_id me = { 0 };
	bool found;
	int pidfd;

	(void)state;
	assert_true(process_identify(getpid(), &me));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = (struct rlimit){ 3, old.rlim_max };
	for (int free_fds = 0; free_fds < 2; free_fds++, few.rlim_cur++) {
		struct fault *f, *g;

		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		f = process_open(&me, &pidfd);
		g = process_find("x", "y", &found, &me);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		assert_non_null(f);
		assert_non_null(g);
		fault_free(f);
		fault_free(g);
	}
	process_id_release(&me);
}

static void a_zombie_is_gone(void **state)
{
	struct process_id id = { 0 };
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(0);
	waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT);
	assert_false(process_identify(pid, &id));
	waitpid(pid, NULL, 0);
}

static void *linger(void *context)
{
	usleep(300000);
	_exit(0);
	return context;
}

/* Its first thread is a zombie, the other one still runs, as when a large VMM was killed. */
static void a_process_that_dies_is_waited_for(void **state)
{
	struct process_id id = { 0 }, now = { 0 };
	pthread_t thread;
	pid_t pid = fork();
	AUTO_FD pidfd = -1;

	(void)state;
	if (!pid) {
		usleep(50000);
		if (!pthread_create(&thread, NULL, linger, NULL))
			pthread_exit(NULL);
		_exit(1);
	}
	assert_true(process_identify(pid, &id));
	for (; process_identify(pid, &now); usleep(1000))
		process_id_release(&now);
	assert_ok(process_open(&id, &pidfd));
	assert_int_equal(pidfd, -1);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), pid);
	process_id_release(&id);
}

static bool found_by(const char *option, const char *value, struct process_id *id)
{
	bool found = false;

	assert_ok(process_find(option, value, &found, id));
	return found;
}

static void processes_are_found_by_whole_arguments(void **state)
{
	const char *const argv[] = { "sh", "-c", "sleep 60", "x",
				     "path=/tmp/banger-test-needle/qmp", NULL };
	struct child child = CHILD_INIT;
	struct process_id id = { 0 };

	(void)state;
	assert_ok(spawn_start(&(struct spawn){ SPAWN_INIT, .argv = argv }, &child));
	assert_true(found_by("x", "path=/tmp/banger-test-needle/qmp", &id));
	assert_int_equal(id.pid, child.pid);
	process_id_release(&id);
	assert_false(found_by("x", "path=/tmp/banger-test-needle/q", &id));
	assert_false(found_by("x", "/tmp/banger-test-needle/qmp", &id));
	assert_false(found_by("sleep 60", "path=/tmp/banger-test-needle/qmp", &id));
	child_kill(&child);
}

static void only_a_static_program_starts_anywhere(void **state)
{
	AUTO_FREE char *alone = machine_find_program("busybox"); /* Debian's busybox-static */
	char script[] = "/tmp/banger-script-XXXXXX";
	AUTO_FD fd = mkstemp(script);

	(void)state;
	assert_non_null(alone);
	assert_true(machine_program_is_static(alone));
	assert_false(machine_program_is_static("/proc/self/exe"));
	assert_false(machine_program_is_static("/no/such/program"));
	assert_false(machine_program_is_static("/"));
	assert_false(machine_program_is_static(script));
	assert_ok(file_write_all(fd, "#!/bin/sh\nexec true # as long as a header would be ...........\n", 63,
				 script));
	assert_false(machine_program_is_static(script));
	unlink(script);
}

/* ------------------------------------------------------------------------ other machines */

static char sysroot[64];

static void dump(const char *path, const char *text)
{
	AUTO_FREE char *full = xasprintf("%s%s", sysroot, path);
	AUTO_FREE char *dir = xstrdup(full);
	AUTO_FD fd = -1;
	AUTO_FD made = -1;

	*strrchr(dir, '/') = '\0';
	assert_ok(dir_make_path(dir, 0700, &made));
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_ok(file_write_all(fd, text, strlen(text), full));
}

static int make_sysroot(void **state)
{
	(void)state;
	snprintf(sysroot, sizeof(sysroot), "/tmp/banger-sysroot-XXXXXX");
	if (!mkdtemp(sysroot))
		return -1;
	return setenv("BANGER_SYSROOT", sysroot, 1);
}

static int remove_sysroot(void **state)
{
	(void)state;
	unsetenv("BANGER_SYSROOT");
	fault_free(tree_remove(AT_FDCWD, sysroot));
	return 0;
}

static void kvm_that_opens_without_a_cpu_flag_is_none(void **state)
{
	AUTO_FAULT f = NULL;

	(void)state;
	dump("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu svmx novmx sse\n\n");
	dump("/dev/kvm", "");
	f = machine_kvm_fault();
	assert_non_null(f);
	assert_int_equal(fault_kind(f), F_UNSUPPORTED);
}

static void kvm_with_flag_and_device_works(void **state)
{
	(void)state;
	dump("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vmx sse\n\n");
	dump("/dev/kvm", "");
	assert_null(machine_kvm_fault());
}

static void kvm_without_the_device_says_so(void **state)
{
	AUTO_FAULT f = NULL;

	(void)state;
	dump("/proc/cpuinfo", "processor\t: 0\nflags\t\t: svm\n");
	f = machine_kvm_fault();
	assert_non_null(f);
	assert_int_equal(fault_kind(f), F_MISSING);
}

static void memory_of_another_machine(void **state)
{
	(void)state;
	dump("/proc/meminfo", "MemTotal:        2048 kB\nMemFree: 1 kB\nMemAvailable:    1024 kB\n");
	assert_int_equal(machine_memory_total(), 2048 * KIB);
	assert_int_equal(machine_memory_available(), 1024 * KIB);
}

static void a_command_name_with_brackets_is_parsed(void **state)
{
	struct process_id id = { 0 };

	(void)state;
	dump("/proc/4242/stat", "4242 (a) S 1 (b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20 "
	     "21 22\n");
	assert_true(process_identify(4242, &id));
	assert_int_equal(id.start_ticks, 777);
	process_id_release(&id);
	dump("/proc/4242/stat", "garbage");
	assert_false(process_identify(4242, &id));
	dump("/proc/4242/stat", "");
	assert_false(process_identify(4242, &id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_comes_back),
		cmocka_unit_test(a_failing_program_says_what_it_said),
		cmocka_unit_test(a_signal_death_is_not_success),
		cmocka_unit_test(exec_failures_name_the_step),
		cmocka_unit_test(a_deadline_kills),
		cmocka_unit_test(no_descriptor_leaks_into_children),
		cmocka_unit_test(standard_descriptors_may_be_crossed),
		cmocka_unit_test(too_much_output_is_a_fault),
		cmocka_unit_test(only_a_static_program_starts_anywhere),
		cmocka_unit_test(a_recycled_pid_is_not_believed),
		cmocka_unit_test(a_zombie_is_gone),
		cmocka_unit_test(a_process_that_dies_is_waited_for),
		cmocka_unit_test(without_descriptors_nothing_counts_as_gone),
		cmocka_unit_test(processes_are_found_by_whole_arguments),
#define T(name) cmocka_unit_test_setup_teardown(name, make_sysroot, remove_sysroot)
		T(kvm_that_opens_without_a_cpu_flag_is_none),
		T(kvm_with_flag_and_device_works),
		T(kvm_without_the_device_says_so),
		T(memory_of_another_machine),
		T(a_command_name_with_brackets_is_parsed),
	};

	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
