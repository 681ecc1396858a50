/* SPDX-License-Identifier: MIT */
#include "kernel/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"

#define RELEASE_MAX 64 /* __NEW_UTS_LEN of Linux */
#define NAME_BYTES  255

void parts_init(struct parts *p, int work, const char *what, struct progress *progress)
{
	*p = (struct parts){ .work = work, .image = -1, .tree = -1, .config = BUF_INIT,
			     .what = what, .progress = progress };
}

void parts_release(struct parts *p)
{
	fd_close(p->image);
	fd_close(p->tree);
	free(p->release);
	free(p->distro);
	buf_release(&p->config);
}

/* modules.dep and its like separate names by blanks, colons and lines. */
static bool is_plain_name(const char *name, size_t len)
{
	if (!len || len > NAME_BYTES || name[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c && strchr("._-+,@=~", c))))
			return false;
	}
	return true;
}

bool release_is_valid(const char *release)
{
	size_t len = strlen(release);

	return len <= RELEASE_MAX && is_plain_name(release, len) && release[0] >= '0' &&
	       release[0] <= '9';
}

struct fault *parts_set_release(struct parts *p, const char *release)
{
	AUTO_FD lib = -1;
	AUTO_FD modules = -1;

	if (p->release && !strcmp(p->release, release))
		return NULL;
	if (p->release)
		return fault_new(F_INVALID, "%s holds modules of two releases, '%s' and '%s'",
				 p->what, p->release, release);
	if (!release_is_valid(release))
		return fault_new(F_CORRUPT, "%s holds modules for something that is no kernel "
				 "release", p->what);
	TRY(dir_make(p->work, "lib", 0700, &lib));
	TRY(dir_make(lib, "modules", 0700, &modules));
	TRY(dir_make(modules, release, 0755, &p->tree));
	p->release = xstrdup(release);
	return NULL;
}

bool parts_wants(const char *path)
{
	/* Sources and headers, and the kernel itself, which some distributions keep there. */
	static const char *const skipped[] = { "build", "source", "vmlinuz", "vmlinux" };
	size_t first = strcspn(path, "/");

	for (size_t i = 0; i < ARRAY_LEN(skipped); i++)
		if (strlen(skipped[i]) == first && !memcmp(path, skipped[i], first))
			return false;
	return true;
}

struct fault *parts_count(struct parts *p, uint64_t bytes)
{
	p->bytes += bytes;
	if (p->bytes > KERNEL_MODULES_BYTES_MAX)
		return fault_new(F_CORRUPT, "%s holds more than %llu MiB of modules", p->what,
				 (unsigned long long)(KERNEL_MODULES_BYTES_MAX >> 20));
	return NULL;
}

/* Go down one directory, making it when it is absent; its mode is for the guest, whatever umask. */
static struct fault *descend(int *dir, const char *name)
{
	int deeper;

	TRY(dir_make(*dir, name, 0755, &deeper));
	fd_close(*dir);
	*dir = deeper;
	if (fchmod(deeper, 0755) < 0)
		return fault_sys(F_SYS, "setting the mode of '%s'", name);
	return NULL;
}

struct fault *parts_create(struct parts *p, const char *path, int *fd)
{
	AUTO_FREE char *copy = xstrdup(path);
	char *rest = copy, *name = strsep(&rest, "/");
	AUTO_FD dir = fcntl(p->tree, F_DUPFD_CLOEXEC, 0);
	int got;

	if (dir < 0)
		return fault_sys(F_SYS, "opening the module tree");
	if (++p->files > KERNEL_MODULES_FILES_MAX)
		return fault_new(F_CORRUPT, "%s holds more than %d module files", p->what,
				 KERNEL_MODULES_FILES_MAX);
	for (;; name = strsep(&rest, "/")) {
		if (!is_plain_name(name, strlen(name)))
			return fault_new(F_CORRUPT, "%s holds a module file with an odd name",
					 p->what);
		if (!rest)
			break;
		TRY(descend(&dir, name));
	}
	got = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (got < 0 && errno == EEXIST)
		return fault_new(F_CORRUPT, "%s holds '%s' twice", p->what, path);
	if (got < 0)
		return fault_sys(F_SYS, "creating '%s'", path);
	*fd = got;
	if (fchmod(got, 0644) < 0)
		return fault_sys(F_SYS, "setting the mode of '%s'", path);
	return NULL;
}
