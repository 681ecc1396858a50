/* SPDX-License-Identifier: MIT */
/* The ring of samples, when a VM counts as idle, and days of the watcher's time by a clock of our own. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "store/session.h"
#include "vm/watch.h"

#define assert_ok(expr)                                                                            \
	do {                                                                                       \
		struct fault *got_ = (expr);                                                       \
		if (got_)                                                                          \
			fail_msg("%s", fault_message(got_));                                       \
	} while (0)

#define MINUTE INT64_C(60000)
#define HOUR   (60 * MINUTE)

static char root[64];
static struct store store;
static struct config config;

static int make_root(void **state)
{
	AUTO_FREE char *path = NULL;

	(void)state;
	snprintf(root, sizeof(root), "/tmp/banger-test-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	setenv("BANGER_RUN_DIR", root, 1);
	path = xasprintf("%s/state", root);
	assert_ok(store_open(path, STORE_WRITE, &store));
	config_defaults(&config, 2, UINT64_C(4) << 30);
	return 0;
}

static int remove_root(void **state)
{
	(void)state;
	config_release(&config);
	store_release(&store);
	fault_free(tree_remove(AT_FDCWD, root));
	return 0;
}

static void make_vm(const char *name, const char *auto_stop, const struct process_id *vmm)
{
	AUTO_VM_DIR dir = VM_DIR_INIT;
	struct vm_spec spec = {
		.name = xstrdup(name),
		.id = xstrdup("0123456789abcdef0123456789abcdef"),
		.image = xstrdup("img"),
		.kernel = xstrdup("k"),
		.vcpu = 1,
		.memory_bytes = 1 << 28,
		.disk_bytes = 1 << 30,
		.system_bytes = 1 << 30,
		.net = xstrdup("none"),
		.disk_mode = xstrdup("copy"),
		.touched = xstrdup("2026-01-01T00:00:00Z"),
		.auto_stop = auto_stop ? xstrdup(auto_stop) : NULL,
	};
	struct vm_handles handles = { 0 };

	assert_ok(vm_dir_stage(&store, name, &dir));
	assert_ok(vm_spec_write(&dir, &spec));
	if (vmm) {
		handles.id = xstrdup(spec.id);
		record_copy(&process_id_type, vmm, &handles.vmm);
		assert_ok(vm_handles_write(&dir, &handles));
	}
	assert_ok(vm_dir_publish(&store, &dir));
	record_release(&vm_spec_type, &spec);
	record_release(&vm_handles_type, &handles);
}

/* ------------------------------------------------------------------------------------ the ring */

static void the_ring_keeps_the_newest_and_does_not_grow(void **state)
{
	AUTO_VM_DIR dir = VM_DIR_INIT;
	struct stats_head head = { 0 };
	struct stats_sample *all;
	struct records list;
	struct stat st;

	(void)state;
	make_vm("a", NULL, NULL);
	assert_ok(vm_dir_open(&store, "a", &dir));
	assert_false(stats_ring_head(&dir, &head));
	assert_ok(stats_ring_read(&dir, 0, &list));
	assert_int_equal(list.n, 0);
	for (int i = 0; i < STATS_RING_SLOTS + 100; i++) {
		head.last = (struct stats_sample){ .wall_ms = i, .cpu_ms = (uint64_t)i * 2 };
		assert_ok(stats_ring_add(&dir, &head));
	}
	assert_int_equal(fstatat(dir.fd, VM_STATS_FILE, &st, 0), 0);
	assert_int_equal(st.st_size, 256 + 64 * STATS_RING_SLOTS);
	assert_true(stats_ring_head(&dir, &head));
	assert_int_equal(head.count, STATS_RING_SLOTS + 100);
	assert_ok(stats_ring_read(&dir, 0, &list));
	all = list.v;
	assert_int_equal(list.n, STATS_RING_SLOTS);
	assert_int_equal(all[0].wall_ms, 100);
	assert_int_equal(all[list.n - 1].cpu_ms, 2 * (STATS_RING_SLOTS + 99));
	free(list.v);
	assert_ok(stats_ring_read(&dir, STATS_RING_SLOTS + 90, &list));
	assert_int_equal(list.n, 10);
	free(list.v);
}

