/* SPDX-License-Identifier: MIT */
/*
 * firecracker.c - the Firecracker driver.
 *
 * Theory of operation.  Firecracker is started detached and without a guest.  Over its API socket "api" in
 * the run directory it is then told one thing after the other, on one connection, and last to start.
 * Each path is opened when it is told, so a fault names what is wrong.  Its standard output is the
 * guest's serial console; its own messages go to the log.  "vsock" in the run directory leads to the
 * agent (guest/vsock.h).  It removes neither socket when it ends, and does not start where one is: so
 * they are removed before a start, under the VM's lock and only when nobody listens.
 *
 * The process is found again by "--api-sock" with that path among its arguments, or by "--log-path"
 * with the log in the VM's directory.  It ends when the guest resets: the guest is told to reboot by
 * the keyboard controller (reboot=k), as turning itself off would leave the process for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "host/machine.h"
#include "host/spawn.h"
#include "host/trust.h"
#include "host/usage.h"
#include "store/program_cache.h"
#include "store/vm_store.h"
#include "vmm/firecracker.h"
#include "vmm/firecracker_config.h"
#include "vmm/jailer.h"

#define OPEN_WAIT_MS	30000
#define VERSION_WAIT_MS 5000
#define CALL_MS		2000
#define LOG_TAIL	2048
/* The first release that describes its devices by ACPI, which kernels of distributions need. */
#define OLDEST_MAJOR 1
#define OLDEST_MINOR 8

/* ------------------------------------------------------------------------------------ the program */

static char *find_program(const char *name)
{
	static const char *const places[] = { "/usr/libexec/banger", "/usr/local/libexec/banger" };
	char *found = machine_find_program(name);

	for (size_t i = 0; !found && !strchr(name, '/') && i < ARRAY_LEN(places); i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", places[i], name);

		found = machine_find_program(path);
	}
	return found;
}

struct fault *fc_version_check(const char *said)
{
	unsigned int major, minor;

	if (sscanf(said, "Firecracker v%u.%u", &major, &minor) != 2)
		return fault_new(F_TOOL, "it does not say which version of Firecracker it is");
	if (major > OLDEST_MAJOR || (major == OLDEST_MAJOR && minor >= OLDEST_MINOR))
		return NULL;
	return fault_hint(fault_new(F_UNSUPPORTED, "Firecracker %u.%u is too old", major, minor),
			  "Install Firecracker %d.%d or a later one.", OLDEST_MAJOR, OLDEST_MINOR);
}

static struct fault *run_version(const char *program, struct buf *said)
{
	const char *const argv[] = { program, "--version", NULL };
	const struct spawn s = { SPAWN_INIT, .argv = argv, .deadline_ms = VERSION_WAIT_MS };

	TRY(spawn_run(&s, said, 64 * KIB));
	said->len = strcspn(said->data, "\n");
	said->data[said->len] = '\0';
	return NULL;
}

/* The answers of this process's programs: one start looks for its VMM several times. */
static struct answer {
	struct stat file;
	char said[PROGRAM_SAID_MAX];
} answers[4];
static size_t n_answers;
static pthread_mutex_t answers_lock = PTHREAD_MUTEX_INITIALIZER;

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* From the cache of earlier processes, else from itself. */
static struct fault *learn_version(const struct store *s, const char *kind, const char *program,
				   const struct stat *file, struct buf *said)
{
	struct stat after;

	if (program_recall(s, kind, program, file, said))
		return NULL;
	TRY(run_version(program, said));
	/* Was the one that answered the one that we looked at? */
	if (stat(program, &after) == 0 && same_file(file, &after))
		program_remember(s, kind, program, file, said->data);
	return NULL;
}

static struct fault *ask_once(const struct store *s, const char *kind, const char *program,
			      struct buf *said)
{
	struct answer a = { .said = "" };

	if (stat(program, &a.file) < 0)
		return fault_sys(F_SYS, "looking at '%s'", program);
	for (size_t i = 0; i < n_answers; i++)
		if (same_file(&answers[i].file, &a.file)) {
			buf_adds(said, answers[i].said);
			return NULL;
		}
	TRY(learn_version(s, kind, program, &a.file, said));
	if (n_answers < ARRAY_LEN(answers) && said->len < sizeof(a.said)) {
		memcpy(a.said, said->data, said->len + 1);
		answers[n_answers++] = a;
	}
	return NULL;
}

struct fault *fc_ask_version(const struct store *s, const char *kind, const char *program,
			     struct buf *said)
{
	struct fault *f;

	pthread_mutex_lock(&answers_lock);
	f = ask_once(s, kind, program, said);
	pthread_mutex_unlock(&answers_lock);
	return f;
}

