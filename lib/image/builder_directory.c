/* SPDX-License-Identifier: MIT */
/* builder_directory.c - a host directory as a layer. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/file.h"
#include "disk/ext4_tree.h"
#include "image/builder_internal.h"

#define DEPTH_MAX 200 /* each level holds a descriptor */

struct walk {
	struct image_builder *b;
	struct progress *progress;
	struct host_links links;
	struct buf path; /* of the entry at hand, for messages */
	dev_t device;
	int depth;
};

static struct fault *walk_dir(struct walk *t, int fd, uint32_t node);

static struct fault *dir_attr(struct walk *t, int fd, const struct stat *st, uint32_t node)
{
	struct host_xattrs x;
	struct ext4_attr attr;
	struct fault *f;
	uint32_t inode;

	TRY(host_xattrs_read(fd, t->path.data, &x));
	attr = ext4_attr_of(st, &x);
	if (node == MERGE_ROOT) {
		f = builder_root(t->b, &attr);
	} else {
		f = ext4_node(t->b->w, &attr, &inode);
		if (!f)
			merge_add(t->b->m, node, MERGE_DIR, ext4_dirent_type(S_IFDIR), inode);
	}
	host_xattrs_release(&x);
	return fault_wrap(f, "'%s'", t->path.data);
}

static struct fault *enter_dir(struct walk *t, int at, const char *name, const struct stat *st,
			       uint32_t node)
{
	AUTO_FD fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct fault *f;

	if (fd < 0)
		return fault_sys(F_SYS, "opening the directory '%s'", t->path.data);
	if (t->depth == DEPTH_MAX)
		return fault_new(F_INVALID, "'%s' lies more than %d directories deep", t->path.data,
				 DEPTH_MAX);
	TRY(dir_attr(t, fd, st, node));
	if (st->st_dev != t->device)
		return NULL; /* something else is mounted there */
	t->depth++;
	f = walk_dir(t, fd, node);
	t->depth--;
	return f;
}

static struct fault *write_file(struct walk *t, int at, const char *name, const struct stat *st,
				uint32_t node, uint32_t *inode)
{
	struct image_builder *b = t->b;

	if (S_ISREG(st->st_mode)) {
		TRY(fault_wrap(
			builder_count_file(b, (uint64_t)st->st_size, merge_hidden(b->m, node)),
			"'%s'", t->path.data));
		b->file_bytes += (uint64_t)st->st_size;
		b->read_bytes += (uint64_t)st->st_size;
	}
	return ext4_add_host(b->w, at, name, t->path.data, st, inode);
}

static struct fault *enter_file(struct walk *t, int at, const char *name, const struct stat *st,
				uint32_t node)
{
	struct host_link *link = st->st_nlink > 1 ? host_links_find(&t->links, st) : NULL;
	uint32_t inode = link ? link->inode : 0;

	if (!inode)
		TRY(write_file(t, at, name, st, node, &inode));
	if (link)
		link->inode = inode;
	merge_add(t->b->m, node, S_ISLNK(st->st_mode) ? MERGE_SYMLINK : MERGE_FILE,
		  ext4_dirent_type(st->st_mode), inode);
	progress_amount(t->progress, t->b->read_bytes, 0);
	return NULL;
}

static struct fault *walk_entry(struct walk *t, int fd, const char *name, uint32_t dir)
{
	struct stat st;
	uint32_t node;

	TRY(cancel_check());
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW)) {
		if (errno == ENOENT)
			return NULL; /* removed meanwhile */
		return fault_sys(F_SYS, "looking at '%s'", t->path.data);
	}
	TRY(merge_child(t->b->m, dir, name, strlen(name), &node));
	return S_ISDIR(st.st_mode) ? enter_dir(t, fd, name, &st, node)
				   : enter_file(t, fd, name, &st, node);
}

static struct fault *walk_dir(struct walk *t, int fd, uint32_t node)
{
	size_t path_len = t->path.len;
	struct strings names = {0};
	struct fault *f = dir_names(fd, t->path.data, &names);

	for (size_t i = 0; !f && i < names.n; i++) {
		buf_addc(&t->path, '/');
		buf_adds(&t->path, names.v[i]);
		f = walk_entry(t, fd, names.v[i], node);
		t->path.len = path_len;
		t->path.data[path_len] = 0;
	}
	strings_release(&names);
	return f;
}

struct fault *image_builder_directory(struct image_builder *b, int dir_fd, const char *what,
				      struct progress *progress)
{
	struct walk t = {.b = b, .progress = progress, .path = BUF_INIT};
	struct stat st;
	struct fault *f;

	if (fstat(dir_fd, &st))
		return fault_sys(F_SYS, "looking at the directory '%s'", what);
	TRY(merge_layer(b->m));
	t.device = st.st_dev;
	buf_adds(&t.path, what);
	f = dir_attr(&t, dir_fd, &st, MERGE_ROOT);
	if (!f)
		f = walk_dir(&t, dir_fd, MERGE_ROOT);
	host_links_release(&t.links);
	buf_release(&t.path);
	return builder_fault(b, f);
}
