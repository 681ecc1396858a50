/* SPDX-License-Identifier: MIT */
#include "image/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/buf.h"

void vault_of_directory(int dir, const char *what, struct vault *out)
{
	*out = (struct vault){ .what = xstrdup(what), .dir = dir, .file = -1 };
}

void vault_of_tar(int file, struct tar_index *index, const char *what, struct vault *out)
{
	*out = (struct vault){ .what = xstrdup(what), .dir = -1, .file = file, .index = *index };
	*index = (struct tar_index){ 0 };
}

void vault_release(struct vault *v)
{
	free(v->what);
	fd_close(v->dir);
	fd_close(v->file);
	tar_index_release(&v->index);
	*v = (struct vault){ .dir = -1, .file = -1 };
}

/* RESOLVE_BENEATH keeps links inside the layout, where content-addressed stores use them. */
static int open_beneath(int dir, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static struct fault *open_file(const struct vault *v, const char *path, struct vault_part *out)
{
	AUTO_FD fd = open_beneath(v->dir, path);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return fault_new(F_CORRUPT, "%s: '%s' is missing", v->what, path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fault_sys(F_SYS, "%s: opening '%s'", v->what, path);
	if (!S_ISREG(st.st_mode))
		return fault_new(F_CORRUPT, "%s: '%s' is not a regular file", v->what, path);
	*out = (struct vault_part){ steal_fd(&fd), 0, (uint64_t)st.st_size };
	return NULL;
}

bool vault_has(const struct vault *v, const char *path)
{
	AUTO_FD fd = -1;

	if (v->dir < 0)
		return tar_index_find(&v->index, path);
	fd = open_beneath(v->dir, path);
	return fd >= 0;
}

struct fault *vault_open(const struct vault *v, const char *path, struct vault_part *out)
{
	const struct tar_member *m;
	int fd;

	if (v->dir >= 0)
		return open_file(v, path, out);
	m = tar_index_find(&v->index, path);
	if (!m)
		return fault_new(F_CORRUPT, "%s: '%s' is missing", v->what, path);
	if (m->type == 'S')
		return fault_hint(fault_new(F_UNSUPPORTED, "%s: '%s' is stored with its holes left out",
					    v->what, path),
				  "Make the archive without tar's option --sparse.");
	fd = fcntl(v->file, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return fault_sys(F_SYS, "%s: opening '%s'", v->what, path);
	*out = (struct vault_part){ fd, m->offset, m->size };
	return NULL;
}

void vault_part_release(struct vault_part *part)
{
	fd_close(steal_fd(&part->fd));
}

struct fault *vault_read(const struct vault *v, const char *path, size_t max, struct buf *out)
{
	AUTO_VAULT_PART part = VAULT_PART_INIT;
	uint64_t done = 0;

	TRY(vault_open(v, path, &part));
	if (part.size > max)
		return fault_new(F_UNSUPPORTED, "%s: '%s' is longer than %zu bytes", v->what, path,
				 max);
	while (done < part.size) {
		ssize_t n = pread(part.fd, buf_grow(out, part.size - done), part.size - done,
				  (off_t)(part.offset + done));

		if (n < 0)
			return fault_sys(F_SYS, "%s: reading '%s'", v->what, path);
		if (!n)
			return fault_new(F_CORRUPT, "%s: '%s' is truncated", v->what, path);
		out->len += (size_t)n;
		done += (uint64_t)n;
	}
	out->data[out->len] = '\0';
	return NULL;
}
