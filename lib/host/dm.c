/* SPDX-License-Identifier: MIT */
#include "host/dm.h"

#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <pthread.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/library.h"

#define DIRECTORY "/dev/mapper"
#define CONTROL	  DIRECTORY "/control"
/* A device whose program has just ended is busy for a moment. */
#define RETRY_FIRST_MS 2
#define RETRY_LAST_MS  100

/* clang-format off */
#define FUNCTIONS(X) \
	X(dm_task_create) X(dm_task_destroy) X(dm_task_set_name) X(dm_task_set_uuid) \
	X(dm_task_set_ro) X(dm_task_set_mode) X(dm_task_set_gid) X(dm_task_add_target) \
	X(dm_task_set_cookie) X(dm_task_run) \
	X(dm_task_get_errno) X(dm_task_get_info) X(dm_task_get_uuid) X(dm_task_get_names) \
	X(dm_task_deferred_remove) X(dm_task_update_nodes) X(dm_get_next_target) \
	X(dm_log_with_errno_init) X(dm_udev_set_sync_support)
/* clang-format on */

static struct {
	FUNCTIONS(LIBRARY_MEMBER)
} lib;
static const struct library_symbol symbols[] = { FUNCTIONS(LIBRARY_SYMBOL) };
static struct library library = { "libdevmapper.so.1.02.1", symbols, ARRAY_LEN(symbols), false };

/* Debian added a digit to the version of the library's interface; others have not. */
static struct fault *load_library(void)
{
	AUTO_FAULT first = library_load(&library);

	if (!first)
		return NULL;
	library.file = "libdevmapper.so.1.02";
	return library_load(&library);
}

/* The library's state, and what it said last, belong to one thread at a time. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static char said[256];

static void take_message(int level, const char *file, int line, int number, const char *fmt, ...)
	PRINTF(5, 6);
static void take_message(int level, const char *file, int line, int number, const char *fmt, ...)
{
	va_list ap;

	(void)file;
	(void)line;
	(void)number;
	if ((level & 7) > 3) /* errors are 3, worse ones less; the higher bits are flags */
		return;
	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
}

static struct fault *open_library(void)
{
	static bool ready;
	AUTO_FD control = open(CONTROL, O_RDWR | O_CLOEXEC);

	/* Asked first: the library would make the node, and start programs to load the module. */
	if (control < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		return fault_hint(fault_new(F_MISSING, "there is no " CONTROL ": the kernel has no "
					    "device mapper"), "Try: modprobe dm_mod");
	if (control < 0)
		return fault_sys(F_SYS, "opening '" CONTROL "'");
	TRY(load_library());
	if (!ready) {
		lib.dm_log_with_errno_init(take_message);
		lib.dm_udev_set_sync_support(0);
	}
	ready = true;
	return NULL;
}

/* Nobody's device but our own: names come from files that may be broken. */
static struct fault *check_name(const char *name)
{
	size_t len = strlen(DM_PREFIX);

	if (!strncmp(name, DM_PREFIX, len) && name[len] &&
	    !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")])
		return NULL;
	return fault_new(F_INVALID, "'%.64s' is no device of banger's", name);
}

static struct fault *failed(struct dm_task *task, const char *doing, const char *name)
{
	int number = lib.dm_task_get_errno(task);
	enum fault_kind kind = number == EBUSY		      ? F_BUSY
			       : number == ENXIO	      ? F_NOT_FOUND
			       : number == EPERM || number == EACCES ? F_DENIED
							      : F_SYS;

	return fault_new(kind, "%s device '%s': %s", doing, name,
			 said[0] ? said : "the device mapper gives no reason");
}

/* A task for @name; the caller has the turn.  NULL only when memory is exhausted. */
static struct dm_task *new_task(int type, const char *name)
{
	struct dm_task *task = lib.dm_task_create(type);

