/* SPDX-License-Identifier: MIT */
#include "vm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "guest/vsock.h"
#include "store/events.h"
#include "vm/peers.h"

#define PANIC_TAIL 16384 /* bytes at the end of the console that are searched */
#define CONSOLE_WAIT_MS 1000
#define ID_PREFIX_MIN 4 /* digits, as git has it */
#define HALTED_LOOK_MS 3000 /* without an answer of the agent; a guest that boots answers sooner */
#define HALTED_ANSWER_MS 2000

void vm_release(struct vm *vm)
{
	vm_dir_release(&vm->dir);
	record_release(&vm_spec_type, &vm->spec);
	record_release(&vm_handles_type, &vm->handles);
	fault_free(vm->spec_fault);
	free(vm->run_dir);
	*vm = VM_INIT;
}

/* Names and ids of all VMs; ids of unreadable ones are empty and match nothing. */
static struct fault *list_ids(const struct store *s, const struct strings *names,
			      struct strings *ids)
{
	for (size_t i = 0; i < names->n; i++) {
		AUTO_VM_DIR dir = VM_DIR_INIT;
		struct vm_spec spec = { 0 };
		AUTO_FAULT f = vm_dir_open(s, names->v[i], &dir);

		if (!f)
			f = vm_spec_read(&dir, &spec);
		strings_add(ids, f ? "" : spec.id);
		record_release(&vm_spec_type, &spec);
	}
	return NULL;
}

/* Ids are random: one or two letters would be some VM's by chance, "fe" of a name that is there no more. */
static bool begins(const char *id, const char *wanted)
{
	size_t len = strlen(wanted);

	return len >= ID_PREFIX_MIN && !strncmp(id, wanted, len);
}

/* A VM whose name and id both fit must not be ambiguous with itself. */
static struct fault *find_by_prefix(const struct store *s, const struct strings *names,
				    const char *wanted, char **name)
{
	struct strings ids = { 0 };
	struct strings fitting = { 0 };
	struct fault *f = list_ids(s, names, &ids);
	size_t len = strlen(wanted), index = 0;

	for (size_t i = 0; !f && i < names->n && !*name; i++)
		if (!strcmp(ids.v[i], wanted))
			*name = xstrdup(names->v[i]);
	for (size_t i = 0; !f && i < names->n && !*name; i++)
		if (len && (!strncmp(names->v[i], wanted, len) || begins(ids.v[i], wanted)))
			strings_add(&fitting, names->v[i]);
	if (!f && !*name && fitting.n == 1) {
		*name = xstrdup(fitting.v[0]);
	} else if (!f && !*name && fitting.n > 1) {
		AUTO_BUF candidates = BUF_INIT;

		for (size_t i = 0; i < fitting.n && i < 10; i++)
			buf_addf(&candidates, "%s%s", i ? ", " : "", fitting.v[i]);
		f = fault_new(F_AMBIGUOUS, "'%.64s' fits several VMs: %s%s", wanted, candidates.data,
			      fitting.n > 10 ? ", ..." : "");
	} else if (!f && !*name) {
		f = name_find("VM", &fitting, wanted, &index); /* says that there is none */
	}
	strings_release(&ids);
	strings_release(&fitting);
	return f;
}

struct fault *vm_resolve(const struct store *s, const char *wanted, char **name)
{
	struct strings names;
	struct fault *f;
	AUTO_FD dir = -1;
	AUTO_FAULT absent = store_object_open(s, COLLECTION_VMS, wanted, &dir);

	if (!absent) {
		*name = xstrdup(wanted);
		return NULL;
	}
	TRY(store_names(s, COLLECTION_VMS, &names));
	*name = NULL;
	f = find_by_prefix(s, &names, wanted, name);
	strings_release(&names);
	return fault_hint(f, "See what there is with: banger vm list");
}

/*
 * The run directory of a VM whose id is lost: each one holds a link "vm" to its VM's directory.
 */
