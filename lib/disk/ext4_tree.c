/* SPDX-License-Identifier: MIT */
#include "disk/ext4_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/text.h"

#define DEPTH_MAX   200 /* each level holds a descriptor */
#define BLOCK_BYTES 4096u
#define GROUP_BYTES (128 * MIB)

struct walk {
	struct ext4_writer *w; /* NULL while only measuring */
	dev_t device;
	struct progress *progress;
	struct host_links links;
	struct ext4_tree_summary sum;
	bool all_root;	 /* owners on disk do not count */
	uint64_t blocks; /* measured, of data and directories */
	struct buf path; /* of the entry at hand, for messages */
	int depth;
};

static struct fault *walk_dir(struct walk *t, int fd, uint32_t inode, uint32_t parent);

/* One level of names with what they became. */
struct level {
	struct strings names;
	struct ext4_dirent *entries;
	size_t n;
};

static void level_release(struct level *l)
{
	strings_release(&l->names);
	free(l->entries);
}

static struct fault *enter_dir(struct walk *t, int dir_fd, const char *name, const struct stat *st,
			       uint32_t parent, uint32_t *inode)
{
	AUTO_FD fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct host_xattrs x;
	struct ext4_attr attr;
	struct fault *f;

	if (fd < 0)
		return fault_sys(F_SYS, "opening the directory '%s'", t->path.data);
	if (t->w) {
		TRY(host_xattrs_read(fd, t->path.data, &x));
		attr = ext4_attr_of(st, &x);
		f = ext4_node(t->w, &attr, inode);
		host_xattrs_release(&x);
		TRY(fault_wrap(f, "'%s'", t->path.data));
	}
	if (t->depth == DEPTH_MAX)
		return fault_new(F_INVALID, "'%s' lies more than %d directories deep", t->path.data,
				 DEPTH_MAX);
	t->depth++;
	f = walk_dir(t, st->st_dev == t->device ? fd : -1, *inode, parent);
	t->depth--;
	return f;
}

static struct fault *write_file(struct walk *t, int dir_fd, const char *name, const struct stat *st,
				uint32_t *inode)
{
	if (t->w)
		return ext4_add_host(t->w, dir_fd, name, t->path.data, st, inode);
	*inode = 1;
	t->blocks += ((uint64_t)st->st_size + BLOCK_BYTES - 1) / BLOCK_BYTES + 1;
	return NULL;
}

static struct fault *enter_file(struct walk *t, int dir_fd, const char *name, const struct stat *st,
				uint32_t *inode)
{
	struct host_link *link;

	if (S_ISREG(st->st_mode))
		t->sum.content_bytes += (uint64_t)st->st_size;
	if (st->st_nlink == 1)
		return write_file(t, dir_fd, name, st, inode);
	link = host_links_find(&t->links, st);
	if (link->inode) {
		*inode = link->inode;
		link->names++;
		return t->w ? ext4_set_links(t->w, *inode, link->names) : NULL;
	}
	TRY(write_file(t, dir_fd, name, st, inode));
	link->inode = *inode;
	link->names = 1;
	return NULL;
}

static struct fault *walk_entry(struct walk *t, int fd, const char *name, uint32_t dir,
				struct level *l)
{
	uint32_t inode = 0;
	struct stat st;

	TRY(cancel_check());
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW)) {
		if (errno == ENOENT)
			return NULL; /* removed meanwhile */
		return fault_sys(F_SYS, "looking at '%s'", t->path.data);
	}
	t->sum.entries++;
	if (t->all_root)
		st.st_uid = st.st_gid = 0;
	if (S_ISDIR(st.st_mode))
		TRY(enter_dir(t, fd, name, &st, dir, &inode));
	else
		TRY(enter_file(t, fd, name, &st, &inode));
	l->entries[l->n++] = (struct ext4_dirent){
		.name = name,
		.inode = inode,
		.len = (uint8_t)strlen(name),
		.type = ext4_dirent_type(st.st_mode),
	};
	if (t->w)
		progress_amount(t->progress, t->sum.content_bytes, 0);
	return NULL;
}

