/* SPDX-License-Identifier: MIT */
#include "vm/file_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "guest/tree.h"
#include "host/user.h"
#include "store/file_sync.h"

struct packing {
	const struct user *user;
	struct buf archive;
	size_t *total; /* bytes of all archives */
};

static struct fault *add_bytes(void *context, const void *data, size_t len)
{
	struct packing *p = context;

	*p->total += len;
	if (*p->total > FILE_SYNC_BYTES_MAX)
		return fault_hint(fault_new(F_INVALID, "all files to sync together are more than %d MiB",
					    FILE_SYNC_BYTES_MAX >> 20),
				  "Copy large ones when the VM runs: banger vm cp SRC NAME:DST");
	buf_add(&p->archive, data, len);
	return NULL;
}

/* A file that the section names gets the section's mode. */
static struct fault *add_file(struct tar_writer *w, const struct file_sync *f, int fd,
			      const struct stat *st)
{
	AUTO_BUF content = BUF_INIT;
	struct tar_item item = { .kind = TAR_FILE, .path = f->guest, .link = "", .mode = f->mode,
				 .mtime_sec = st->st_mtim.tv_sec,
				 .mtime_nsec = (uint32_t)st->st_mtim.tv_nsec };

	TRY(file_read_fd(fd, FILE_SYNC_BYTES_MAX, f->host, &content));
	item.size = content.len;
	TRY(tar_writer_add(w, &item, NULL, 0));
	return tar_writer_data(w, content.data, content.len);
}

static struct fault *add_source(struct tar_writer *w, const struct file_sync *f, const char *path)
{
	AUTO_FD fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct tree_pack options = { .as = f->guest, .no_links = true };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fault_sys(F_SYS, "reading '%s'", path);
	if (S_ISREG(st.st_mode))
		return add_file(w, f, fd, &st);
	if (S_ISDIR(st.st_mode))
		return tree_pack(w, fd, ".", &options);
	return fault_new(F_INVALID, "'%s' is neither a file nor a directory", path);
}

/* Links in the path are the user's own doing, as long as they stay at home. */
static struct fault *resolve(const struct user *user, const struct file_sync *f, char **path)
{
	AUTO_FREE char *written = f->host[0] == '~' ? xasprintf("%s%s", user->home, f->host + 1)
						    : xstrdup(f->host);
	AUTO_FREE char *home = realpath(user->home, NULL);
	AUTO_FREE char *real = realpath(written, NULL);
	size_t len = home ? strlen(home) : 0;

	*path = NULL;
	if (!real && (errno == ENOENT || errno == ENOTDIR))
		return NULL;
	if (!real || !home)
		return fault_sys(F_SYS, "'%s'", f->host);
	if (strncmp(real, home, len) != 0 || real[len] != '/')
		return fault_new(F_DENIED, "'%s' leads out of your home, to '%s'", f->host, real);
	*path = steal_ptr(&real);
	return NULL;
}

/* *@found: false when the source is not there. */
static struct fault *pack_one(struct packing *p, const struct file_sync *f, bool *found)
{
	const struct tar_sink sink = { add_bytes, p };
	AUTO_FREE char *path = NULL;
	struct tar_writer *w;
	struct fault *fault;

	TRY(resolve(p->user, f, &path));
	*found = path != NULL;
	if (!path)
		return NULL;
	w = tar_writer_new(&sink);
	fault = add_source(w, f, path);
	if (!fault)
		fault = tar_writer_finish(w);
	tar_writer_free(w);
	return fault;
}

static struct fault *pack_all(const struct config *config, const struct user *user,
			      struct progress *progress, struct records *out)
{
	const struct file_sync *list = config->file_sync.v;
	size_t total = 0;

	for (size_t i = 0; i < config->file_sync.n; i++) {
		struct packing p = { user, BUF_INIT, &total };
		struct seed_archive_file *file;
		bool found = false;
		struct fault *f;

		user_enter(user);
		f = pack_one(&p, &list[i], &found);
		user_leave(user);
		if (!f && !found && progress)
			progress_note(progress, "banger: [" FILE_SYNC_SECTION " %s]: there is no '%s', it is "
				      "left out", list[i].name, list[i].host);
		if (!f && found) {
			file = records_add(out, sizeof(*file));
			*file = (struct seed_archive_file){ xstrdup(list[i].name), p.archive };
		} else {
			buf_release(&p.archive);
		}
		if (f)
			return fault_wrap(f, "[" FILE_SYNC_SECTION " %s]", list[i].name);
	}
	return NULL;
}

struct fault *file_sync_pack(const struct config *config, struct progress *progress,
			     struct records *out)
{
	AUTO_USER user = { 0 };
	struct fault *f;

	*out = (struct records){ 0 };
	if (!config->file_sync.n)
		return NULL;
	user_real(&user);
	if (!user.home)
		return fault_new(F_MISSING, "this user has no home directory to sync files from");
	f = pack_all(config, &user, progress, out);
	if (f)
		seed_files_release(out);
	return f;
}