/* Whatever is in the file: no crash, no sample that was not written. */
static void a_damaged_ring_loses_samples_only(void **state)
{
	AUTO_VM_DIR dir = VM_DIR_INIT;
	struct stats_head head = { 0 };
	struct records list;
	AUTO_FD fd = -1;

	(void)state;
	make_vm("a", NULL, NULL);
	assert_ok(vm_dir_open(&store, "a", &dir));
	for (int i = 0; i < 10; i++) {
		head.last.wall_ms = i;
		assert_ok(stats_ring_add(&dir, &head));
	}
	fd = openat(dir.fd, VM_STATS_FILE, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "\xff", 1, 256 + 64 * 3 + 5), 1);
	assert_ok(stats_ring_read(&dir, 0, &list));
	assert_int_equal(list.n, 9);
	free(list.v);
	assert_int_equal(ftruncate(fd, 256 + 64 * 5 + 7), 0);
	assert_ok(stats_ring_read(&dir, 0, &list));
	assert_int_equal(list.n, 4);
	free(list.v);
	for (off_t at = 0; at < 256; at += 7) {
		unsigned char byte;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x55;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		assert_false(stats_ring_head(&dir, &head));
		assert_int_equal(head.count, 0);
		byte ^= 0x55;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_true(stats_ring_head(&dir, &head));
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_false(stats_ring_head(&dir, &head));
	assert_ok(stats_ring_add(&dir, &head));
	assert_true(stats_ring_head(&dir, &head));
	assert_int_equal(unlinkat(dir.fd, VM_STATS_FILE, 0), 0);
	assert_int_equal(symlinkat("/dev/zero", dir.fd, VM_STATS_FILE), 0);
	assert_false(stats_ring_head(&dir, &head));
}

/* ------------------------------------------------------------------------------------ idleness */

static const struct idle_limits limits = { .cpu_permille = 50, .io_bytes = 1000, .net_bytes = 100 };

static struct idle_look look_at(int64_t mono_ms, uint64_t cpu_ms, uint64_t io, uint64_t net)
{
	return (struct idle_look){ .mono_ms = mono_ms, .boot = 1,
				   .sample = { .process = 7, .cpu_ms = cpu_ms, .io_bytes = io,
					       .net_bytes = net } };
}

static void note(struct stats_head *head, struct idle_look look)
{
	idle_note(head, &look, &limits);
	head->count++;
}

static void idle_is_the_whole_time_below_all_thresholds(void **state)
{
	struct stats_head head = { 0 };
	struct idle_look look;

	(void)state;
	note(&head, look_at(1000000, 5000, 0, 0));
	assert_int_equal(idle_ms(&head), 0); /* what was before is not known */
	note(&head, look_at(1000000 + MINUTE, 5000 + 3000, 60000, 6000));
	assert_int_equal(idle_ms(&head), MINUTE); /* just at the thresholds */
	note(&head, look_at(1000000 + 2 * MINUTE, 8000 + 3001, 60000, 6000));
	assert_int_equal(idle_ms(&head), 0); /* CPU */
	note(&head, look_at(1000000 + 3 * MINUTE, 11001, 120001, 6000));
	assert_int_equal(idle_ms(&head), 0); /* input and output */
	note(&head, look_at(1000000 + 4 * MINUTE, 11001, 120001, 12001));
	assert_int_equal(idle_ms(&head), 0); /* network */
	note(&head, look_at(1000000 + 5 * MINUTE, 11001, 120001, 12001));
	assert_int_equal(idle_ms(&head), MINUTE);
	look = look_at(1000000 + 6 * MINUTE, 11001, 120001, 12001);
	look.session = true;
	note(&head, look);
	assert_int_equal(idle_ms(&head), 0);
	look = look_at(1000000 + 7 * MINUTE, 11001, 120001, 12001);
	look.touched_s = 99; /* a session came and went between two looks */
	note(&head, look);
	assert_int_equal(idle_ms(&head), 0);
	look = look_at(1000000 + 9 * MINUTE, 11001, 120001, 12001);
	look.touched_s = 99;
	note(&head, look);
	assert_int_equal(idle_ms(&head), 2 * MINUTE);
}

static void another_process_another_boot_or_a_lost_head_begin_anew(void **state)
{
	struct stats_head head = { 0 };
	struct idle_look look = look_at(0, 0, 0, 0);

	(void)state;
	note(&head, look_at(0, 100, 0, 0));
	note(&head, look_at(HOUR, 100, 0, 0));
	assert_int_equal(idle_ms(&head), HOUR);
	look = look_at(HOUR + 1, 5, 0, 0);
	look.sample.process = 8;
	note(&head, look);
	assert_int_equal(idle_ms(&head), 0);
	look.mono_ms = 2 * HOUR;
	note(&head, look);
	assert_int_equal(idle_ms(&head), HOUR - 1);
	look.boot = 2;
	note(&head, look);
	assert_int_equal(idle_ms(&head), 0);
	look.mono_ms = 10; /* a clock that goes back is of another boot */
	note(&head, look);
	assert_int_equal(idle_ms(&head), 0);
	/* A counter that goes back within one process was busy. */
	look.mono_ms = 20;
	look.sample.cpu_ms = 1;
	note(&head, look);
	assert_int_equal(idle_ms(&head), 0);
}