	if (!task || (name && !lib.dm_task_set_name(task, name)))
		abort();
	said[0] = '\0';
	return task;
}

/* No rule of udev's may look at the device; without waiting, the cookie only carries the flags. */
static void keep_udev_off(struct dm_task *task)
{
	uint32_t cookie = 0;

	if (!lib.dm_task_set_cookie(task, &cookie,
				    DM_UDEV_DISABLE_DM_RULES_FLAG |
					    DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG |
					    DM_UDEV_DISABLE_DISK_RULES_FLAG |
					    DM_UDEV_DISABLE_OTHER_RULES_FLAG))
		abort();
}

static struct fault *check_type(const char *type)
{
	struct dm_task *task = new_task(DM_DEVICE_GET_TARGET_VERSION, type);
	struct fault *f = NULL;

	if (!lib.dm_task_run(task))
		f = fault_hint(fault_new(F_UNSUPPORTED, "the kernel's device mapper has no '%s': %s",
					 type, said),
			       "Try: modprobe dm-%s", type);
	lib.dm_task_destroy(task);
	return f;
}

struct fault *dm_check(const char *const *types)
{
	struct fault *f;

	pthread_mutex_lock(&turn);
	f = open_library();
	for (; !f && *types; types++)
		f = check_type(*types);
	pthread_mutex_unlock(&turn);
	return f;
}

char *dm_path(const char *name)
{
	return xasprintf(DIRECTORY "/%s", name);
}

static struct fault *find(const char *name, bool *found, struct dm_device *device)
{
	struct dm_task *task = new_task(DM_DEVICE_INFO, name);
	struct dm_info info = { 0 };
	struct fault *f = NULL;

	if (!lib.dm_task_run(task) || !lib.dm_task_get_info(task, &info)) {
		f = failed(task, "looking at", name);
	} else if (info.exists) {
		const char *uuid = lib.dm_task_get_uuid(task);

		*device = (struct dm_device){ .number = makedev(info.major, info.minor),
					      .users = info.open_count > 0
							       ? (unsigned int)info.open_count
							       : 0,
					      .going = info.deferred_remove != 0 };
		snprintf(device->uuid, sizeof(device->uuid), "%s", uuid ? uuid : "");
	}
	*found = !f && info.exists;
	lib.dm_task_destroy(task);
	return f;
}

/* ------------------------------------------------------------------------------------- making */

/* The library makes, loads and starts a device in three calls, and does not tell which of them said what. */
static struct fault *not_made(struct dm_task *task, const char *name)
{
	struct fault *f = failed(task, "making", name);
	struct dm_device device;
	bool found = false;

	f = fault_attach(f, find(name, &found, &device));
	if (!found)
		return f;
	fault_free(f);
	return fault_new(F_EXISTS, "there is a device '%s' already", name);
}

static struct fault *create(struct dm_task *task, const char *name, dev_t *number)
{
	struct dm_info info;

	if (!lib.dm_task_run(task))
		return not_made(task, name);
	lib.dm_task_update_nodes();
	if (!lib.dm_task_get_info(task, &info) || !info.exists)
		return fault_new(F_SYS, "device '%s' was not made", name);
	if (number)
		*number = makedev(info.major, info.minor);
	return NULL;
}

struct fault *dm_create(const char *name, const char *uuid, bool read_only,
			const struct dm_target *targets, size_t n, dev_t *number)
{
	struct dm_task *task;
	struct fault *f;

	TRY(check_name(name));
	pthread_mutex_lock(&turn);
	f = open_library();
	if (!f) {
		task = new_task(DM_DEVICE_CREATE, name);
		if (!lib.dm_task_set_uuid(task, uuid) || (read_only && !lib.dm_task_set_ro(task)) ||
		    !lib.dm_task_set_mode(task, 0600) || !lib.dm_task_set_gid(task, 0))
			abort();
		for (size_t i = 0; i < n; i++)
			if (!lib.dm_task_add_target(task, targets[i].start, targets[i].length,
						    targets[i].type, targets[i].params))
				abort();
		keep_udev_off(task);
		f = create(task, name, number);
		lib.dm_task_destroy(task);
	}
	pthread_mutex_unlock(&turn);
	return f;
}

/* ------------------------------------------------------------------------------------- looking */

struct fault *dm_find(const char *name, bool *found, struct dm_device *device)
{
	struct fault *f;

