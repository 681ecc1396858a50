/* SPDX-License-Identifier: MIT */
#include "vm/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/tree.h"
#include "host/user.h"

/* ------------------------------------------------------------------------------------ where it goes */

/* The same words for both sides; that of the guest is what it says. */
struct side {
	const char *path;
	enum guest_path_kind kind;
	bool slash; /* written with one at the end: a directory is meant */
};

/* Where the copy is made: as @as in @directory, or, when @as is "", all over it. */
struct target {
	char *directory, *as; /* owned */
	bool make;	      /* @directory is new */
};
#define AUTO_TARGET __attribute__((cleanup(target_release))) struct target

static void target_release(struct target *t)
{
	free(t->directory);
	free(t->as);
}

/* @path without slashes at its end; "/" stays.  Owned. */
static char *trimmed(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	return xstrndup(path, len);
}

static char *parent_of(const char *clean)
{
	const char *slash = strrchr(clean, '/');

	if (!slash)
		return xstrdup(".");
	return slash == clean ? xstrdup("/") : xstrndup(clean, (size_t)(slash - clean));
}

static const char *last_of(const char *clean)
{
	const char *slash = strrchr(clean, '/');

	return slash ? slash + 1 : clean;
}

/* Is only what is in it meant?  Then it has no name of its own. */
static bool is_content(const char *path)
{
	AUTO_FREE char *clean = trimmed(path);
	const char *last = last_of(clean);

	return !*last || !strcmp(last, ".") || !strcmp(last, "..");
}

static struct fault *find_target(const struct side *from, const struct side *to, struct target *t)
{
	AUTO_FREE char *clean = trimmed(to->path), *source = trimmed(from->path);
	bool tree = from->kind == GUEST_PATH_DIRECTORY;

	if (to->kind == GUEST_PATH_OTHER)
		return fault_new(F_INVALID, "'%s' is neither a file nor a directory", to->path);
	if (to->kind == GUEST_PATH_FILE && (tree || to->slash))
		return fault_new(F_EXISTS, "'%s' is a file, not a directory", to->path);
	if (to->kind == GUEST_PATH_ABSENT && to->slash && !tree)
		return fault_new(F_NOT_FOUND, "there is no directory '%s'", to->path);
	if (to->kind == GUEST_PATH_DIRECTORY || is_content(from->path)) {
		t->make = to->kind == GUEST_PATH_ABSENT;
		t->directory = steal_ptr(&clean);
		t->as = xstrdup(is_content(from->path) ? "" : last_of(source));
		return NULL;
	}
	if (is_content(to->path))
		return fault_new(F_NOT_FOUND, "there is no directory '%s'", to->path);
	t->directory = parent_of(clean);
	t->as = xstrdup(last_of(clean));
	return NULL;
}

static struct fault *check_source(const struct side *from, const char *where)
{
	if (from->kind == GUEST_PATH_ABSENT)
		return fault_new(F_NOT_FOUND, "there is no '%s' %s", from->path, where);
	if (from->kind == GUEST_PATH_OTHER)
		return fault_new(F_UNSUPPORTED, "'%s' is neither a file nor a directory", from->path);
	if (from->slash && from->kind != GUEST_PATH_DIRECTORY)
		return fault_new(F_INVALID, "'%s' is not a directory", from->path);
	return NULL;
}

static struct side side_of(const char *path)
{
	size_t len = strlen(path);

	return (struct side){ .path = path, .slash = len && path[len - 1] == '/' };
}

/* --------------------------------------------------------------------------------------- the host */

static enum guest_path_kind kind_of(const struct stat *st)
{
	return S_ISDIR(st->st_mode)   ? GUEST_PATH_DIRECTORY
	       : S_ISREG(st->st_mode) ? GUEST_PATH_FILE
				      : GUEST_PATH_OTHER;
}

static struct fault *look(const char *path, const struct user *user, struct side *side)
{
	struct stat st;
	struct fault *f = NULL;

	*side = side_of(path);
	user_enter(user);
	if (!stat(path, &st))
		side->kind = kind_of(&st);
	else if (errno == ENOENT && !lstat(path, &st))
		side->kind = GUEST_PATH_FILE; /* a link that leads nowhere is copied as a link */
	else if (errno == ENOENT || errno == ENOTDIR)
		side->kind = GUEST_PATH_ABSENT;
	else
		f = fault_sys(F_SYS, "'%s'", path);
	user_leave(user);
	return f;
}

static struct fault *check_parent(const char *path, const struct user *user)
{
	AUTO_FREE char *clean = trimmed(path);
	AUTO_FREE char *parent = parent_of(clean);
	struct side side;

	TRY(look(parent, user, &side));
	if (side.kind != GUEST_PATH_DIRECTORY)
		return fault_new(F_NOT_FOUND, "there is no directory '%s' on this host", parent);
	return NULL;
}

struct fault *vm_copy_check(const struct vm_copy *c, bool in)
{
	AUTO_USER user = { 0 };
	struct side side;

	if (!c->host)
		return NULL;
	if (!*c->host)
		return fault_new(F_INVALID, "the path on this host is empty");
	user_real(&user);
	TRY(look(c->host, &user, &side));
	if (in)
		return check_source(&side, "on this host");
	return side.kind == GUEST_PATH_ABSENT ? check_parent(c->host, &user) : NULL;
}

/* ----------------------------------------------------------------------------------- to the guest */

struct sending {
	struct user user;
	const char *path; /* on the host */
	const char *as;
	uint64_t skipped;
};

static struct fault *pack(struct sending *s, struct tar_writer *w)
{
	AUTO_FREE char *clean = trimmed(s->path);
	AUTO_FREE char *parent = is_content(s->path) ? xstrdup(clean) : parent_of(clean);
	AUTO_FD dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct tree_pack options = { .as = s->as };
	struct fault *f;

