/* SPDX-License-Identifier: MIT */
/* gather_directory.c - the parts of a kernel from files and directories; see parts.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/file.h"
#include "kernel/bzimage.h"
#include "kernel/parts.h"

#define DEPTH_MAX	     16
#define COPY_BYTES	     65536
#define OS_RELEASE_BYTES_MAX 65536

static bool starts_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* Open directory @path below @dir without following links in any component; -1 when absent. */
static int open_below(int dir, const char *path)
{
	AUTO_FREE char *copy = xstrdup(path);
	char *rest = copy, *name;
	AUTO_FD at = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (at >= 0 && (name = strsep(&rest, "/"))) {
		int deeper = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		fd_close(at);
		at = deeper;
	}
	return steal_fd(&at);
}

/* Open regular file @name in @dir for reading; -1 for everything else. */
static int open_regular(int dir, const char *name)
{
	AUTO_FD fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	return steal_fd(&fd);
}

/* ----------------------------------------------------------------------------- the kernel */

struct candidates {
	struct strings names;
	int dir, fd; /* of the last one, owned */
};

static void candidates_release(struct candidates *c)
{
	strings_release(&c->names);
	fd_close(c->dir);
	fd_close(c->fd);
}

static void add_candidate(struct candidates *c, int dir, const char *name)
{
	int fd = open_regular(dir, name);

	if (fd < 0)
		return;
	strings_add(&c->names, name);
	fd_close(c->fd);
	fd_close(c->dir);
	c->fd = fd;
	c->dir = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A plain name wins over names with a release in them. */
static struct fault *look_in(struct candidates *c, int dir)
{
	static const char *const plain[] = { "vmlinux", "vmlinuz", "bzImage" };
	struct strings names = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(plain) && !c->names.n; i++)
		add_candidate(c, dir, plain[i]);
	if (c->names.n)
		return NULL;
	TRY(dir_names(dir, "the kernel's directory", &names));
	for (size_t i = 0; i < names.n; i++)
		if ((starts_with(names.v[i], "vmlinuz-") || starts_with(names.v[i], "vmlinux-")) &&
		    !strstr(names.v[i], "-rescue-"))
			add_candidate(c, dir, names.v[i]);
	strings_release(&names);
	return NULL;
}

/* Some distributions keep each kernel in its module tree. */
static struct fault *look_in_trees(struct candidates *c, int dir, const char *path)
{
	AUTO_FD modules = open_below(dir, path);
	struct strings names = { 0 };

	if (modules < 0 || c->names.n)
		return NULL;
	TRY(dir_names(modules, "the module trees", &names));
	for (size_t i = 0; i < names.n; i++) {
		AUTO_FD tree = open_below(modules, names.v[i]);

		if (tree >= 0)
			add_candidate(c, tree, "vmlinuz");
	}
	strings_release(&names);
	return NULL;
}

static struct fault *one_of(const struct candidates *c, const char *what)
{
	AUTO_BUF list = BUF_INIT;

	if (c->names.n == 1)
		return NULL;
	if (!c->names.n)
		return fault_hint(fault_new(F_INVALID, "%s holds no kernel", what),
				  "Looked for vmlinuz, vmlinux, bzImage, vmlinuz-* and vmlinux-* in "
				  "it and in boot/.");
	for (size_t i = 0; i < c->names.n; i++)
		buf_addf(&list, "%s%s", i ? ", " : "", c->names.v[i]);
	return fault_hint(fault_new(F_INVALID, "%s holds %zu kernels: %s", what, c->names.n,
				    list.data),
			  "Name one of the files, and its module tree with --modules.");
}

/* Find the one kernel below @dir.  @fd, @beside: out, the kernel and its directory, owned. */
static struct fault *find_image(int dir, const char *what, int *fd, int *beside)
{
	struct candidates c = { .dir = -1, .fd = -1 };
	AUTO_FD boot = open_below(dir, "boot");
	struct fault *f = boot >= 0 ? look_in(&c, boot) : NULL;

	if (!f && !c.names.n)
		f = look_in(&c, dir);
	if (!f)
		f = look_in_trees(&c, dir, "usr/lib/modules");
	if (!f)
		f = look_in_trees(&c, dir, "lib/modules");
	if (!f)
		f = one_of(&c, what);
	if (!f) {
		*fd = steal_fd(&c.fd);
		*beside = steal_fd(&c.dir);
	}
	candidates_release(&c);
	return f;
}

struct fault *peek_directory(int dir, const char *what, char **release)
{
	AUTO_FD fd = -1;
	AUTO_FD beside = -1;

	TRY(find_image(dir, what, &fd, &beside));
	return bzimage_release(fd, what, release);
}

/* ---------------------------------------------------------------- configuration, os-release */

static struct fault *read_config(struct parts *p, int dir, const char *name)
{
	AUTO_FD fd = dir < 0 || p->has_config ? -1 : open_regular(dir, name);

	if (fd < 0)
		return NULL;
	TRY(file_read_fd(fd, KERNEL_CONFIG_BYTES_MAX, "the kernel's configuration", &p->config));
	p->has_config = true;
	return NULL;
}

/* The value of @key in os-release @text, without quotes; owned, or NULL. */
static char *os_release_value(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) || line[len] != '=')
			continue;
		line += len + 1;
		line += *line == '"';
		return xstrndup(line, strcspn(line, "\"\n"));
	}
	return NULL;
}

