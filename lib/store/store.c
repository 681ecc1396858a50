/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/file.h"
#include "store/vm_store.h"

#define VERSION_FILE	 "version"
#define STAGE_PREFIX	 ".stage-"
#define REMOVED_PREFIX	 ".removed-"
#define CACHE_TAG_FILE	 "CACHEDIR.TAG"
#define CACHE_TAG_TEXT                                                                             \
	"Signature: 8a477f597d28d172789f06886806bc55\n"                                            \
	"# This directory holds what banger can fetch again.\n"

static const struct {
	const char *directory, *noun;
} collections[COLLECTIONS] = {
	[COLLECTION_VMS] = { "vms", "VM" },
	[COLLECTION_IMAGES] = { "images", "image" },
	[COLLECTION_KERNELS] = { "kernels", "kernel" },
};

const char *store_directory(enum collection c)
{
	return collections[c].directory;
}

const char *store_noun(enum collection c)
{
	return collections[c].noun;
}

/* The last resort when neither XDG variable nor HOME is set: tools run from cron and CI. */
static struct fault *home_path(char **out)
{
	const char *home = secure_getenv("HOME");

	if (!home || home[0] != '/')
		return fault_hint(fault_new(F_MISSING, "neither HOME nor XDG_STATE_HOME is set, so "
					    "there is no place for the state directory"),
				  "Set HOME, or name a directory with --state-dir.");
	*out = xstrdup(home);
	return NULL;
}

static struct fault *default_path(char **path)
{
	const char *from_env = secure_getenv("BANGER_STATE_DIR");
	const char *state_home = secure_getenv("XDG_STATE_HOME");
	AUTO_FREE char *home = NULL;

	if (from_env && *from_env) {
		*path = xstrdup(from_env);
	} else if (geteuid() == 0) {
		*path = xstrdup("/var/lib/banger");
	} else if (state_home && state_home[0] == '/') {
		*path = xasprintf("%s/banger", state_home);
	} else {
		TRY(home_path(&home));
		*path = xasprintf("%s/.local/state/banger", home);
	}
	return NULL;
}

static char *absolute(const char *path)
{
	AUTO_FREE char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);

	return cwd ? xasprintf("%s/%s", cwd, path) : xstrdup(path);
}

static char *default_run_path(void)
{
	const char *from_env = secure_getenv("BANGER_RUN_DIR");
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");

	if (from_env && from_env[0] == '/')
		return xstrdup(from_env);
	if (geteuid() == 0)
		return xstrdup("/run/banger");
	if (runtime && runtime[0] == '/' && !access(runtime, W_OK))
		return xasprintf("%s/banger", runtime);
	return xasprintf("/tmp/banger-%u", (unsigned int)geteuid());
}

/* A state directory that somebody else can write is in somebody else's hands. */
static struct fault *check_owner(int dir, const char *path)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return fault_sys(F_SYS, "looking at state directory '%s'", path);
	if (st.st_uid != geteuid())
		return fault_hint(fault_new(F_DENIED, "state directory '%s' belongs to user %u, not "
					    "to you (user %u)", path, (unsigned int)st.st_uid,
					    (unsigned int)geteuid()),
				  "Name another one with --state-dir or BANGER_STATE_DIR.");
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return fault_hint(fault_new(F_DENIED, "state directory '%s' can be written by others",
					    path),
				  "Make it private: chmod 0700 '%s'", path);
	return NULL;
}

static struct fault *check_version(struct store *s)
{
	AUTO_BUF text = BUF_INIT;
	AUTO_FAULT f = file_read(s->dir, VERSION_FILE, 64, &text);
	unsigned long long version;

	if (f && fault_kind(f) == F_NOT_FOUND) {
		char line[32];

		if (s->mode == STORE_READ)
			return NULL;
		snprintf(line, sizeof(line), "%d\n", STORE_LAYOUT_VERSION);
		return file_write_atomic(s->dir, VERSION_FILE, line, strlen(line), 0600);
	}
	if (f)
		return fault_wrap(steal_ptr(&f), "state directory '%s'", s->path);
	version = strtoull(text.data, NULL, 10);
	if (version == 0)
		return fault_new(F_CORRUPT, "state directory '%s': file 'version' holds no number",
				 s->path);
	if (version > STORE_LAYOUT_VERSION)
		return fault_hint(fault_new(F_NEWER, "state directory '%s' has layout %llu; this "
					    "banger knows %d", s->path, version,
					    STORE_LAYOUT_VERSION),
				  "Use the newer banger; nothing was changed.");
	return NULL;
}

static struct fault *open_sub(const struct store *s, const char *name, int *fd)
{
	AUTO_FAULT f = NULL;

	if (s->mode == STORE_WRITE)
		return dir_make(s->dir, name, 0700, fd);
	f = dir_open(s->dir, name, fd);
	if (f && fault_kind(f) == F_NOT_FOUND)
		return NULL;
	return steal_ptr(&f);
}

/* One spelling for all: VMs are found again by paths among their arguments. */
static void make_canonical(struct store *s)
{
	char *real = realpath(s->path, NULL);

	if (!real)
		return;
	free(s->path);
	s->path = real;
}