	*found = false;
	TRY(check_name(name));
	pthread_mutex_lock(&turn);
	f = open_library();
	if (!f)
		f = find(name, found, device);
	pthread_mutex_unlock(&turn);
	return f;
}

static void add_names(const struct dm_names *all, struct strings *names)
{
	const struct dm_names *at = all;

	if (!at || !at->dev) /* none: an empty first entry */
		return;
	for (;;) {
		AUTO_FAULT foreign = check_name(at->name);

		if (!foreign)
			strings_add(names, at->name);
		if (!at->next)
			return;
		at = (const struct dm_names *)(const void *)((const char *)at + at->next);
	}
}

struct fault *dm_list(struct strings *names)
{
	struct dm_task *task;
	struct fault *f;

	*names = (struct strings){ 0 };
	pthread_mutex_lock(&turn);
	f = open_library();
	if (!f) {
		task = new_task(DM_DEVICE_LIST, NULL);
		if (!lib.dm_task_run(task))
			f = failed(task, "listing", DM_PREFIX "*");
		else
			add_names(lib.dm_task_get_names(task), names);
		lib.dm_task_destroy(task);
	}
	pthread_mutex_unlock(&turn);
	return f;
}

static struct fault *status(const char *name, struct buf *out)
{
	struct dm_task *task = new_task(DM_DEVICE_STATUS, name);
	char *type = NULL, *params = NULL;
	uint64_t start, length;
	struct dm_info info = { 0 };
	struct fault *f = NULL;

	if (!lib.dm_task_run(task) || !lib.dm_task_get_info(task, &info)) {
		f = failed(task, "asking", name);
	} else if (!info.exists) {
		f = fault_new(F_NOT_FOUND, "there is no device '%s'", name);
	} else {
		lib.dm_get_next_target(task, NULL, &start, &length, &type, &params);
		buf_adds(out, params ? params : "");
	}
	lib.dm_task_destroy(task);
	return f;
}

struct fault *dm_status(const char *name, struct buf *out)
{
	struct fault *f;

	TRY(check_name(name));
	pthread_mutex_lock(&turn);
	f = open_library();
	if (!f)
		f = status(name, out);
	pthread_mutex_unlock(&turn);
	return f;
}

/* ------------------------------------------------------------------------------------- removing */

static struct fault *remove_once(const char *name, bool deferred)
{
	struct dm_task *task;
	struct fault *f;

	pthread_mutex_lock(&turn);
	f = open_library();
	if (!f) {
		task = new_task(DM_DEVICE_REMOVE, name);
		if (deferred && !lib.dm_task_deferred_remove(task))
			abort();
		keep_udev_off(task);
		if (!lib.dm_task_run(task))
			f = failed(task, "removing", name);
		lib.dm_task_update_nodes();
		lib.dm_task_destroy(task);
	}
	pthread_mutex_unlock(&turn);
	return f;
}

/* The node of a device that is not there: who removed that was killed before it came to this. */
static void remove_node(const char *name)
{
	AUTO_FREE char *path = dm_path(name);

	unlink(path);
}

struct fault *dm_remove(const char *name, int wait_ms, bool *deferred)
{
	int64_t deadline = clock_deadline(wait_ms);
	long pause_ms = RETRY_FIRST_MS;
	struct fault *f;

	*deferred = false;
	TRY(check_name(name));
	for (;;) {
		struct timespec pause = { .tv_nsec = pause_ms * 1000000 };

		f = remove_once(name, false);
		if (!f || fault_kind(f) != F_BUSY || !clock_left(deadline))
			break;
		fault_free(f);
		nanosleep(&pause, NULL);
		pause_ms = pause_ms * 2 < RETRY_LAST_MS ? pause_ms * 2 : RETRY_LAST_MS;
	}
	if (f && fault_kind(f) == F_BUSY) {
		fault_free(f);
		f = remove_once(name, true);
		*deferred = !f;
	}
	if (f && fault_kind(f) == F_NOT_FOUND) {
		fault_free(f);
		f = NULL;
		remove_node(name);
	}
	return f;
}