	if (dir < 0)
		return fault_sys(F_SYS, "opening directory '%s'", parent);
	f = tree_pack(w, dir, is_content(s->path) ? "." : last_of(clean), &options);
	s->skipped = options.skipped;
	return f;
}

/* In a thread of its own, which has an identity of its own. */
static struct fault *produce(void *context, struct tar_writer *w)
{
	struct sending *s = context;
	struct fault *f;

	user_enter(&s->user);
	f = pack(s, w);
	user_leave(&s->user);
	return f;
}

static struct fault *look_in_guest(struct guest *guest, const struct vm_copy *c, const char *path,
				   struct side *side)
{
	*side = side_of(path);
	return guest_path_kind(guest, path, c->user, &side->kind);
}

/* The guest's side makes missing directories, which cp does not. */
static struct fault *need_parent(struct guest *guest, const struct vm_copy *c,
				 const struct target *t)
{
	AUTO_FREE char *parent = t->make ? parent_of(t->directory) : xstrdup(t->directory);
	struct side side;

	TRY(look_in_guest(guest, c, parent, &side));
	if (side.kind != GUEST_PATH_DIRECTORY)
		return fault_new(F_NOT_FOUND, "there is no directory '%s' in the guest", parent);
	return NULL;
}

static void note_skipped(struct vm_copy *c, uint64_t n)
{
	if (!n)
		return;
	free(c->notice);
	c->notice = xasprintf("left out, as they are no files: devices, sockets and pipes (%llu)",
			      (unsigned long long)n);
}

static struct fault *send_tree(struct guest *guest, struct vm_copy *c, struct sending *s)
{
	AUTO_TARGET t = { 0 };
	struct guest_tree tree = { .user = c->user };
	struct side from, to;
	struct fault *f;

	TRY(look(c->host, &s->user, &from));
	TRY(check_source(&from, "on this host"));
	TRY(look_in_guest(guest, c, c->guest, &to));
	TRY(fault_wrap(find_target(&from, &to, &t), "in the guest"));
	TRY(need_parent(guest, c, &t));
	s->path = c->host;
	s->as = t.as;
	tree.path = t.directory;
	f = guest_put(guest, &tree, produce, s);
	c->notice = tree.notice;
	note_skipped(c, s->skipped);
	return f;
}

struct fault *vm_copy_in(struct guest *guest, struct vm_copy *c)
{
	struct guest_tree tree = { .path = c->guest, .user = c->user };
	struct sending s = { .path = NULL };
	struct fault *f;

	c->notice = NULL;
	if (!c->host) {
		f = guest_put_fd(guest, &tree, c->fd);
		c->notice = tree.notice;
		return f;
	}
	user_real(&s.user);
	f = send_tree(guest, c, &s);
	user_release(&s.user);
	return f;
}

/* --------------------------------------------------------------------------------- from the guest */

struct receiving {
	struct user user;
	const struct target *target;
	uint64_t skipped;
};

/* Nothing but what was asked for: the directory may be somebody's home. */
static struct fault *check_name(void *context, const struct tar_item *item, const char *name)
{
	const struct receiving *r = context;
	size_t len = strlen(r->target->as);

	(void)item;
	if (!len || (!strncmp(name, r->target->as, len) && (!name[len] || name[len] == '/')))
		return NULL;
	return fault_new(F_CORRUPT, "the guest sent '%.200s', which was not asked for", name);
}

static struct fault *unpack(struct receiving *r, struct tar_reader *reader)
{
	struct tree_unpack options = { .mode_mask = 01777, .check = check_name, .context = r };
	const char *path = r->target->directory;
	AUTO_FD dir = -1;
	struct fault *f;

	if (r->target->make && mkdir(path, 0777) < 0 && errno != EEXIST)
		return fault_sys(F_SYS, "making directory '%s'", path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return fault_sys(F_SYS, "opening directory '%s'", path);
	f = tree_unpack(dir, reader, &options);
	r->skipped = options.skipped;
	return f;
}

static struct fault *consume(void *context, struct tar_reader *reader)
{
	struct receiving *r = context;
	struct fault *f;

	user_enter(&r->user);
	f = unpack(r, reader);
	user_leave(&r->user);
	return f;
}

static struct fault *receive_tree(struct guest *guest, struct vm_copy *c, struct receiving *r)
{
	AUTO_TARGET t = { 0 };
	struct guest_tree tree = { .user = c->user };
	AUTO_FREE char *path = NULL;
	struct side from, to;
	struct fault *f;

	TRY(look_in_guest(guest, c, c->guest, &from));
	TRY(check_source(&from, "in the guest"));
	TRY(look(c->host, &r->user, &to));
	TRY(find_target(&from, &to, &t));
	if (t.make || !*t.as)
		path = xasprintf("%s/.", c->guest);
	else
		path = trimmed(c->guest);
	r->target = &t;
	tree.path = path;
	tree.as = *t.as ? t.as : NULL;
	f = guest_get(guest, &tree, consume, r);
	c->notice = tree.notice;
	note_skipped(c, r->skipped);
	return f;
}

struct fault *vm_copy_out(struct guest *guest, struct vm_copy *c)
{
	struct guest_tree tree = { .path = c->guest, .user = c->user };
	struct receiving r = { .target = NULL };
	struct fault *f;

	c->notice = NULL;
	if (!c->host) {
		f = guest_get_fd(guest, &tree, c->fd);
		c->notice = tree.notice;
		return f;
	}
	user_real(&r.user);
	f = receive_tree(guest, c, &r);
	user_release(&r.user);
	return f;
}
