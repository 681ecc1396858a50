/* SPDX-License-Identifier: MIT */
/* test_firecracker.c - the Firecracker driver against tests/tools/stub_firecracker.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "base/unix_socket.h"
#include "guest/client.h"
#include "store/vm_store.h"
#include "vmm/firecracker.h"
#include "vmm/firecracker_api.h"
#include "vmm/jailer.h"

#include "faults.h"

#define FIXTURE "tests/fixtures/firecracker_api.json"
#define WAIT_MS 20000

static char top[64];
static char *run_dir, *kernel, *initrd, *disk, *work, *log_path, *metrics, *requests, *program;

static char *make(const char *name)
{
	char *path = xasprintf("%s/%s", top, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
	return path;
}

/* The stub that was built together with this test.  Owned. */
static char *stub_path(void)
{
	char own[256] = "";

	assert_true(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
	*strrchr(own, '/') = '\0';
	return xasprintf("%s/../tools/stub_firecracker", own);
}

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/bgfc.XXXXXX");
	assert_non_null(mkdtemp(top));
	run_dir = xasprintf("%s/run", top);
	assert_int_equal(mkdir(run_dir, 0700), 0);
	kernel = make("vmlinux");
	initrd = make("initrd.img");
	disk = make("root.ext4");
	work = make("work.ext4");
	log_path = xasprintf("%s/vmm.log", top);
	metrics = xasprintf("%s/metrics.jsonl", top);
	requests = xasprintf("%s/requests", top);
	program = stub_path();
	setenv("STUB_FC_REQUESTS", requests, 1);
	unsetenv("STUB_FC_BROKEN");
	unsetenv("STUB_FC_SILENT");
	return 0;
}

static int teardown(void **state)
{
	AUTO_FD parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	fault_free(tree_remove(parent, top + 5));
	free(run_dir);
	free(kernel);
	free(initrd);
	free(disk);
	free(work);
	free(log_path);
	free(metrics);
	free(requests);
	free(program);
	return 0;
}

static struct vmm_machine machine(int console)
{
	return (struct vmm_machine){
		.name = "a",
		.id = "0123456789abcdef0123456789abcdef",
		.run_dir = run_dir,
		.kernel_path = kernel,
		.initrd_path = initrd,
		.console = console,
		.log_path = log_path,
		.metrics_path = metrics,
		.vcpu = 2,
		.memory_bytes = 256 * MIB,
		.disks = { { disk, "raw", NULL, "banger-root", false },
			   { work, "raw", NULL, "banger-work", false },
			   { disk, "raw", NULL, "banger-modules", true } },
		.n_disks = 3,
		.net = { VMM_NET_TAP, "02:01:02:03:04:05", "bgr01234567" },
	};
}

static struct fault *launch(const struct vmm_machine *m, struct process_id *process)
{
	struct vmm_choice choice = { &vmm_firecracker, program, NULL, true, NULL };

	return vmm_firecracker.launch(&choice, m, process);
}

/* Launch into a pipe, whose read end is returned. */
static int must_launch(struct process_id *process)
{
	struct vmm_machine m;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	m = machine(ends[1]);
	must(launch(&m, process));
	close(ends[1]);
	return ends[0];
}

static void end(struct process_id *process)
{
	AUTO_FD pidfd = -1;

	must(process_open(process, &pidfd));
	if (pidfd >= 0)
		must(process_kill(pidfd, SIGKILL));
	waitpid((pid_t)process->pid, NULL, 0);
	process_id_release(process);
}

