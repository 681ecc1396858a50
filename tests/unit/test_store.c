/* SPDX-License-Identifier: MIT */
/* State directory, locks, names and VM directories. */
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

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "store/vm_store.h"

#define assert_fault(expr, wanted)                                                                 \
	do {                                                                                       \
		struct fault *got_ = (expr);                                                       \
		assert_non_null(got_);                                                             \
		assert_int_equal(fault_kind(got_), wanted);                                        \
		fault_free(got_);                                                                  \
	} while (0)
#define assert_ok(expr)                                                                            \
	do {                                                                                       \
		struct fault *got_ = (expr);                                                       \
		if (got_)                                                                          \
			fail_msg("%s", fault_message(got_));                                       \
	} while (0)

static char root[64];

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/banger-test-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	(void)state;
	fault_free(tree_remove(AT_FDCWD, root));
	return 0;
}

static void open_store(struct store *s)
{
	AUTO_FREE char *path = xasprintf("%s/state", root);

	assert_ok(store_open(path, STORE_WRITE, s));
}

static void fill_spec(struct vm_spec *spec, const char *name, const char *image)
{
	*spec = (struct vm_spec){
		.name = xstrdup(name),
		.id = xstrdup("0123456789abcdef0123456789abcdef"),
		.image = xstrdup(image),
		.kernel = xstrdup("k"),
		.vcpu = 1,
		.memory_bytes = 1 << 28,
		.disk_bytes = 1 << 30,
		.system_bytes = 1 << 30,
		.net = xstrdup("none"),
		.disk_mode = xstrdup("copy"),
	};
}

static void make_vm(const struct store *s, const char *name, const char *image)
{
	AUTO_VM_DIR dir = VM_DIR_INIT;
	struct vm_spec spec;

	fill_spec(&spec, name, image);
	assert_ok(vm_dir_stage(s, name, &dir));
	assert_ok(vm_spec_write(&dir, &spec));
	assert_ok(vm_dir_publish(s, &dir));
	record_release(&vm_spec_type, &spec);
}

static void reading_a_missing_store_makes_nothing(void **state)
{
	AUTO_FREE char *path = xasprintf("%s/state", root);
	struct strings names;
	struct store s;

	(void)state;
	assert_ok(store_open(path, STORE_READ, &s));
	assert_ok(store_names(&s, COLLECTION_VMS, &names));
	assert_int_equal(names.n, 0);
	strings_release(&names);
	store_release(&s);
	assert_int_equal(access(path, F_OK), -1);
}

static void a_newer_layout_is_refused_and_untouched(void **state)
{
	AUTO_FREE char *path = xasprintf("%s/state", root);
	AUTO_FREE char *version = xasprintf("%s/state/version", root);
	AUTO_BUF text = BUF_INIT;
	struct store s;

	(void)state;
	open_store(&s);
	assert_ok(file_write_atomic(s.dir, "version", "2\n", 2, 0600));
	store_release(&s);
	assert_fault(store_open(path, STORE_WRITE, &s), F_NEWER);
	assert_fault(store_open(path, STORE_READ, &s), F_NEWER);
	assert_ok(file_read(AT_FDCWD, version, 64, &text));
	assert_string_equal(text.data, "2\n");
}

static void a_directory_that_others_can_write_is_refused(void **state)
{
	AUTO_FREE char *path = xasprintf("%s/state", root);
	struct store s;

	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0777), 0);
	assert_fault(store_open(path, STORE_WRITE, &s), F_DENIED);
}

static void a_vm_appears_whole_and_locked(void **state)
{
	AUTO_VM_DIR dir = VM_DIR_INIT;
	AUTO_VM_DIR other = VM_DIR_INIT;
	struct strings names;
	struct vm_spec spec;
	struct store s;

	(void)state;
	open_store(&s);
	s.wait_ms = 0;
	fill_spec(&spec, "web", "img");
	assert_ok(vm_dir_stage(&s, "web", &dir));
	assert_ok(store_names(&s, COLLECTION_VMS, &names));
	assert_int_equal(names.n, 0); /* hidden until published */
	strings_release(&names);
	assert_ok(vm_spec_write(&dir, &spec));
	record_release(&vm_spec_type, &spec);
	assert_ok(vm_dir_publish(&s, &dir));
	assert_fault(vm_dir_lock(&s, "web", "start", &other), F_BUSY);
	lock_drop(&dir.lock);
	assert_ok(vm_dir_lock(&s, "web", "start", &other));
	assert_ok(vm_spec_read(&other, &spec));
	assert_string_equal(spec.image, "img");
	record_release(&vm_spec_type, &spec);
	store_release(&s);
}