static struct fault *walk_names(struct walk *t, int fd, uint32_t inode, struct level *l)
{
	size_t path_len = t->path.len, bytes = 24;

	TRY(dir_names(fd, t->path.data, &l->names));
	l->entries = xcalloc(l->names.n + 1, sizeof(*l->entries));
	for (size_t i = 0; i < l->names.n; i++) {
		const char *name = l->names.v[i];
		struct fault *f;

		bytes += strlen(name) + 12;
		buf_addc(&t->path, '/');
		buf_adds(&t->path, name);
		f = walk_entry(t, fd, name, inode, l);
		t->path.len = path_len;
		t->path.data[path_len] = 0;
		TRY(f);
	}
	/* Leaves of a large directory are a little less than full. */
	t->blocks += 2 + bytes / (BLOCK_BYTES - 300);
	return NULL;
}

/* @fd -1: another file system is mounted there, the directory stays empty. */
static struct fault *walk_dir(struct walk *t, int fd, uint32_t inode, uint32_t parent)
{
	struct level l = {0};
	struct fault *f = fd < 0 ? NULL : walk_names(t, fd, inode, &l);

	if (!f && t->w)
		f = fault_wrap(ext4_dir_write(t->w, inode, parent, l.entries, l.n), "'%s'",
			       t->path.data);
	level_release(&l);
	return f;
}

/* Just large enough for what was measured. */
static void fit(const struct walk *t, struct ext4_options *o)
{
	uint64_t bytes;

	o->inodes = t->sum.entries + t->sum.entries / 64 + 64;
	bytes = t->blocks * BLOCK_BYTES + o->inodes * 256;
	bytes += bytes / 50 + MIB;
	bytes += (bytes / GROUP_BYTES + 1) * 64 * KIB;
	if (!o->fixed)
		bytes += bytes / 16 + 2 * MIB;
	o->size_bytes = bytes;
}

static struct fault *measure(int dir_fd, const struct walk *like, struct ext4_options *o)
{
	struct walk t = {.device = like->device, .path = BUF_INIT};
	struct fault *f;

	buf_adds(&t.path, like->path.data);
	f = walk_dir(&t, dir_fd, EXT4_ROOT_INODE, EXT4_ROOT_INODE);
	fit(&t, o);
	host_links_release(&t.links);
	buf_release(&t.path);
	return f;
}

static struct fault *write_root(struct walk *t, int dir_fd, const struct stat *st, mode_t mode)
{
	struct host_xattrs x;
	struct ext4_attr attr;
	struct fault *f;

	TRY(host_xattrs_read(dir_fd, t->path.data, &x));
	attr = ext4_attr_of(st, &x);
	if (mode)
		attr.mode = S_IFDIR | (mode & 07777);
	f = ext4_root(t->w, &attr);
	host_xattrs_release(&x);
	TRY(f);
	TRY(walk_dir(t, dir_fd, EXT4_ROOT_INODE, EXT4_ROOT_INODE));
	return ext4_writer_finish(t->w);
}

struct fault *ext4_from_directory(int dir_fd, int out_fd, const struct ext4_options *options,
				  const char *what, struct progress *progress,
				  struct ext4_tree_summary *summary)
{
	struct ext4_options o = *options;
	struct walk t = {.progress = progress, .path = BUF_INIT};
	struct stat st;
	struct fault *f = NULL;

	if (fstat(dir_fd, &st))
		return fault_sys(F_SYS, "looking at the directory '%s'", what);
	t.device = st.st_dev;
	t.all_root = o.all_root;
	if (o.all_root)
		st.st_uid = st.st_gid = 0;
	buf_adds(&t.path, what);
	if (!o.size_bytes)
		f = measure(dir_fd, &t, &o);
	if (!f)
		f = ext4_writer_open(out_fd, &o, &t.w);
	if (!f)
		f = write_root(&t, dir_fd, &st, o.root_mode);
	if (!f && summary) {
		*summary = t.sum;
		summary->size_bytes = o.size_bytes / BLOCK_BYTES * BLOCK_BYTES;
	}
	ext4_writer_free(t.w);
	host_links_release(&t.links);
	buf_release(&t.path);
	return f;
}