static struct fault *open_all(struct store *s)
{
	if (s->mode == STORE_WRITE) {
		TRY(dir_make_path(s->path, 0700, &s->dir));
	} else {
		AUTO_FAULT f = dir_open(AT_FDCWD, s->path, &s->dir);

		if (f && fault_kind(f) == F_NOT_FOUND)
			return NULL;
		TRY(steal_ptr(&f));
	}
	TRY(check_owner(s->dir, s->path));
	make_canonical(s);
	TRY(check_version(s));
	for (int c = 0; c < COLLECTIONS; c++)
		TRY(open_sub(s, collections[c].directory, &s->collections[c]));
	return open_sub(s, "locks", &s->locks);
}

struct fault *store_locate(const char *path, char **out)
{
	AUTO_FREE char *given = NULL;

	if (path)
		given = xstrdup(path);
	else
		TRY(default_path(&given));
	*out = absolute(given);
	return NULL;
}

struct fault *store_open(const char *path, enum store_mode mode, struct store *store)
{
	struct store s = { .dir = -1, .collections = { -1, -1, -1 }, .locks = -1,
			   .wait_ms = 10 * 1000, .mode = mode };
	struct fault *f;

	TRY(store_locate(path, &s.path));
	s.run_path = default_run_path();
	f = open_all(&s);
	if (f) {
		store_release(&s);
		return f;
	}
	*store = s;
	return NULL;
}

void store_release(struct store *s)
{
	for (int c = 0; c < COLLECTIONS; c++)
		fd_close(s->collections[c]);
	fd_close(s->locks);
	fd_close(s->dir);
	free(s->path);
	free(s->run_path);
	*s = (struct store){ .dir = -1, .collections = { -1, -1, -1 }, .locks = -1 };
}

struct fault *store_names(const struct store *s, enum collection c, struct strings *out)
{
	struct strings all;

	*out = (struct strings){ 0 };
	if (s->collections[c] < 0)
		return NULL;
	TRY(dir_names(s->collections[c], collections[c].directory, &all));
	/* Filtered in place: hidden names are staging and removal, never objects. */
	for (size_t i = 0; i < all.n; i++) {
		if (all.v[i][0] == '.')
			free(all.v[i]);
		else
			all.v[out->n++] = all.v[i];
	}
	out->v = all.v;
	if (out->v)
		out->v[out->n] = NULL;
	return NULL;
}