static void creating_a_taken_name_fails_and_leaves_nothing(void **state)
{
	AUTO_VM_DIR dir = VM_DIR_INIT;
	struct strings names;
	struct store s;

	(void)state;
	open_store(&s);
	make_vm(&s, "web", "img");
	assert_ok(vm_dir_stage(&s, "web", &dir));
	assert_fault(vm_dir_publish(&s, &dir), F_EXISTS);
	assert_ok(vm_dir_discard(&s, &dir));
	assert_ok(dir_names(s.collections[COLLECTION_VMS], "vms", &names));
	assert_int_equal(names.n, 1);
	strings_release(&names);
	store_release(&s);
}

static void a_dead_creators_stage_is_swept(void **state)
{
	AUTO_FREE char *stale = NULL;
	struct strings names;
	struct store s;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	open_store(&s);
	stale = xasprintf(".stage-gone.%d", (int)pid);
	assert_int_equal(mkdirat(s.collections[COLLECTION_VMS], stale, 0700), 0);
	make_vm(&s, "web", "img");
	assert_ok(dir_names(s.collections[COLLECTION_VMS], "vms", &names));
	assert_int_equal(names.n, 1);
	strings_release(&names);
	store_release(&s);
}

static void delete_and_recreate_is_noticed_by_a_waiter(void **state)
{
	AUTO_VM_DIR old = VM_DIR_INIT;
	AUTO_VM_DIR dir = VM_DIR_INIT;
	struct store s;

	(void)state;
	open_store(&s);
	make_vm(&s, "web", "img");
	assert_ok(vm_dir_lock(&s, "web", "delete", &dir));
	assert_ok(vm_dir_open(&s, "web", &old));
	assert_ok(vm_dir_discard(&s, &dir));
	assert_fault(vm_dir_lock(&s, "web", "start", &old), F_NOT_FOUND);
	store_release(&s);
}

static void users_of_an_image_are_found_broken_ones_counted(void **state)
{
	AUTO_VM_DIR dir = VM_DIR_INIT;
	struct strings users;
	struct store s;

	(void)state;
	open_store(&s);
	make_vm(&s, "one", "img");
	make_vm(&s, "other", "else");
	make_vm(&s, "torn", "else");
	assert_ok(vm_dir_open(&s, "torn", &dir));
	assert_ok(file_write_atomic(dir.fd, VM_SPEC_FILE, "{\"ver", 5, 0600));
	assert_ok(store_users(&s, COLLECTION_IMAGES, "img", &users));
	assert_int_equal(users.n, 2);
	assert_string_equal(users.v[0], "one");
	assert_string_equal(users.v[1], "torn");
	strings_release(&users);
	store_release(&s);
}

static void spec_fields_are_checked_at_the_door(void **state)
{
	AUTO_VM_DIR dir = VM_DIR_INIT;
	struct vm_spec spec;
	struct store s;

	(void)state;
	open_store(&s);
	make_vm(&s, "web", "img");
	assert_ok(vm_dir_open(&s, "web", &dir));
	fill_spec(&spec, "web", "../../etc");
	assert_ok(vm_spec_write(&dir, &spec));
	record_release(&vm_spec_type, &spec);
	assert_fault(vm_spec_read(&dir, &spec), F_INVALID);
	fill_spec(&spec, "other", "img");
	assert_ok(vm_spec_write(&dir, &spec));
	record_release(&vm_spec_type, &spec);
	assert_fault(vm_spec_read(&dir, &spec), F_CORRUPT);
	store_release(&s);
}