static char *search_run_dir(const struct store *s, const struct vm_dir *dir)
{
	AUTO_FD run = open(s->run_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct strings names = { 0 };
	char *found = NULL;
	struct stat ours, theirs;

	if (run < 0 || fstat(dir->fd, &ours) < 0)
		return NULL;
	fault_free(dir_names(run, s->run_path, &names));
	for (size_t i = 0; i < names.n && !found; i++) {
		AUTO_FREE char *link = xasprintf("%s/vm", names.v[i]);

		if (!fstatat(run, link, &theirs, 0) && theirs.st_ino == ours.st_ino &&
		    theirs.st_dev == ours.st_dev)
			found = xasprintf("%s/%s", s->run_path, names.v[i]);
	}
	strings_release(&names);
	return found;
}

static bool is_id(const char *id)
{
	return id && strlen(id) == VM_ID_HEX_LEN &&
	       strspn(id, "0123456789abcdef") == VM_ID_HEX_LEN;
}

/* It is removed with all that is in it, so its name must be the one that the id gives. */
static bool is_run_dir(const struct vm *vm, const char *path)
{
	const char *id = vm->spec_fault ? vm->handles.id : vm->spec.id;

	return path && path[0] == '/' && is_id(id) &&
	       !strncmp(strrchr(path, '/') + 1, id, SHORT_ID_LEN) &&
	       !strrchr(path, '/')[1 + SHORT_ID_LEN];
}

static void load_records(struct vm *vm)
{
	AUTO_FAULT lost = NULL;

	vm->spec_fault = vm_spec_read(&vm->dir, &vm->spec);
	lost = vm_handles_read(&vm->dir, &vm->handles);
	if (is_run_dir(vm, vm->handles.run_dir))
		vm->run_dir = xstrdup(vm->handles.run_dir);
	else if (!vm->spec_fault)
		vm->run_dir = vm_run_path(vm->store, vm->spec.id);
	else if (is_id(vm->handles.id))
		vm->run_dir = vm_run_path(vm->store, vm->handles.id);
	else
		vm->run_dir = search_run_dir(vm->store, &vm->dir);
}

struct fault *vm_open(const struct store *s, const struct config *config, const char *name,
		      struct vm *vm)
{
	*vm = VM_INIT;
	vm->store = s;
	vm->config = config;
	TRY(vm_dir_open(s, name, &vm->dir));
	load_records(vm);
	return NULL;
}

struct fault *vm_lock(const struct store *s, const struct config *config,
		      struct progress *progress, const char *name, const char *verb, struct vm *vm)
{
	*vm = VM_INIT;
	vm->store = s;
	vm->config = config;
	vm->progress = progress;
	TRY(vm_dir_lock(s, name, verb, &vm->dir));
	load_records(vm);
	return NULL;
}

struct fault *vm_ended(struct vm *vm, struct fault *f)
{
	AUTO_FREE char *operation = xstrdup(vm->dir.operation);

	events_end(&vm->dir, f);
	if (!f || !*operation)
		return f;
	return fault_suffix(f, " (operation %s)", operation);
}

struct fault *vm_need_spec(struct vm *vm)
{
	if (!vm->spec_fault)
		return NULL;
	return fault_hint(fault_new(fault_kind(vm->spec_fault), "%s",
				    fault_message(vm->spec_fault)),
			  "Remove it with: banger vm delete %s", vm->dir.name);
}

bool vm_is_orphan(const struct vm *vm)
{
	AUTO_FD pidfd = -1;
	AUTO_FAULT unsure = NULL;

	if (vm->spec_fault || !vm->spec.ephemeral.pid)
		return false;
	unsure = process_open(&vm->spec.ephemeral, &pidfd);
	return !unsure && pidfd < 0;
}

struct fault *vm_keep(struct vm *vm)
{
	TRY(vm_need_spec(vm));
	if (!vm->spec.ephemeral.pid)
		return NULL;
	process_id_release(&vm->spec.ephemeral);
	vm->spec.ephemeral = (struct process_id){ 0 };
	return vm_spec_write(&vm->dir, &vm->spec);
}

/* Sure only when it is true. */
static bool is_alive(const struct process_id *id)
{
	AUTO_FD pidfd = -1;
	AUTO_FAULT f = process_open(id, &pidfd);

	return !f && pidfd >= 0;
}

/*
 * Does the run directory lead to @vm?  The state directory may be a copy of another one, whose VMs
 * have the same ids.  A link to nowhere is ours: the state directory was moved.
 */
bool vm_owns_run_dir(const struct vm *vm)
{
	AUTO_FREE char *link = vm->run_dir ? xasprintf("%s/vm", vm->run_dir) : NULL;
	struct stat ours, theirs;

	if (!link || lstat(link, &theirs) < 0)
		return false;
	return stat(link, &theirs) < 0 ||
	       (!fstat(vm->dir.fd, &ours) && ours.st_ino == theirs.st_ino &&
		ours.st_dev == theirs.st_dev);
}

/* Another VM's, that is there: then the copied handles.json tells of its process, not of ours. */
static bool run_dir_is_theirs(const struct vm *vm)
{
	AUTO_FREE char *link = vm->run_dir ? xasprintf("%s/vm", vm->run_dir) : NULL;
	struct stat st;

	return link && stat(link, &st) == 0 && !vm_owns_run_dir(vm);
}

struct fault *vm_find_process(const struct vm *vm, bool *found, struct process_id *id)
{
	const char *driver = vm->handles.driver;
	AUTO_FD pidfd = -1;

	*found = false;
	if (vm->handles.vmm.pid && !run_dir_is_theirs(vm)) {
		TRY(process_open(&vm->handles.vmm, &pidfd));
		*found = pidfd >= 0;
	}
	if (*found) {
		record_copy(&process_id_type, &vm->handles.vmm, id);
		return NULL;
	}
	/* A VMM without run directory and boot archive cannot be: they are made before it and
	 * removed after it, but the former may have been cleared away by others. */
	if (vm_owns_run_dir(vm))
		TRY(vmm_find_process(driver, vm->run_dir, NULL, found, id));
	if (!*found && !faccessat(vm->dir.fd, VM_INITRD_FILE, F_OK, AT_SYMLINK_NOFOLLOW)) {
		AUTO_FREE char *initrd = xasprintf("%s/" VM_INITRD_FILE, vm->dir.path);

		TRY(vmm_find_process(driver, NULL, initrd, found, id));
	}
	return NULL;
}

enum vm_state vm_state(const struct vm *vm)
{
	struct process_id id = { 0 };
	bool running = false;
	AUTO_FAULT unsure = vm_find_process(vm, &running, &id);

	process_id_release(&id);
	if (running || (unsure && vm->handles.vmm.pid))
		return VM_RUNNING;
	if (vm->spec_fault || vm->spec.last_error)
		return VM_FAILED;
	return vm->spec.wanted && strcmp(vm->spec.wanted, "created") ? VM_STOPPED : VM_CREATED;
}

const char *vm_state_name(enum vm_state state)
{
	static const char *const names[VM_STATES] = { "created", "running", "stopped", "failed" };

	return names[state];
}

struct fault *vm_touch(struct vm *vm)
{
	free(vm->spec.touched);
	vm->spec.touched = text_time(time(NULL));
	return vm_spec_write(&vm->dir, &vm->spec);
}

struct guest_address vm_guest_address(const struct vm *vm)
{
	AUTO_FREE char *vsock = xasprintf("%s/" GUEST_VSOCK_NAME, vm->run_dir ? vm->run_dir : "");

	/* The socket itself tells, also when handles.json is lost. */
	return (struct guest_address){ access(vsock, F_OK) ? GUEST_VIRTIO : GUEST_VSOCK, vm->run_dir };
}

bool vm_is_halted(const struct vm *vm)
{
	const struct vmm_driver *driver = vmm_find(vm->handles.driver);
	bool gone = vm->handles.vmm.pid && !is_alive(&vm->handles.vmm);
	bool halted = false;
	AUTO_FAULT unknown = NULL;

	if (driver->halted && vm->run_dir && !gone)
		unknown = driver->halted(vm->run_dir, HALTED_ANSWER_MS, &halted);
	return !unknown && halted;
}

struct waiting {
	const struct vm *vm;
	struct process_id id; /* the VMM's */
	int64_t look_ms;      /* when to look whether it is halted */
	bool halted;
};

static bool still_alive(void *context)
{
	struct waiting *w = context;

	if (!is_alive(&w->id))
		return false;
	if (clock_now_ms() >= w->look_ms) {
		w->halted = vm_is_halted(w->vm);
		w->look_ms = clock_now_ms() + HALTED_LOOK_MS;
	}
	return !w->halted;
}

/*
 * A guest's reset and its kernel's panic end the VMM in the same way; only what was on the console
 * tells them apart.
 */
static struct fault *tell_panic(const struct vm *vm, struct fault *f)
{
	AUTO_FD fd = openat(vm->dir.fd, VM_CONSOLE_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_BUF text = BUF_INIT;
	AUTO_BUF shown = BUF_INIT;
	const char *panic;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 ||
	    (st.st_size > PANIC_TAIL && lseek(fd, st.st_size - PANIC_TAIL, SEEK_SET) < 0))
		return f;
	fault_free(file_read_fd(fd, 2 * PANIC_TAIL, VM_CONSOLE_FILE, &text));
	panic = strstr(text.data, "Kernel panic - ");
	if (!panic)
		return f;
	text_add_printable(&shown, panic, strcspn(panic, "\r\n"));
	return fault_attach(f, fault_new(F_GUEST, "on its console: %s", shown.data));
}

static bool wait_gone(const struct process_id *id)
{
	AUTO_FD pidfd = -1;
	bool gone = false;
	AUTO_FAULT unsure = process_open(id, &pidfd);

	if (!unsure && pidfd >= 0)
		unsure = process_wait_gone(pidfd, CONSOLE_WAIT_MS, &gone);
	return !unsure && (pidfd < 0 || gone);
}

/* With the VMM the keeper of the console ends, as soon as it has written all. */
static void await_console(const struct vm *vm)
{
	if (vm->handles.vmm.pid && vm->handles.console.pid && wait_gone(&vm->handles.vmm))
		wait_gone(&vm->handles.console);
}

static struct fault *tell_halted(const struct vm *vm)
{
	return fault_hint(fault_new(F_STATE, "VM '%s' is halted: the host had no place left for what it "
				    "wrote to its disks; nothing of it is lost", vm->dir.name),
			  "Make room in '%s', then let it go on: banger vm start %s",
			  vm->store->path, vm->dir.name);
}

struct fault *vm_explain(const struct vm *vm, struct fault *f)
{
	if (!f || fault_kind(f) != F_GUEST)
		return f;
	await_console(vm);
	if (vm_is_halted(vm)) {
		fault_free(f);
		return tell_halted(vm);
	}
	/* A virtio port tells who has it next, a vsock only ends. */
	if (guest_went_away(f) && vm->handles.vmm.pid && is_alive(&vm->handles.vmm)) {
		fault_free(f);
		return fault_new(F_GUEST, "the machine's agent ended; it is started again unless the guest "
				 "is shutting down");
	}
	return tell_panic(vm, f);
}

struct fault *vm_reach(struct vm *vm, int wait_ms, struct guest **guest)
{
	struct guest_address address = vm_guest_address(vm);
	struct waiting w = { .vm = vm, .look_ms = clock_now_ms() + HALTED_LOOK_MS };
	struct fault *f;
	bool running;

	TRY(vm_need_spec(vm));
	TRY(vm_find_process(vm, &running, &w.id));
	if (!running)
		return fault_hint(fault_new(F_STATE, "VM '%s' is not running", vm->dir.name),
				  "Start it with: banger vm start %s", vm->dir.name);
	f = guest_connect(&address, wait_ms, still_alive, &w, guest);
	process_id_release(&w.id);
	if (w.halted) {
		fault_free(f);
		return tell_halted(vm);
	}
	f = vm_explain(vm, f);
	if (f && fault_kind(f) != F_CANCELLED)
		f = fault_hint(fault_wrap(f, "VM '%s'", vm->dir.name),
			       "See what the guest printed with: banger vm logs %s", vm->dir.name);
	return f;
}

struct fault *vm_connect(struct vm *vm, int wait_ms, struct guest **guest)
{
	TRY(vm_reach(vm, wait_ms, guest));
	if (peers_catch_up(vm, *guest))
		return NULL;
	guest_close(*guest);
	return vm_reach(vm, wait_ms, guest);
}

struct fault *vm_signal_number(const char *name, int *number)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = {
		{ "TERM", SIGTERM }, { "KILL", SIGKILL }, { "INT", SIGINT },   { "HUP", SIGHUP },
		{ "QUIT", SIGQUIT }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "ABRT", SIGABRT },
	};
	const char *bare = strncasecmp(name, "SIG", 3) ? name : name + 3;

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (!strcasecmp(bare, signals[i].name)) {
			*number = signals[i].number;
			return NULL;
		}
	return fault_new(F_INVALID, "'%.32s' is not a signal that can be sent to a VM: use TERM, KILL, "
			 "INT, HUP, QUIT, USR1, USR2 or ABRT", name);
}