static struct fault *read_distro(struct parts *p, int dir)
{
	AUTO_FD lib = open_below(dir, "usr/lib");
	AUTO_FD etc = open_below(dir, "etc");
	AUTO_FD fd = lib >= 0 ? open_regular(lib, "os-release") : -1;
	AUTO_FREE char *id = NULL, *version = NULL;
	AUTO_BUF text = BUF_INIT;

	if (fd < 0 && etc >= 0)
		fd = open_regular(etc, "os-release");
	if (fd < 0)
		return NULL;
	TRY(file_read_fd(fd, OS_RELEASE_BYTES_MAX, "os-release", &text));
	id = os_release_value(text.data, "ID");
	version = os_release_value(text.data, "VERSION_ID");
	if (id)
		p->distro = version ? xasprintf("%s %s", id, version) : xstrdup(id);
	return NULL;
}

/* ------------------------------------------------------------------------ the module tree */

static struct fault *copy_file(struct parts *p, int dir, const char *name, const char *path)
{
	AUTO_FD in = open_regular(dir, name);
	AUTO_FREE char *block = NULL;
	AUTO_FD out = -1;
	ssize_t n;

	if (in < 0) /* a link, a socket, or gone since the listing */
		return NULL;
	TRY(parts_create(p, path, &out));
	block = xmalloc(COPY_BYTES);
	while ((n = read(in, block, COPY_BYTES))) {
		TRY(cancel_check());
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "reading '%s'", path);
		TRY(parts_count(p, (uint64_t)n));
		TRY(file_write_all(out, block, (size_t)n, path));
	}
	progress_amount(p->progress, p->bytes, 0);
	return NULL;
}

static struct fault *copy_tree(struct parts *p, int dir, const char *prefix, int depth);

static struct fault *copy_entry(struct parts *p, int dir, const char *name, const char *prefix,
				int depth)
{
	AUTO_FREE char *path = xasprintf("%s%s%s", prefix, *prefix ? "/" : "", name);
	AUTO_FD deeper = -1;

	if (!parts_wants(path))
		return NULL;
	deeper = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return deeper < 0 ? copy_file(p, dir, name, path) : copy_tree(p, deeper, path, depth + 1);
}

static struct fault *copy_tree(struct parts *p, int dir, const char *prefix, int depth)
{
	struct strings names = { 0 };
	struct fault *f;

	if (depth > DEPTH_MAX)
		return fault_new(F_INVALID, "%s: the module tree is nested too deep", p->what);
	TRY(cancel_check());
	f = dir_names(dir, "the module tree", &names);
	for (size_t i = 0; !f && i < names.n; i++)
		f = copy_entry(p, dir, names.v[i], prefix, depth);
	strings_release(&names);
	return f;
}

static bool is_tree(int dir)
{
	static const char *const marks[] = { "modules.builtin", "modules.order", "modules.dep",
					     "kernel" };

	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (!faccessat(dir, marks[i], F_OK, AT_SYMLINK_NOFOLLOW))
			return true;
	return false;
}

/* The module tree of @release in or below @dir; -1 when there is none. */
static int find_tree(int dir, const char *release)
{
	static const char *const places[] = { "usr/lib/modules/", "lib/modules/", "modules/", "" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		AUTO_FREE char *path = xasprintf("%s%s", places[i], release);
		AUTO_FD tree = open_below(dir, path);

		if (tree >= 0 && is_tree(tree))
			return steal_fd(&tree);
	}
	return is_tree(dir) ? openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
			    : open_below(dir, "modules");
}

static struct fault *take_tree(struct parts *p, int dir, const char *release)
{
	AUTO_FD tree = find_tree(dir, release);

	if (tree < 0 || !is_tree(tree))
		return fault_hint(fault_new(F_INVALID, "%s has no modules for release %s", p->what,
					    release),
				  "Name the directory with --modules, such as /lib/modules/%s.",
				  release);
	TRY(read_config(p, tree, "config"));
	TRY(parts_set_release(p, release));
	return copy_tree(p, tree, "", 0);
}

static struct fault *take_config(struct parts *p, int beside, const char *release)
{
	AUTO_FREE char *name = xasprintf("config-%s", release);

	return read_config(p, beside, name);
}

struct fault *gather_directory(struct parts *p, int dir)
{
	AUTO_FREE char *release = NULL;
	AUTO_FD beside = -1;

	TRY(find_image(dir, p->what, &p->image, &beside));
	TRY(bzimage_release(p->image, p->what, &release));
	TRY(take_config(p, beside, release));
	TRY(read_distro(p, dir));
	return take_tree(p, dir, release);
}

static struct fault *take_modules(struct parts *p, const char *modules, const char *release)
{
	AUTO_FD dir = open(modules, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return fault_sys(errno == ENOENT || errno == ENOTDIR ? F_INVALID : F_SYS,
				 "opening module directory '%s'", modules);
	return fault_wrap(take_tree(p, dir, release), "module directory '%s'", modules);
}

struct fault *gather_file(struct parts *p, const char *path, const char *modules,
			  const char *initrd)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *parent = slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
	AUTO_FD beside = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FREE char *release = NULL;

	p->image = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (p->image < 0)
		return fault_sys(F_SYS, "opening '%s'", path);
	TRY(bzimage_release(p->image, p->what, &release));
	TRY(take_config(p, beside, release));
	if (initrd)
		return gather_initrd(p, initrd, release);
	return modules ? take_modules(p, modules, release) : NULL;
}
