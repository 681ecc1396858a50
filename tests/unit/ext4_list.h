/* SPDX-License-Identifier: MIT */
/*
 * ext4_list.h - a whole file system as one line of text, sorted by path:
 *	dir/  file=content  file*2=content (two names)  link->target  node:c1,3  pipe|
 */
#ifndef BANGER_TESTS_EXT4_LIST_H
#define BANGER_TESTS_EXT4_LIST_H

#include <stdlib.h>
#include <string.h>

#include <ext2fs/ext2fs.h>

#include "base/buf.h"
#include "base/text.h"

struct listing {
	ext2_filsys fs;
	char **lines;
	size_t n;
	struct buf path;
};

static inline void list_content(struct listing *l, ext2_ino_t ino, struct buf *out)
{
	ext2_file_t file;
	char data[4096];
	unsigned int got;

	if (ext2fs_file_open(l->fs, ino, 0, &file))
		abort();
	while (!ext2fs_file_read(file, data, sizeof(data), &got) && got)
		buf_add(out, data, got);
	ext2fs_file_close(file);
}

static inline void list_inode(struct listing *l, ext2_ino_t ino, struct buf *out)
{
	struct ext2_inode inode;

	if (ext2fs_read_inode(l->fs, ino, &inode))
		abort();
	if (LINUX_S_ISDIR(inode.i_mode)) {
		buf_addc(out, '/');
	} else if (LINUX_S_ISLNK(inode.i_mode)) {
		buf_adds(out, "->");
		if (ext2fs_is_fast_symlink(&inode))
			buf_add(out, inode.i_block, inode.i_size);
		else
			list_content(l, ino, out);
	} else if (LINUX_S_ISREG(inode.i_mode)) {
		if (inode.i_links_count != 1)
			buf_addf(out, "*%u", inode.i_links_count);
		buf_addc(out, '=');
		list_content(l, ino, out);
	} else if (LINUX_S_ISCHR(inode.i_mode)) {
		buf_addf(out, ":c%u,%u", inode.i_block[0] >> 8, inode.i_block[0] & 0xff);
	} else {
		buf_addc(out, '|');
	}
}

static inline int list_entry(ext2_ino_t dir, int entry, struct ext2_dir_entry *e, int offset,
			     int blocksize, char *buf, void *context)
{
	struct listing *l = context;
	size_t len = (size_t)ext2fs_dirent_name_len(e), was = l->path.len;
	AUTO_BUF line = BUF_INIT;

	(void)dir;
	(void)offset;
	(void)blocksize;
	(void)buf;
	if (entry != DIRENT_OTHER_FILE)
		return 0;
	if (was)
		buf_addc(&l->path, '/');
	buf_add(&l->path, e->name, len);
	text_add_printable(&line, l->path.data, l->path.len);
	list_inode(l, e->inode, &line);
	l->lines = xrealloc_array(l->lines, l->n + 1, sizeof(*l->lines));
	l->lines[l->n++] = buf_steal(&line);
	if (ext2fs_dirent_file_type(e) == EXT2_FT_DIR &&
	    ext2fs_dir_iterate2(l->fs, e->inode, 0, NULL, list_entry, l))
		abort();
	l->path.len = was;
	l->path.data[was] = 0;
	return 0;
}

static inline int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Owned by the caller. */
static inline char *list_file_system(const char *image)
{
	struct listing l = {.path = BUF_INIT};
	AUTO_BUF out = BUF_INIT;

	if (ext2fs_open(image, EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &l.fs))
		abort();
	if (ext2fs_dir_iterate2(l.fs, EXT2_ROOT_INO, 0, NULL, list_entry, &l))
		abort();
	if (l.n)
		qsort(l.lines, l.n, sizeof(*l.lines), compare_lines);
	for (size_t i = 0; i < l.n; i++) {
		buf_addf(&out, "%s%s", i ? " " : "", l.lines[i]);
		free(l.lines[i]);
	}
	free(l.lines);
	buf_release(&l.path);
	ext2fs_close(l.fs);
	return buf_steal(&out);
}

#endif
