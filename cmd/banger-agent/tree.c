/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define DEPTH_MAX 256
#define XATTRS_MAX 65536

#define LINKS_MAX  4096 /* files with several names that are remembered; more become copies */

/* Files with several names that were copied already: where the first one is, below `top`. */
static struct {
	ino_t inode;
	char *path;
} links[LINKS_MAX];
static size_t n_links;
static int top;

struct pair {
	int from, to; /* directories, borrowed */
	const char *name;
	const char *path; /* of the name, below the top */
	const struct stat *st;
};

static struct fault *bad(const char *verb, const char *name)
{
	return fault_sys(F_SYS, "%s '%s'", verb, name);
}

/* Best effort: a file system or kernel without one kind of attribute is no reason to fail. */
static void copy_xattrs(int from, int to)
{
	AUTO_FREE char *names = xmalloc(XATTRS_MAX);
	AUTO_FREE char *value = xmalloc(XATTRS_MAX);
	ssize_t len = flistxattr(from, names, XATTRS_MAX);

	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t n = fgetxattr(from, names + at, value, XATTRS_MAX);

		if (n >= 0 && fsetxattr(to, names + at, value, (size_t)n, 0))
			continue;
	}
}

/* Owner before mode, as a change of owner clears the setuid bits; times last. */
static struct fault *copy_metadata(int from, int to, const struct pair *p)
{
	const struct timespec times[2] = { p->st->st_atim, p->st->st_mtim };

	if (fchown(to, p->st->st_uid, p->st->st_gid))
		return bad("giving away", p->name);
	copy_xattrs(from, to);
	if (fchmod(to, p->st->st_mode & 07777) || futimens(to, times))
		return bad("setting mode and times of", p->name);
	return NULL;
}

/* Another name of a file that is there already?  Else it is remembered. */
static bool link_again(const struct pair *p)
{
	if (p->st->st_nlink < 2)
		return false;
	for (size_t i = 0; i < n_links; i++)
		if (links[i].inode == p->st->st_ino)
			return !linkat(top, links[i].path, p->to, p->name, 0);
	if (n_links < LINKS_MAX) {
		links[n_links].inode = p->st->st_ino;
		links[n_links++].path = xstrdup(p->path);
	}
	return false;
}

static struct fault *copy_file(const struct pair *p)
{
	AUTO_FD from = openat(p->from, p->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_FD to = -1;
	ssize_t n;

	if (from < 0)
		return bad("opening", p->name);
	to = openat(p->to, p->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return bad("creating", p->name);
	do {
		n = sendfile(to, from, NULL, 1 << 20);
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return bad("copying", p->name);
	return copy_metadata(from, to, p);
}

static struct fault *copy_link(const struct pair *p)
{
	const struct timespec times[2] = { p->st->st_atim, p->st->st_mtim };
	char target[4096];
	ssize_t n = readlinkat(p->from, p->name, target, sizeof(target) - 1);

	if (n < 0)
		return bad("reading the link", p->name);
	target[n] = '\0';
	if (symlinkat(target, p->to, p->name) ||
	    fchownat(p->to, p->name, p->st->st_uid, p->st->st_gid, AT_SYMLINK_NOFOLLOW) ||
	    utimensat(p->to, p->name, times, AT_SYMLINK_NOFOLLOW))
		return bad("making the link", p->name);
	return NULL;
}

static struct fault *copy_node(const struct pair *p)
{
	if (S_ISSOCK(p->st->st_mode))
		return NULL; /* nobody listens on it any more */
	if (mknodat(p->to, p->name, p->st->st_mode, p->st->st_rdev) ||
	    fchownat(p->to, p->name, p->st->st_uid, p->st->st_gid, AT_SYMLINK_NOFOLLOW) ||
	    fchmodat(p->to, p->name, p->st->st_mode & 07777, 0))
		return bad("making", p->name);
	return NULL;
}

static struct fault *copy_tree(int from, int to, const char *path, dev_t device, int depth);

static struct fault *copy_directory(const struct pair *p, int depth)
{
	AUTO_FD from = openat(p->from, p->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD to = -1;

	if (from < 0 || (mkdirat(p->to, p->name, 0700) && errno != EEXIST))
		return bad("making", p->name);
	to = openat(p->to, p->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return bad("opening", p->name);
	TRY(copy_tree(from, to, p->path, p->st->st_dev, depth + 1));
	return copy_metadata(from, to, p);
}

static struct fault *copy_entry(int from, int to, const char *above, const char *name,
				dev_t device, int depth)
{
	AUTO_FREE char *path = xasprintf("%s/%s", above, name);
	struct stat st;
	struct pair p = { from, to, name, path, &st };

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW))
		return bad("looking at", name);
	if (st.st_dev != device)
		return NULL;
	if (S_ISDIR(st.st_mode))
		return fault_wrap(copy_directory(&p, depth), "in '%s'", name);
	if (unlinkat(to, name, 0) && errno != ENOENT)
		return bad("replacing", name);
	if (S_ISREG(st.st_mode))
		return link_again(&p) ? NULL : copy_file(&p);
	return S_ISLNK(st.st_mode) ? copy_link(&p) : copy_node(&p);
}

static struct fault *copy_tree(int from, int to, const char *path, dev_t device, int depth)
{
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (depth > DEPTH_MAX)
		return fault_new(F_UNSUPPORTED, "more than %d levels of directories", DEPTH_MAX);
	if (!dir) {
		fd_close(fd);
		return bad("listing", ".");
	}
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			TRY(copy_entry(from, to, path, entry->d_name, device, depth));
	return NULL;
}

struct fault *tree_copy(int from, int to)
{
	struct stat st;
	struct pair p = { from, to, ".", ".", &st };
	struct fault *f;

	if (fstat(from, &st))
		return bad("looking at", ".");
	top = to;
	f = copy_tree(from, to, ".", st.st_dev, 0);
	while (n_links)
		free(links[--n_links].path);
	return f ? f : copy_metadata(from, to, &p);
}

static void empty_tree(int fd, dev_t device, int depth)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	struct stat st;

	while (dir && depth < DEPTH_MAX && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (!strcmp(name, ".") || !strcmp(name, "..") ||
		    fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) || st.st_dev != device)
			continue;
		if (S_ISDIR(st.st_mode)) {
			AUTO_FD sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
							       O_CLOEXEC);

			empty_tree(sub, device, depth + 1);
		}
		unlinkat(fd, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	}
}

void tree_empty(int fd)
{
	struct stat st;

	if (!fstat(fd, &st))
		empty_tree(fd, st.st_dev, 0);
}