struct fault *store_object_open(const struct store *s, enum collection c, const char *name,
				int *fd)
{
	int got = -1;

	if (s->collections[c] >= 0 && name[0] != '.' && !strchr(name, '/'))
		got = openat(s->collections[c], name,
			     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	else
		errno = ENOENT;
	if (got < 0 && errno == ENOENT)
		return fault_new(F_NOT_FOUND, "there is no %s '%s'", store_noun(c), name);
	if (got < 0)
		return fault_sys(F_SYS, "opening %s '%s'", store_noun(c), name);
	*fd = got;
	return NULL;
}

char *store_object_path(const struct store *s, enum collection c, const char *name,
			const char *file)
{
	return xasprintf("%s/%s/%s%s%s", s->path, collections[c].directory, name, file ? "/" : "",
			 file ? file : "");
}

struct fault *store_stage(const struct store *s, enum collection c, const char *name,
			  char **stage_name, int *fd)
{
	AUTO_FREE char *stage = xasprintf(STAGE_PREFIX "%s", name);

	TRY(tree_remove(s->collections[c], stage));
	TRY(dir_make(s->collections[c], stage, 0700, fd));
	*stage_name = steal_ptr(&stage);
	return NULL;
}

struct fault *store_unstage(const struct store *s, enum collection c, const char *stage_name)
{
	return tree_remove(s->collections[c], stage_name);
}

/* A fresh hidden name that no other process picks at the same time.  Owned. */
static char *removed_name(const char *name)
{
	uint64_t bits = 0;

	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		bits = (uint64_t)getpid();
	return xasprintf(REMOVED_PREFIX "%s-%016llx", name, (unsigned long long)bits);
}

static char *tag_of(int fd, const char *path)
{
	struct stat st;

	if (fd < 0 || fstatat(fd, path, &st, AT_EMPTY_PATH) < 0)
		return NULL;
	return xasprintf("%llx-%llx", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
}

char *store_tag(const struct store *s)
{
	return tag_of(s->dir, "");
}

char *store_tag_of(int object)
{
	return tag_of(object, "../..");
}

bool store_is_removed(const char *name)
{
	return !strncmp(name, REMOVED_PREFIX, strlen(REMOVED_PREFIX));
}

/* What a crash between the two halves of a removal left.  Two processes may do it side by side. */
static struct fault *sweep_removed(int dir)
{
	struct strings names;
	struct fault *f = dir_names(dir, "removed objects", &names);

	if (f)
		return f;
	for (size_t i = 0; i < names.n; i++)
		if (store_is_removed(names.v[i]))
			f = fault_attach(f, tree_remove(dir, names.v[i]));
	strings_release(&names);
	return f;
}

struct fault *store_sweep(const struct store *s)
{
	struct fault *f = NULL;

	for (int c = 0; c < COLLECTIONS; c++)
		if (s->collections[c] >= 0)
			f = fault_attach(f, sweep_removed(s->collections[c]));
	return f;
}

struct fault *store_publish(const struct store *s, enum collection c, const char *stage_name,
			    const char *name, bool replace)
{
	int dir = s->collections[c];
	AUTO_FD stage = -1;

	TRY(dir_open(dir, stage_name, &stage));
	TRY(dir_sync(stage, name));
	if (!renameat2(dir, stage_name, dir, name, RENAME_NOREPLACE))
		return dir_sync(dir, name);
	if (errno != EEXIST)
		return fault_sys(F_SYS, "putting %s '%s' into place", store_noun(c), name);
	if (!replace)
		return fault_new(F_EXISTS, "%s '%s' exists already", store_noun(c), name);
	if (renameat2(dir, stage_name, dir, name, RENAME_EXCHANGE) < 0)
		return fault_sys(F_SYS, "replacing %s '%s'", store_noun(c), name);
	TRY(dir_sync(dir, name));
	return tree_remove(dir, stage_name);
}

struct fault *store_object_remove(const struct store *s, enum collection c, const char *name)
{
	AUTO_FREE char *aside = removed_name(name);
	int dir = s->collections[c];

	if (renameat2(dir, name, dir, aside, RENAME_NOREPLACE) < 0)
		return fault_sys(F_SYS, "removing %s '%s'", store_noun(c), name);
	TRY(dir_sync(dir, name));
	return sweep_removed(dir);
}

struct fault *store_object_lock(const struct store *s, enum collection c, const char *name,
				enum lock_kind kind, const char *verb, struct lock *lock)
{
	AUTO_FREE char *file = xasprintf("%s.lock", name);
	AUTO_FREE char *what = xasprintf("%s '%s'", store_noun(c), name);
	AUTO_FD dir = -1;

	TRY(dir_make(s->locks, collections[c].directory, 0700, &dir));
	return lock_take(dir, file, kind, what, verb, s->wait_ms, lock);
}

struct fault *store_uses(const struct store *s, struct records *out)
{
	struct strings all;

	*out = (struct records){ 0 };
	TRY(store_names(s, COLLECTION_VMS, &all));
	for (size_t i = 0; i < all.n; i++) {
		AUTO_VM_DIR dir = VM_DIR_INIT;
		AUTO_FAULT f = vm_dir_open(s, all.v[i], &dir);
		struct vm_spec spec = { 0 };

		if (!f)
			f = vm_spec_read(&dir, &spec);
		if (!f || fault_kind(f) != F_NOT_FOUND)
			*(struct store_use *)records_add(out, sizeof(struct store_use)) =
				(struct store_use){ .vm = xstrdup(all.v[i]),
						    .image = steal_ptr(&spec.image),
						    .kernel = steal_ptr(&spec.kernel) };
		record_release(&vm_spec_type, &spec);
	}
	strings_release(&all);
	return NULL;
}

void store_uses_release(struct records *uses)
{
	struct store_use *all = uses->v;

	for (size_t i = 0; i < uses->n; i++) {
		free(all[i].vm);
		free(all[i].image);
		free(all[i].kernel);
	}
	free(all);
	*uses = (struct records){ 0 };
}

void store_uses_find(const struct records *uses, enum collection c, const char *name,
		     struct strings *vms)
{
	const struct store_use *all = uses->v;

	for (size_t i = 0; i < uses->n; i++) {
		const char *used = c == COLLECTION_IMAGES ? all[i].image : all[i].kernel;

		if (!used || !strcmp(used, name))
			strings_add(vms, all[i].vm);
	}
}

struct fault *store_users(const struct store *s, enum collection c, const char *name,
			  struct strings *vms)
{
	struct records uses;

	*vms = (struct strings){ 0 };
	TRY(store_uses(s, &uses));
	store_uses_find(&uses, c, name, vms);
	store_uses_release(&uses);
	return NULL;
}

struct fault *store_cache_usage(const struct store *s, struct tree_usage *sum)
{
	return s->dir < 0 ? NULL : tree_usage_add(s->dir, "cache", false, sum);
}

struct fault *store_cache_dir(const struct store *s, const char *sub, int *fd)
{
	AUTO_FD cache = -1;

	TRY(dir_make(s->dir, "cache", 0700, &cache));
	if (faccessat(cache, CACHE_TAG_FILE, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		TRY(file_write_atomic(cache, CACHE_TAG_FILE, CACHE_TAG_TEXT,
				      strlen(CACHE_TAG_TEXT), 0600));
	return dir_make(cache, sub, 0700, fd);
}

char *store_ssh_path(const struct store *s, const struct user *user)
{
	AUTO_FREE char *theirs = user->by_sudo ? user_xdg(user, "XDG_STATE_HOME", ".local/state")
					       : NULL;

	return theirs ? xasprintf("%s/banger/ssh", theirs) : xasprintf("%s/ssh", s->path);
}