/* Fifty processes, two hundred increments each: not one may be lost. */
static void locks_hold_under_contention(void **state)
{
	enum { PROCESSES = 50, INCREMENTS = 200 };
	AUTO_FD dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD counter = openat(dir, "counter", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	long value = 0;

	(void)state;
	assert_int_equal(pwrite(counter, &value, sizeof(value), 0), sizeof(value));
	for (int p = 0; p < PROCESSES; p++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid)
			continue;
		for (int i = 0; i < INCREMENTS; i++) {
			struct lock lock = LOCK_INIT;
			struct fault *f = lock_take(dir, "lock", LOCK_EXCLUSIVE, "counter", "test",
						    240000, &lock);

			if (f || pread(counter, &value, sizeof(value), 0) != sizeof(value))
				_exit(1);
			value++;
			if (pwrite(counter, &value, sizeof(value), 0) != sizeof(value))
				_exit(1);
			lock_drop(&lock);
		}
		_exit(0);
	}
	for (int p = 0; p < PROCESSES; p++) {
		int status = 0;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(pread(counter, &value, sizeof(value), 0), sizeof(value));
	assert_int_equal(value, PROCESSES * INCREMENTS);
}

static void a_held_lock_names_its_holder(void **state)
{
	AUTO_FD dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_LOCK held = LOCK_INIT;
	AUTO_LOCK wanted = LOCK_INIT;
	AUTO_FREE char *pid = xasprintf("pid %d", (int)getpid());
	AUTO_FAULT f = NULL;
	int64_t before;

	(void)state;
	assert_ok(lock_take(dir, "lock", LOCK_EXCLUSIVE, "VM 'web'", "start", 0, &held));
	before = clock_now_ms();
	f = lock_take(dir, "lock", LOCK_EXCLUSIVE, "VM 'web'", "stop", 50, &wanted);
	assert_non_null(f);
	assert_true(clock_now_ms() - before >= 50);
	assert_int_equal(fault_kind(f), F_BUSY);
	assert_non_null(strstr(fault_message(f), "'start'"));
	assert_non_null(strstr(fault_message(f), pid));
}

static void a_lock_file_made_anew_is_not_taken_for_held(void **state)
{
	AUTO_FD dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_LOCK held = LOCK_INIT;
	AUTO_LOCK fresh = LOCK_INIT;

	(void)state;
	assert_ok(lock_take(dir, "lock", LOCK_EXCLUSIVE, "x", "a", 0, &held));
	assert_int_equal(unlinkat(dir, "lock", 0), 0);
	assert_ok(lock_take(dir, "lock", LOCK_EXCLUSIVE, "x", "b", 0, &fresh));
	assert_true(fcntl(fresh.fd, F_GETFD) & FD_CLOEXEC);
}

static void the_lock_of_what_was_removed_is_told_in_words(void **state)
{
	AUTO_FREE char *path = xasprintf("%s/gone", root);
	AUTO_LOCK wanted = LOCK_INIT;
	AUTO_FAULT f = NULL;
	AUTO_FD dir = -1;

	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(rmdir(path), 0);
	f = lock_take(dir, "lock", LOCK_EXCLUSIVE, "VM 'web'", "stop", 0, &wanted);
	assert_non_null(f);
	assert_int_equal(fault_kind(f), F_NOT_FOUND);
	assert_string_equal(fault_message(f), "VM 'web' is not there any more");
}

static void names(void **state)
{
	static const char *const good[] = { "a", "web", "web-1", "0",
					    ("a23456789012345678901234567890"
					     "123456789012345678901234567890123") };
	static const char *const bad[] = { "", "-a", "a-", "A", "a.b", "a_b", "a b", "\xc3\xa4", "a/b",
					   "..", "a\n",
					   ("a2345678901234567890123456789012345678901234"
					    "567890123456789012345") };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_ok(name_check_vm(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_fault(name_check_vm(bad[i]), F_INVALID);
	assert_ok(name_check_object("image", "Debian-12.5_x"));
	assert_fault(name_check_object("image", ".hidden"), F_INVALID);
	assert_fault(name_check_object("image", "a/b"), F_INVALID);
	for (int i = 0; i < 1000; i++) {
		AUTO_FREE char *name = name_generate();

		assert_ok(name_check_vm(name));
	}
}

static void any_text_becomes_a_valid_name(void **state)
{
	unsigned int seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char text[200];
		size_t len = (size_t)rand_r(&seed) % (sizeof(text) - 1);
		AUTO_FREE char *name = NULL;

		for (size_t k = 0; k < len; k++)
			text[k] = (char)(1 + rand_r(&seed) % 255);
		text[len] = '\0';
		name = name_from_text(text);
		assert_ok(name_check_object("image", name));
	}
}

static void lookups_take_exact_then_unique_prefix(void **state)
{
	char *list[] = { (char *)(uintptr_t) "web", (char *)(uintptr_t) "web-2",
			 (char *)(uintptr_t) "worker" };
	struct strings all = { list, 3 };
	size_t index = 99;

	(void)state;
	assert_ok(name_find("VM", &all, "web", &index));
	assert_int_equal(index, 0);
	assert_ok(name_find("VM", &all, "wo", &index));
	assert_int_equal(index, 2);
	assert_fault(name_find("VM", &all, "w", &index), F_AMBIGUOUS);
	assert_fault(name_find("VM", &all, "x", &index), F_NOT_FOUND);
	assert_fault(name_find("VM", &all, "", &index), F_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)
		T(reading_a_missing_store_makes_nothing),
		T(a_newer_layout_is_refused_and_untouched),
		T(a_directory_that_others_can_write_is_refused),
		T(a_vm_appears_whole_and_locked),
		T(creating_a_taken_name_fails_and_leaves_nothing),
		T(a_dead_creators_stage_is_swept),
		T(delete_and_recreate_is_noticed_by_a_waiter),
		T(users_of_an_image_are_found_broken_ones_counted),
		T(spec_fields_are_checked_at_the_door),
		T(locks_hold_under_contention),
		T(a_held_lock_names_its_holder),
		T(a_lock_file_made_anew_is_not_taken_for_held),
		T(the_lock_of_what_was_removed_is_told_in_words),
		T(names),
		T(any_text_becomes_a_valid_name),
		T(lookups_take_exact_then_unique_prefix),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