static void limits_of_the_vm_win_over_the_configuration(void **state)
{
	struct vm_spec spec = { 0 };

	(void)state;
	assert_int_equal(idle_verdict(&spec, &config, 1000 * HOUR, 0), IDLE_STAYS);
	free(config.auto_stop_stale_after);
	config.auto_stop_stale_after = xstrdup("1h");
	assert_int_equal(idle_verdict(&spec, &config, HOUR - 1, 0), IDLE_STAYS);
	assert_int_equal(idle_verdict(&spec, &config, HOUR, 0), IDLE_DUE);
	spec.auto_stop = (char[]){ "0" };
	assert_int_equal(idle_verdict(&spec, &config, 1000 * HOUR, 0), IDLE_STAYS);
	spec.auto_stop = (char[]){ "2h" };
	assert_int_equal(idle_verdict(&spec, &config, HOUR, 0), IDLE_STAYS);
	spec.auto_stop = (char[]){ "nonsense" };
	assert_int_equal(idle_verdict(&spec, &config, 1000 * HOUR, 0), IDLE_STAYS);
	spec.ttl = (char[]){ "8h" };
	assert_int_equal(idle_verdict(&spec, &config, 0, 8 * HOUR - 1), IDLE_STAYS);
	assert_int_equal(idle_verdict(&spec, &config, 0, 8 * HOUR), IDLE_TTL_OVER);
}

/* ----------------------------------------------------------------------------- the watcher's day */

struct day {
	int64_t now_ms, end_ms;
	int sleeps;
};

static int64_t day_now(void *context)
{
	return ((struct day *)context)->now_ms;
}

static bool day_sleep(void *context, int64_t ms)
{
	struct day *d = context;

	d->now_ms += ms;
	d->sleeps++;
	return d->now_ms < d->end_ms;
}

static pid_t start_process(struct process_id *id)
{
	pid_t pid = fork();

	if (!pid) {
		for (;;)
			pause();
	}
	assert_true(process_identify(pid, id));
	return pid;
}

static void tell(void *context, const char *line)
{
	snprintf(context, 256, "%s", line);
}

static void run_day(struct day *d, char *said)
{
	struct watch_clock clock = { day_now, day_now, day_sleep, d };
	struct watch_options options = { .interval_ms = 30000, .tell = tell, .context = said };

	*said = '\0';
	assert_ok(watch_run(&store, &config, &options, &clock));
}

static void a_day_of_the_watcher(void **state)
{
	struct day d = { .now_ms = HOUR, .end_ms = 25 * HOUR };
	struct process_id id;
	pid_t pid = start_process(&id);
	AUTO_VM_DIR dir = VM_DIR_INIT;
	struct stats_head head;
	char said[256];

	(void)state;
	make_vm("a", NULL, &id);
	run_day(&d, said);
	assert_string_equal(said, "");
	assert_int_equal(d.sleeps, 24 * 120);
	assert_ok(vm_dir_open(&store, "a", &dir));
	assert_true(stats_ring_head(&dir, &head));
	assert_int_equal(head.count, 24 * 120);
	assert_int_equal(idle_ms(&head), 24 * HOUR - 30000);
	assert_int_equal(kill(pid, SIGKILL), 0);
	waitpid(pid, NULL, 0);
	process_id_release(&id);
	d.end_ms = 100 * HOUR;
	run_day(&d, said); /* nothing runs: it ends by itself */
	assert_int_equal(d.sleeps, 24 * 120);
}

static void an_idle_vm_is_stopped_when_its_time_is_over_and_not_before(void **state)
{
	struct day d = { .now_ms = 5 * HOUR, .end_ms = 5 * HOUR + 2 * HOUR - 30000 };
	struct process_id id;
	pid_t pid = start_process(&id);
	AUTO_VM_DIR dir = VM_DIR_INIT;
	AUTO_SESSION session = LOCK_INIT;
	struct vm_spec spec;
	char said[256];

	(void)state;
	make_vm("a", "2h", &id);
	process_id_release(&id);
	run_day(&d, said);
	assert_string_equal(said, "");
	assert_int_equal(kill(pid, 0), 0);
	/* Somebody comes in the last moment, and stays for a day. */
	assert_ok(vm_dir_open(&store, "a", &dir));
	assert_ok(session_begin(&dir, 0, &session));
	d.end_ms += 24 * HOUR;
	run_day(&d, said);
	assert_string_equal(said, "");
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	session_end(&session);
	d.end_ms += 24 * HOUR;
	run_day(&d, said);
	assert_string_equal(said, "VM 'a' was stopped: nobody used it");
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_ok(vm_spec_read(&dir, &spec));
	assert_string_equal(spec.wanted, "stopped");
	assert_string_equal(spec.touched, "2026-01-01T00:00:00Z"); /* nobody touched it */
	record_release(&vm_spec_type, &spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_ring_keeps_the_newest_and_does_not_grow,
						make_root, remove_root),
		cmocka_unit_test_setup_teardown(a_damaged_ring_loses_samples_only, make_root,
						remove_root),
		cmocka_unit_test(idle_is_the_whole_time_below_all_thresholds),
		cmocka_unit_test(another_process_another_boot_or_a_lost_head_begin_anew),
		cmocka_unit_test_setup_teardown(limits_of_the_vm_win_over_the_configuration,
						make_root, remove_root),
		cmocka_unit_test_setup_teardown(a_day_of_the_watcher, make_root, remove_root),
		cmocka_unit_test_setup_teardown(
			an_idle_vm_is_stopped_when_its_time_is_over_and_not_before, make_root,
			remove_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