/* Beside Firecracker, as a release has the two, or on PATH.  Owned; NULL = there is none. */
static char *find_jailer(const char *name, const char *firecracker)
{
	AUTO_FREE char *beside = xasprintf("%.*s/%s", (int)(strrchr(firecracker, '/') - firecracker),
					   firecracker, name);
	char *found = strchr(name, '/') ? NULL : machine_find_program(beside);

	return found ? found : find_program(name);
}

static struct fault *probe_jailer(const struct store *s, const struct config *config,
				  const char *version, struct vmm_choice *choice)
{
	AUTO_BUF said = BUF_INIT;

	if (geteuid() || strcmp(config->jailer_enabled, "yes"))
		return NULL;
	choice->jailer = find_jailer(config->jailer_bin, choice->program);
	if (!choice->jailer)
		return fault_hint(fault_new(F_MISSING, "Firecracker's jailer is not installed (no "
					    "program '%s')", config->jailer_bin),
				  "Put it beside Firecracker, or go without: BANGER_JAILER_ENABLED=no");
	TRY(trust_program(choice->jailer));
	if (!machine_program_is_static(choice->program))
		return fault_hint(fault_new(F_UNSUPPORTED, "'%s' is not linked statically, so it cannot "
					    "start in a jail", choice->program),
				  "Take a release of Firecracker, or go without: "
				  "BANGER_JAILER_ENABLED=no");
	TRY(fc_ask_version(s, "jailer", choice->jailer, &said));
	if (strncmp(said.data, "Jailer v", 8) || strcmp(said.data + 8, version))
		return fault_hint(fault_new(F_UNSUPPORTED, "'%s' is of another version than "
					    "Firecracker v%s", choice->jailer, version),
				  "Install both from the same release.");
	return NULL;
}

static struct fault *probe(const struct store *s, const struct config *config,
			  struct vmm_choice *choice)
{
	AUTO_BUF said = BUF_INIT;

	choice->program = find_program(config->firecracker_bin);
	if (!choice->program)
		return fault_hint(fault_new(F_MISSING, "Firecracker is not installed (no program "
					    "'%s')", config->firecracker_bin),
				  "Put a release of it on PATH, or name it in BANGER_FIRECRACKER.");
	TRY(trust_program(choice->program));
	TRY(fault_wrap(machine_kvm_fault(), "Firecracker needs KVM"));
	TRY(fc_ask_version(s, "firecracker", choice->program, &said));
	TRY(fault_wrap(fc_version_check(said.data), "'%s'", choice->program));
	choice->kvm = true;
	return probe_jailer(s, config, strchr(said.data, 'v') + 1, choice);
}

/* ------------------------------------------------------------------------------------ the process */

