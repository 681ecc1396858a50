/* SPDX-License-Identifier: MIT */
#include "banger/output_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

mode_t output_file_umask = 077;

static struct fault *open_as_user(struct output_file *out)
{
	const char *slash = strrchr(out->path, '/');
	AUTO_FREE char *parent = slash ? xstrndup(out->path, (size_t)(slash - out->path) + 1)
				       : xstrdup(".");
	struct stat st;

	out->name = xstrdup(slash ? slash + 1 : out->path);
	if (!*out->name || !strcmp(out->name, ".") || !strcmp(out->name, ".."))
		return fault_new(F_INVALID, "'%s' is not the name of a file", out->path);
	out->dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (out->dir < 0)
		return fault_sys(F_SYS, "opening directory '%s'", parent);
	if (!fstatat(out->dir, out->name, &st, 0) && !S_ISREG(st.st_mode))
		return fault_new(F_INVALID, "'%s' is there and is not a regular file", out->path);
	TRY(fault_wrap(file_temp(out->dir, out->name, 0600, &out->temp, &out->fd), "directory '%s'",
		       parent));
	if (fchmod(out->fd, 0666 & ~output_file_umask) < 0)
		return fault_sys(F_SYS, "creating '%s'", out->path);
	return NULL;
}

struct fault *output_file_open(const char *path, struct output_file *out)
{
	struct fault *f;

	*out = OUTPUT_FILE_INIT;
	out->path = xstrdup(path);
	user_real(&out->user);
	user_enter(&out->user);
	f = open_as_user(out);
	user_leave(&out->user);
	if (f)
		output_file_close(out);
	return f;
}

struct fault *output_file_write(void *context, const void *data, size_t len)
{
	struct output_file *out = context;

	return file_write_all(out->fd, data, len, out->path);
}

struct fault *output_file_commit(struct output_file *out)
{
	struct fault *f;

	user_enter(&out->user);
	f = file_publish(out->dir, out->temp, out->name, out->fd);
	user_leave(&out->user);
	if (!f)
		free(steal_ptr(&out->temp));
	return f;
}

void output_file_close(struct output_file *out)
{
	if (out->temp) {
		user_enter(&out->user);
		unlinkat(out->dir, out->temp, 0);
		user_leave(&out->user);
	}
	fd_close(out->fd);
	fd_close(out->dir);
	free(out->path);
	free(out->name);
	free(out->temp);
	user_release(&out->user);
	*out = OUTPUT_FILE_INIT;
}