static void read_requests(struct buf *out)
{
	AUTO_FD fd = open(requests, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	must(file_read_fd(fd, MIB, requests, out));
}

/* ----------------------------------------------------------------------------- what is asked for */

/* Replaces what stands for {drive_id} and the like: "/drives/disk0" is "/drives/{drive_id}". */
static bool path_fits(const char *pattern, const char *asked)
{
	while (*pattern && *asked) {
		if (*pattern == '{') {
			pattern = strchr(pattern, '}') + 1;
			asked += strcspn(asked, "/ ");
		} else if (*pattern++ != *asked++) {
			return false;
		}
	}
	return !*pattern && !*asked;
}

static struct json fields_of(const struct json_doc *fixture, const char *asked)
{
	struct json list, entry, fields = { 0 };
	struct json_iter it;
	char *key;
	bool found = false;

	assert_true(json_get(json_root(fixture), "requests", &list));
	for (it = json_iter(list); json_next(&it, &key, &entry); free(key))
		if (!found && path_fits(key, asked)) {
			found = true;
			assert_true(json_get(entry, "fields", &fields));
		}
	if (!found)
		fail_msg("'%s' is nothing that Firecracker knows", asked);
	return fields;
}

static void check_field(const char *asked, const char *name, struct json fields, struct json value)
{
	static const char *const kinds[] = {
		[JSON_BOOL] = "boolean", [JSON_NUMBER] = "integer", [JSON_STRING] = "string",
		[JSON_OBJECT] = "object", [JSON_ARRAY] = "array", [JSON_NULL] = "null",
	};
	AUTO_FREE char *type = NULL;
	AUTO_FREE char *text = NULL;
	struct json field, words, word;
	struct json_iter it;
	bool fits = false;

	if (!json_get(fields, name, &field))
		fail_msg("%s has no field '%s'", asked, name);
	assert_true(json_get_string(field, "type", &type));
	if (strcmp(type, kinds[json_kind(value)]))
		fail_msg("%s: '%s' is of type %s", asked, name, type);
	if (!json_get(field, "words", &words))
		return;
	json_string(value, &text);
	for (it = json_iter(words); json_next(&it, NULL, &word);) {
		AUTO_FREE char *one = NULL;

		fits = fits || (json_string(word, &one) && !strcmp(one, text));
	}
	if (!fits)
		fail_msg("%s: '%s' must not be '%s'", asked, name, text);
}

static void check_request(const struct json_doc *fixture, char *line)
{
	struct json fields, field, value, required;
	char *body = strchr(strchr(line, ' ') + 1, ' ');
	struct json_doc *doc = NULL;
	struct json_iter it;
	char *key;

	*body++ = '\0';
	fields = fields_of(fixture, line);
	must(json_parse(body, strlen(body), line, &doc));
	for (it = json_iter(json_root(doc)); json_next(&it, &key, &value); free(key))
		check_field(line, key, fields, value);
	for (it = json_iter(fields); json_next(&it, &key, &field); free(key))
		if (json_get(field, "required", &required) &&
		    !json_get(json_root(doc), key, &value))
			fail_msg("%s lacks '%s'", line, key);
	json_free(doc);
	/* Else the guest's flushes are confirmed and not done. */
	if (strstr(line, "/drives/"))
		assert_non_null(strstr(body, "\"cache_type\":\"Writeback\""));
}

static void every_request_is_in_the_api_description(void **state)
{
	static const char *const order[] = { "/metrics", "/machine-config", "/boot-source",
					     "/drives/disk0", "/drives/disk1", "/drives/disk2",
					     "/network-interfaces/net0", "/vsock", "/entropy",
					     "/actions" };
	struct process_id process = { 0 };
	AUTO_FD console = must_launch(&process);
	AUTO_FD fd = open(FIXTURE, O_RDONLY | O_CLOEXEC);
	AUTO_BUF text = BUF_INIT;
	AUTO_BUF asked = BUF_INIT;
	struct json_doc *fixture = NULL;
	size_t n = 0, connections = 0;
	char *line, *rest;

	(void)console; /* held open */
	(void)state;
	assert_true(fd >= 0);
	must(file_read_fd(fd, MIB, FIXTURE, &text));
	must(json_parse(text.data, text.len, FIXTURE, &fixture));
	read_requests(&asked);
	for (rest = asked.data; (line = strsep(&rest, "\n")) && *line;) {
		assert_string_not_equal(line, "expect");
		if (!strcmp(line, "connection")) {
			connections++;
			continue;
		}
		check_request(fixture, line);
		assert_true(n < ARRAY_LEN(order));
		assert_string_equal(strchr(line, ' ') + 1, order[n++]);
	}
	assert_int_equal(n, ARRAY_LEN(order));
	/* One to see that it listens, and one for all requests. */
	assert_int_equal(connections, 2);
	json_free(fixture);
	end(&process);
}

static void boot_arguments_keep_modules_and_end_by_a_reset(void **state)
{
	struct process_id process = { 0 };
	AUTO_FD console = must_launch(&process);
	AUTO_BUF asked = BUF_INIT;
	const char *args;

	(void)console; /* held open */
	(void)state;
	read_requests(&asked);
	args = strstr(asked.data, "\"boot_args\":");
	assert_non_null(args);
	assert_null(strstr(args, "nomodule"));
	assert_null(strstr(args, "ip="));
	assert_non_null(strstr(args, " reboot=k ")); /* as the agent looks for it */
	assert_non_null(strstr(args, " panic="));
	assert_non_null(strstr(args, "console=ttyS0"));
	assert_null(strstr(asked.data, "\"is_root_device\":true"));
	end(&process);
}

/* ------------------------------------------------------------------------------------ the process */

static int bind_dead(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", run_dir, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void stale_sockets_go_and_live_ones_stay(void **state)
{
	AUTO_FREE char *api = xasprintf("%s/api", run_dir);
	struct process_id process = { 0 };
	AUTO_FD console = -1;
	int live;

	(void)state;
	close(bind_dead("api"));
	close(bind_dead("vsock"));
	console = must_launch(&process);
	end(&process);
	assert_int_equal(access(api, F_OK), 0); /* it is not removed by its owner */
	must(fc_clear_socket(api));
	assert_int_equal(access(api, F_OK), -1);
	must(fc_clear_socket(api));
	live = bind_dead("api");
	expect_fault(fc_clear_socket(api), F_BUSY, "listens");
	assert_int_equal(access(api, F_OK), 0);
	close(live);
}

static void the_process_is_alone_and_found_again(void **state)
{
	AUTO_FREE char *vsock = xasprintf("%s/vsock", run_dir);
	struct process_id process = { 0 }, again = { 0 };
	AUTO_FD console = must_launch(&process);
	bool found = false;
	char word[64] = "";
	struct stat st;

	(void)state;
	assert_int_equal(getsid((pid_t)process.pid), process.pid);
	assert_int_equal(stat(vsock, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	assert_true(read(console, word, sizeof(word) - 1) > 0);
	assert_string_equal(word, "console of the stub\n");
	must(vmm_firecracker.find(run_dir, NULL, &found, &again));
	assert_true(found);
	assert_int_equal(again.pid, process.pid);
	process_id_release(&again);
	must(vmm_find_process(NULL, NULL, initrd, &found, &again));
	assert_true(found);
	assert_int_equal(again.pid, process.pid);
	process_id_release(&again);
	must(vmm_firecracker.find("/run/other", NULL, &found, &again));
	assert_false(found);
	end(&process);
}

static void refused(struct vmm_machine m, enum fault_kind kind, const char *part)
{
	struct process_id process = { 0 };
	bool found = true;

	m.console = open("/dev/null", O_WRONLY | O_CLOEXEC);
	expect_fault(launch(&m, &process), kind, part);
	close(m.console);
	must(vmm_firecracker.find(run_dir, NULL, &found, &process));
	assert_false(found);
}

static void a_fault_names_what_is_wrong_and_nothing_stays(void **state)
{
	AUTO_FREE char *gone = xasprintf("%s/gone.ext4", top);
	struct vmm_machine m = machine(-1);

	(void)state;
	m.disks[1].path = gone;
	refused(m, F_TOOL, gone);
	m = machine(-1);
	m.kernel_path = "/no/such/kernel";
	refused(m, F_TOOL, "/no/such/kernel");
	m = machine(-1);
	m.disks[0].format = "qcow2";
	refused(m, F_UNSUPPORTED, "qcow2");
	m = machine(-1);
	m.net.kind = VMM_NET_USER;
	refused(m, F_UNSUPPORTED, "user-mode");
	setenv("STUB_FC_BROKEN", "/machine-config", 1);
	refused(machine(-1), F_TOOL, "Invalid header. All previous unanswered requests will be dropped");
}

/* Presses that no guest takes fill the keyboard's buffer; that is a fault and no wait. */
static void the_power_button_can_be_pressed_too_often(void **state)
{
	struct process_id process = { 0 };
	AUTO_FD console = must_launch(&process);

	(void)console; /* held open */
	(void)state;
	for (size_t i = 0; i < 4; i++)
		must(vmm_firecracker.power_button(run_dir));
	expect_fault(vmm_firecracker.power_button(run_dir), F_TOOL, "Internal buffer is full");
	end(&process);
}

static void the_eleventh_connection_is_told_to_wait(void **state)
{
	AUTO_FREE char *api = xasprintf("%s/api", run_dir);
	struct process_id process = { 0 };
	AUTO_FD console = must_launch(&process);
	struct fault *f = NULL;
	int fds[10];

	(void)console; /* held open */
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		assert_true((fds[i] = unix_connect(api)) >= 0);
	/* The one that looks whether it is there is refused as well, but only after it has looked. */
	f = vmm_firecracker.power_button(run_dir);
	assert_non_null(f);
	assert_true(fault_kind(f) == F_BUSY || fault_kind(f) == F_NETWORK);
	fault_free(f);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	must(vmm_firecracker.power_button(run_dir));
	end(&process);
}

/* ------------------------------------------------------------------------------------------ agent */

static void the_agent_answers_several_clients_at_once(void **state)
{
	const struct guest_address address = { GUEST_VSOCK, run_dir };
	struct process_id process = { 0 };
	AUTO_FD console = must_launch(&process);
	struct guest *clients[20];
	AUTO_FD pidfd = -1;
	bool gone = false;

	(void)console; /* held open */
	(void)state;
	must(process_open(&process, &pidfd));
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		must(guest_connect(&address, WAIT_MS, NULL, NULL, &clients[i]));
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		must(guest_ping(clients[i], WAIT_MS));
	must(guest_power_off(clients[0], WAIT_MS));
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		guest_close(clients[i]);
	waitpid((pid_t)process.pid, NULL, 0);
	must(process_wait_gone(pidfd, WAIT_MS, &gone));
	assert_true(gone);
	process_id_release(&process);
}

static void a_silent_vsock_ends_by_the_time_limit(void **state)
{
	const struct guest_address address = { GUEST_VSOCK, run_dir };
	struct process_id process = { 0 };
	struct guest *g = NULL;
	AUTO_FD console = -1;

	(void)state;
	setenv("STUB_FC_SILENT", "1", 1);
	console = must_launch(&process);
	expect_fault(guest_connect(&address, 700, NULL, NULL, &g), F_TIMEOUT, "in time");
	end(&process);
}

/* A child that answers the first client with @answer, once it has its line. */
static pid_t answer_with(const char *answer, size_t len)
{
	int fd = bind_dead("vsock");
	pid_t pid = fork();

	if (!pid) {
		char line[64];
		int client = accept(fd, NULL, NULL);

		alarm(30);
		if (recv(client, line, sizeof(line), 0) > 0 && len)
			send(client, answer, len, MSG_NOSIGNAL);
		if (len)
			pause();
		_exit(0);
	}
	close(fd);
	return pid;
}

static void answers_to_connect(void **state)
{
	static const char *const wrong[] = { "NO 1\n", "OK \n", "OK x\n",
					     "OK 11111111111111111111111111111111111111111" };
	AUTO_FREE char *path = xasprintf("%s/vsock", run_dir);
	char text[8] = "";
	int fd = -1;
	pid_t pid;

	(void)state;
	must(vsock_connect(path, 1, 100, &fd)); /* nothing there */
	assert_int_equal(fd, -1);
	pid = answer_with("OK 1073741824\nguest", 19);
	must(vsock_connect(path, 1, WAIT_MS, &fd));
	assert_true(fd >= 0);
	assert_int_equal(recv(fd, text, 5, MSG_WAITALL), 5); /* none of the guest's bytes is lost */
	assert_string_equal(text, "guest");
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		unlink(path);
		pid = answer_with(wrong[i], strlen(wrong[i]));
		expect_fault(vsock_connect(path, 1, WAIT_MS, &fd), F_GUEST, "does not speak");
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	unlink(path);
	pid = answer_with("", 0); /* closed: nobody listens in the guest */
	must(vsock_connect(path, 1, WAIT_MS, &fd));
	assert_int_equal(fd, -1);
	waitpid(pid, NULL, 0);
}

/* ----------------------------------------------------------------------------------------- jail */

static bool has_pair(const struct strings *args, const char *option, const char *value)
{
	for (size_t i = 0; i + 1 < args->n; i++)
		if (!strcmp(args->v[i], option) && !strcmp(args->v[i + 1], value))
			return true;
	return false;
}

static void a_jail_has_links_and_is_removed_without_following_any(void **state)
{
	struct vmm_machine m = machine(-1);
	AUTO_FD dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FREE char *outside = make("outside");
	AUTO_FREE char *planted = NULL;
	AUTO_FREE char *inside = NULL;
	AUTO_FREE char *uid = NULL;
	struct strings args = { 0 };
	struct stat st, theirs;
	struct jail jail;

	(void)state;
	if (geteuid())
		skip();
	close(open(log_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	close(open(metrics, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	m.disks[2].path = kernel;
	must(jail_make(&m, "/usr/bin/firecracker-v1", &jail));
	assert_int_equal(jail.uid, 0x71234567);
	assert_string_equal(jail.paths.disks[1], "/disk1");
	inside = xasprintf("%s/jail/firecracker-v1/banger-01234567/root/disk1", top);
	assert_int_equal(stat(inside, &st), 0);
	assert_int_equal(stat(work, &theirs), 0);
	assert_int_equal(st.st_ino, theirs.st_ino);
	assert_int_equal(st.st_uid, jail.uid);
	/* What other VMs use as well stays root's. */
	assert_int_equal(stat(kernel, &st), 0);
	assert_int_equal(st.st_uid, 0);
	jail_arguments(&jail, &m, "/usr/bin/jailer", "/usr/bin/firecracker-v1", &args);
	uid = xasprintf("%u", 0x71234567u);
	assert_true(has_pair(&args, "--id", "banger-01234567"));
	assert_true(has_pair(&args, "--uid", uid));
	assert_true(has_pair(&args, "--gid", uid));
	assert_true(has_pair(&args, "--cgroup-version", "2")); /* the jailer's own default is 1 */
	assert_true(has_pair(&args, "--parent-cgroup", "banger"));
	assert_true(has_pair(&args, "--api-sock", "/api"));
	strings_release(&args);
	planted = xasprintf("%s/jail/firecracker-v1/banger-01234567/root/planted", top);
	assert_int_equal(symlink(outside, planted), 0);
	must(jail_remove(dir));
	must(jail_remove(dir));
	assert_int_equal(access(outside, F_OK), 0);
	assert_int_equal(access(work, F_OK), 0);
	assert_int_equal(access(inside, F_OK), -1);
	jail_release(&jail);
}

/* ---------------------------------------------------------------------------------------- metrics */

static void metrics_are_sums_of_all_lines(void **state)
{
	struct vmm_stats stats = { 0 };
	AUTO_FD dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD fd = open(metrics, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	static const char text[] =
		"{\"block_disk0\":{\"read_bytes\":5,\"read_count\":1},\"block_disk1\":{\"write_bytes\":7}}\n"
		"no json\n"
		"{\"block_disk0\":{\"read_bytes\":3,\"read_count\":2,\"write_count\":-1}}\n"
		"{\"block_disk0\":{\"read_bytes\":1000";

	(void)state;
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	must(fc_metrics_read(dir, &stats));
	assert_int_equal(stats.n_blocks, 2);
	assert_string_equal(stats.blocks[0].device, "disk0");
	assert_int_equal(stats.blocks[0].read_bytes, 8);
	assert_int_equal(stats.blocks[0].reads, 3);
	assert_int_equal(stats.blocks[0].writes, 0);
	assert_int_equal(stats.blocks[1].write_bytes, 7);
}

/* What Firecracker 1.16.1 wrote for a guest that had booted and written 4 MB to its work disk. */
static void metrics_of_a_real_machine(void **state)
{
	static const struct vmm_block expected[] = {
		{ "disk0", 1905664, 163840, 213, 40 },
		{ "disk1", 33792, 4358144, 9, 55 },
		{ "disk2", 148480, 0, 37, 0 },
	};
	struct vmm_stats stats = { 0 };
	AUTO_FD from = open("tests/unit/data/firecracker-metrics.jsonl", O_RDONLY | O_CLOEXEC);
	AUTO_FD to = open(metrics, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	AUTO_FD dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_BUF text = BUF_INIT;

	(void)state;
	must(file_read_fd(from, MIB, "metrics", &text));
	must(file_write_all(to, text.data, text.len, "metrics"));
	must(fc_metrics_read(dir, &stats));
	assert_int_equal(stats.n_blocks, ARRAY_LEN(expected));
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		assert_string_equal(stats.blocks[i].device, expected[i].device);
		assert_int_equal(stats.blocks[i].read_bytes, expected[i].read_bytes);
		assert_int_equal(stats.blocks[i].write_bytes, expected[i].write_bytes);
		assert_int_equal(stats.blocks[i].reads, expected[i].reads);
		assert_int_equal(stats.blocks[i].writes, expected[i].writes);
	}
}

static void metrics_that_cannot_be_read_have_a_reason(void **state)
{
	struct vmm_stats stats = { 0 };
	AUTO_FD dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD fd = -1;

	(void)state;
	expect_fault(fc_metrics_read(dir, &stats), F_SYS, "No such file or directory");
	fd = open(metrics, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 1 << 30), 0);
	expect_fault(fc_metrics_read(dir, &stats), F_UNSUPPORTED, "too long to be summed");
	assert_int_equal(stats.n_blocks, 0);
}

/* Line upon line as Firecracker writes them: at its own position, whatever happens to the file. */
static void write_lines(int fd, size_t n)
{
	AUTO_BUF line = BUF_INIT;

	buf_adds(&line, "{\"block_disk0\":{\"read_bytes\":2,\"read_count\":1},\"pad\":\"");
	for (size_t i = 0; i < 8000; i++)
		buf_addc(&line, 'x');
	buf_adds(&line, "\"}\n");
	while (n--)
		must(file_write_all(fd, line.data, line.len, "metrics"));
}

static void metrics_stay_within_bounds_and_no_count_is_lost(void **state)
{
	AUTO_FD dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD fd = open(metrics, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct vmm_stats stats = { 0 };
	struct stat st;
	AUTO_FREE char *total = xasprintf("%s/" VM_METRICS_TOTAL_FILE, top);
	uint64_t lines = 0;

	(void)state;
	must(fc_metrics_fold(dir));
	assert_int_equal(access(total, F_OK), -1); /* too little to be worth it */
	for (size_t i = 0; i < 20; i++) {
		write_lines(fd, 140);
		lines += 140;
		must(fc_metrics_fold(dir));
		stats = (struct vmm_stats){ 0 };
		must(fc_metrics_read(dir, &stats));
		assert_int_equal(stats.blocks[0].reads, lines);
		assert_int_equal(stats.blocks[0].read_bytes, 2 * lines);
	}
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size > 20 * 140 * 8000);
	assert_true(st.st_blocks * 512 < 4 << 20);
	/* A sum that is damaged is said to be. */
	AUTO_FD broken = open(total, O_WRONLY | O_TRUNC | O_CLOEXEC);
	must(file_write_all(broken, "{\"offset\":-1}", 13, "total"));
	expect_fault(fc_metrics_read(dir, &stats), F_CORRUPT, "offset");
}

static void messages_stay_within_bounds(void **state)
{
	AUTO_FD dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD fd = open(log_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char block[65536], last[4];
	struct stat st;
	off_t size = 0;

	(void)state;
	must(vmm_tidy(dir));
	memset(block, 'm', sizeof(block));
	for (size_t i = 0; i < 3 * VMM_LOG_MAX / sizeof(block); i++) {
		must(file_write_all(fd, block, sizeof(block), "log"));
		size += (off_t)sizeof(block);
		must(vmm_tidy(dir));
		assert_int_equal(fstat(fd, &st), 0);
		assert_true(st.st_blocks * 512 <= (off_t)VMM_LOG_MAX + 65536);
		assert_int_equal(st.st_size, size);
	}
	assert_int_equal(pread(fd, last, 4, size - 4), 4);
	assert_memory_equal(last, "mmmm", 4);
	assert_true(lseek(fd, 0, SEEK_DATA) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_request_is_in_the_api_description, setup, teardown),
		cmocka_unit_test_setup_teardown(boot_arguments_keep_modules_and_end_by_a_reset, setup,
						teardown),
		cmocka_unit_test_setup_teardown(stale_sockets_go_and_live_ones_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(the_process_is_alone_and_found_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_fault_names_what_is_wrong_and_nothing_stays, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_power_button_can_be_pressed_too_often, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_eleventh_connection_is_told_to_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(the_agent_answers_several_clients_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_silent_vsock_ends_by_the_time_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_to_connect, setup, teardown),
		cmocka_unit_test_setup_teardown(a_jail_has_links_and_is_removed_without_following_any,
						setup, teardown),
		cmocka_unit_test_setup_teardown(metrics_are_sums_of_all_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(metrics_of_a_real_machine, setup, teardown),
		cmocka_unit_test_setup_teardown(metrics_that_cannot_be_read_have_a_reason, setup,
						teardown),
		cmocka_unit_test_setup_teardown(metrics_stay_within_bounds_and_no_count_is_lost, setup,
						teardown),
		cmocka_unit_test_setup_teardown(messages_stay_within_bounds, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