static char *in_dir(const char *dir, const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static struct fault *find(const char *run_dir, const char *initrd_path, bool *found,
			  struct process_id *process)
{
	AUTO_FREE char *vm_dir = run_dir ? in_dir(run_dir, "vm")
					 : xstrndup(initrd_path,
						    (size_t)(strrchr(initrd_path, '/') - initrd_path));
	AUTO_FREE char *value = run_dir ? in_dir(run_dir, FC_API_SOCKET)
					: in_dir(vm_dir, VM_LOG_FILE);

	TRY(process_find(run_dir ? "--api-sock" : "--log-path", value, found, process));
	return *found ? NULL : jail_find(vm_dir, found, process);
}

struct fault *fc_clear_socket(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? NULL : fault_sys(F_SYS, "looking at '%s'", path);
	if (S_ISSOCK(st.st_mode) && !fc_socket_is_dead(path))
		return fault_new(F_BUSY, "another process listens at '%s'", path);
	if (unlink(path) < 0)
		return fault_sys(F_SYS, "removing '%s'", path);
	return NULL;
}

static struct fault *check_machine(const struct vmm_machine *m)
{
	if (m->net.kind == VMM_NET_USER)
		return fault_new(F_UNSUPPORTED, "Firecracker has no user-mode network");
	for (size_t i = 0; i < m->n_disks; i++)
		if (strcmp(m->disks[i].format, "raw"))
			return fault_new(F_UNSUPPORTED, "Firecracker cannot read the %s disk '%s'",
					 m->disks[i].format, m->disks[i].path);
	return NULL;
}

/* Releases before 1.14 do not make the files that they write to. */
static struct fault *make_file(const char *path, int *fd)
{
	*fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	return *fd < 0 ? fault_sys(F_SYS, "creating '%s'", path) : NULL;
}

/* The last start's, and what was summed up of it. */
static struct fault *make_metrics(const char *path)
{
	AUTO_FREE char *total = xasprintf("%.*s/" VM_METRICS_TOTAL_FILE,
					  (int)(strrchr(path, '/') - path), path);
	AUTO_FD fd = -1;

	if (unlink(total) < 0 && errno != ENOENT)
		return fault_sys(F_SYS, "removing '%s'", total);
	return make_file(path, &fd);
}

static struct fault *tail_of(const char *path)
{
	AUTO_FD fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_BUF text = BUF_INIT;
	AUTO_BUF shown = BUF_INIT;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	if (st.st_size > LOG_TAIL && lseek(fd, st.st_size - LOG_TAIL, SEEK_SET) < 0)
		return NULL;
	fault_free(file_read_fd(fd, 2 * LOG_TAIL, path, &text));
	while (text.len && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	text_add_printable(&shown, text.data, text.len);
	return text.len ? fault_new(F_TOOL, "Firecracker said: %s", shown.data) : NULL;
}

struct attempt {
	char *api, *vsock, *err; /* owned paths */
	struct strings args;	 /* owned */
	struct jail jail;
	struct fc_paths paths; /* borrowed */
	struct child child;
};

/* Everything before the process: its files, its arguments, its jail. */
static struct fault *prepare(const struct vmm_choice *choice, const struct vmm_machine *m,
			     struct attempt *a)
{
	AUTO_FD log = -1;
	AUTO_FREE char *program = realpath(choice->program, NULL);
	const char *const args[] = { choice->program, "--api-sock", a->api, "--id", m->id,
				     "--log-path", m->log_path, "--level", "Info" };

	TRY(make_file(m->log_path, &log));
	TRY(make_metrics(m->metrics_path));
	if (choice->jailer && program) {
		TRY(jail_make(m, program, &a->jail));
		jail_arguments(&a->jail, m, choice->jailer, program, &a->args);
		a->paths = a->jail.paths;
		return NULL;
	}
	TRY(fc_clear_socket(a->api));
	TRY(fc_clear_socket(a->vsock));
	for (size_t i = 0; i < ARRAY_LEN(args); i++)
		strings_add(&a->args, args[i]);
	a->paths = (struct fc_paths){ m->kernel_path, m->initrd_path, m->metrics_path, a->vsock,
				      { NULL } };
	for (size_t i = 0; i < m->n_disks; i++)
		a->paths.disks[i] = m->disks[i].path;
	return NULL;
}

static struct fault *spawn(const struct vmm_machine *m, struct attempt *a)
{
	struct spawn s = { .argv = (const char *const *)a->args.v, .in = SPAWN_NULL,
			   .out = m->console, .new_session = true };
	AUTO_FD err = -1;
	struct fault *f;
	mode_t mask;

	TRY(make_file(a->err, &err));
	s.err = err;
	mask = umask(077); /* its sockets are for nobody else */
	f = spawn_start(&s, &a->child);
	umask(mask);
	return f;
}

static struct fault *configure(const struct vmm_machine *m, struct attempt *a,
			       struct process_id *process)
{
	struct fc_api *api = NULL;
	struct fault *f;

	TRY(fc_api_open(a->api, OPEN_WAIT_MS, a->child.pidfd, &api));
	f = fc_configure(api, m, &a->paths);
	fc_api_close(api);
	if (!f && !process_identify(a->child.pid, process))
		f = fault_new(F_TOOL, "Firecracker ended at once");
	return f;
}

static struct fault *attempt(const struct vmm_choice *choice, const struct vmm_machine *m,
			     struct attempt *a, struct process_id *process)
{
	struct fault *f;

	TRY(prepare(choice, m, a));
	TRY(spawn(m, a));
	f = configure(m, a, process);
	if (!f) {
		child_release(&a->child);
		return NULL;
	}
	child_kill(&a->child);
	f = fault_attach(f, tail_of(a->err));
	return fault_attach(f, tail_of(m->log_path));
}

static struct fault *launch(const struct vmm_choice *choice, const struct vmm_machine *m,
			    struct process_id *process)
{
	struct attempt a = { .child = CHILD_INIT };
	struct fault *f;

	TRY(check_machine(m));
	a.api = in_dir(m->run_dir, FC_API_SOCKET);
	a.vsock = in_dir(m->run_dir, FC_VSOCK_SOCKET);
	a.err = in_dir(m->run_dir, "stderr");
	f = attempt(choice, m, &a, process);
	free(a.api);
	free(a.vsock);
	free(a.err);
	strings_release(&a.args);
	jail_release(&a.jail);
	return f;
}

/* ------------------------------------------------------------------------------ while it runs */

static struct fault *tell(const char *run_dir, const char *method, const char *path,
			  const char *body, int wait_ms, const char *what)
{
	AUTO_FREE char *socket = in_dir(run_dir, FC_API_SOCKET);
	struct fc_api *api = NULL;
	struct fault *f;

	TRY(fc_api_open(socket, 0, -1, &api));
	f = fc_api_set(api, method, path, body, wait_ms, what);
	fc_api_close(api);
	return f;
}

static struct fault *power_button(const char *run_dir)
{
	return tell(run_dir, "PUT", "/actions", "{\"action_type\":\"SendCtrlAltDel\"}", CALL_MS,
		    "to press Ctrl-Alt-Del");
}

/* The path by which the running process knows disk @index.  Owned. */
static struct fault *disk_path(struct fc_api *api, const char *id, int wait_ms, char **path)
{
	AUTO_FREE char *name = NULL;
	struct json_doc *doc = NULL;
	struct json list, drive;
	struct json_iter it;

	*path = NULL;
	TRY(fc_api_get(api, "/vm/config", wait_ms, &doc));
	if (json_get(json_root(doc), "drives", &list))
		for (it = json_iter(list); !*path && json_next(&it, NULL, &drive);) {
			free(name);
			name = NULL;
			if (json_get_string(drive, "drive_id", &name) && !strcmp(name, id))
				json_get_string(drive, "path_on_host", path);
		}
	json_free(doc);
	return *path ? NULL : fault_new(F_TOOL, "Firecracker knows no disk '%s'", id);
}

static struct fault *tell_size(const char *run_dir, const char *id, int wait_ms)
{
	AUTO_FREE char *socket = in_dir(run_dir, FC_API_SOCKET);
	AUTO_FREE char *path = xasprintf("/drives/%s", id);
	AUTO_FREE char *file = NULL;
	AUTO_BUF body = BUF_INIT;
	struct fc_api *api = NULL;
	struct fault *f;

	TRY(fc_api_open(socket, 0, -1, &api));
	f = disk_path(api, id, wait_ms, &file);
	if (!f) {
		buf_addf(&body, "{\"drive_id\":\"%s\",\"path_on_host\":", id);
		json_add_string(&body, file);
		buf_addc(&body, '}');
		f = fc_api_set(api, "PATCH", path, body.data, wait_ms, "the disk's new size");
	}
	fc_api_close(api);
	return f;
}

static struct fault *grow_disk(const char *run_dir, size_t index, uint64_t bytes, int wait_ms)
{
	AUTO_FREE char *id = xasprintf("disk%zu", index);
	AUTO_FREE char *path = in_dir(run_dir, "vm/" VM_WORK_FILE);
	AUTO_FD fd = -1;
	struct stat st;

	if (index != VMM_DISK_WORK)
		return fault_new(F_UNSUPPORTED, "only the work disk of a running VM can grow");
	fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fault_sys(F_SYS, "opening '%s'", path);
	if ((uint64_t)st.st_size < bytes && ftruncate(fd, (off_t)bytes) < 0)
		return fault_sys(F_SYS, "growing '%s'", path);
	return tell_size(run_dir, id, wait_ms);
}

static bool take_thread(void *context, pid_t thread, const char *name)
{
	struct vmm_stats *out = context;

	if (!strncmp(name, "fc_vcpu", 7) && out->n_vcpus < VMM_VCPUS_MAX)
		out->vcpu_threads[out->n_vcpus++] = (uint64_t)thread;
	return true;
}

static struct fault *stats(const char *run_dir, int wait_ms, struct vmm_stats *out)
{
	AUTO_FREE char *path = in_dir(run_dir, "vm");
	AUTO_FD vm_dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct process_id process = { 0 };
	bool found;

	*out = (struct vmm_stats){ .n_blocks = 0 };
	if (vm_dir < 0)
		return fault_sys(F_SYS, "opening '%s'", path);
	TRY(tell(run_dir, "PUT", "/actions", "{\"action_type\":\"FlushMetrics\"}", wait_ms,
		 "to write its metrics"));
	TRY(fc_metrics_read(vm_dir, out));
	TRY(find(run_dir, NULL, &found, &process));
	if (found)
		fault_free(usage_threads((pid_t)process.pid, take_thread, out));
	process_id_release(&process);
	return NULL;
}

const struct vmm_driver vmm_firecracker = {
	.name = "firecracker",
	.transport = GUEST_VSOCK,
	.vcpu_max = FC_VCPU_MAX,
	.probe = probe,
	.find = find,
	.launch = launch,
	.clean = jail_remove,
	.tidy = fc_metrics_fold,
	.power_button = power_button,
	.stats = stats,
	.grow_disk = grow_disk,
};
