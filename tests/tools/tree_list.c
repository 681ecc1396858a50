/* SPDX-License-Identifier: MIT */
/*
 * tree_list.c - list a tree of files so that two can be compared with diff.
 *
 *	tree_list ext4 FILE [PATH]	what is in an ext4 file, read by libext2fs
 *	tree_list host DIRECTORY	what is in a directory of this host
 *
 * One line for each name, sorted: path, type, mode, owner, group, times, links of files, size and
 * digest, target, device numbers, xattrs.  Bytes that are not printable are \xNN.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <ext2fs/ext2fs.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/text.h"

static struct strings lines;

static void __attribute__((noreturn)) die(const char *what, const char *path, long code)
{
	fprintf(stderr, "tree_list: %s '%s': %ld\n", what, path, code);
	exit(1);
}

/* What a line is made of, whatever it is read from. */
struct node {
	const char *path;
	struct stat st;
	struct buf content;	/* target of a symbolic link */
	char digest[SHA256_HEX_LEN + 1];
	struct strings xattrs; /* "name=hex" */
};

static char type_letter(mode_t mode)
{
	static const char letters[] = "?pc?d?b?-?l?s???";

	return letters[(mode >> 12) & 15];
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_line(struct node *n)
{
	const struct stat *st = &n->st;
	AUTO_BUF line = BUF_INIT;

	text_add_printable(&line, n->path, strlen(n->path));
	buf_addf(&line, " %c%04o %u:%u", type_letter(st->st_mode), st->st_mode & 07777, st->st_uid,
		 st->st_gid);
	buf_addf(&line, " %lld.%09ld", (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	if (!S_ISDIR(st->st_mode))
		buf_addf(&line, " links=%u", (unsigned int)st->st_nlink);
	if (S_ISREG(st->st_mode))
		buf_addf(&line, " %llu %s", (unsigned long long)st->st_size, n->digest);
	if (S_ISLNK(st->st_mode)) {
		buf_adds(&line, " -> ");
		text_add_printable(&line, n->content.data, n->content.len);
	}
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		buf_addf(&line, " %u,%u", major(st->st_rdev), minor(st->st_rdev));
	if (n->xattrs.n)
		qsort(n->xattrs.v, n->xattrs.n, sizeof(char *), compare_texts);
	for (size_t i = 0; i < n->xattrs.n; i++)
		buf_addf(&line, " %s", n->xattrs.v[i]);
	strings_add(&lines, line.data);
	strings_release(&n->xattrs);
	buf_release(&n->content);
}

static void add_xattr(struct node *n, const char *name, const void *value, size_t len)
{
	AUTO_FREE char *hex = text_hex(value, len);
	AUTO_FREE char *text = xasprintf("%s=%s", name, hex);

	strings_add(&n->xattrs, text);
}

/* ---------------------------------------------------------------------------------------- host */

static void host_xattrs(struct node *n, const char *real)
{
	char names[65536], value[65536];
	ssize_t len = llistxattr(real, names, sizeof(names));

	for (char *name = names; len > 0 && name < names + len; name += strlen(name) + 1) {
		ssize_t size = lgetxattr(real, name, value, sizeof(value));

		if (size < 0)
			die("reading an xattr of", real, errno);
		add_xattr(n, name, value, (size_t)size);
	}
}

static void host_content(struct node *n, const char *real)
{
	if (S_ISREG(n->st.st_mode)) {
		AUTO_FD fd = open(real, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		struct fault *f = fd < 0 ? NULL : sha256_fd(fd, real, n->digest);

		if (fd < 0 || f)
			die("reading", real, errno);
	} else if (S_ISLNK(n->st.st_mode)) {
		ssize_t len = readlink(real, buf_grow(&n->content, PATH_MAX), PATH_MAX);

		if (len < 0)
			die("reading", real, errno);
		n->content.len = (size_t)len;
	}
}

static void host_tree(const char *root, const char *path)
{
	AUTO_FREE char *real = xasprintf("%s%s", root, path);
	struct node n = { .path = *path ? path : "/", .content = BUF_INIT };
	struct dirent *entry;
	AUTO_DIR dir = NULL;

	if (lstat(real, &n.st) < 0)
		die("looking at", real, errno);
	host_content(&n, real);
	host_xattrs(&n, real);
	add_line(&n);
	if (!S_ISDIR(n.st.st_mode))
		return;
	dir = opendir(real);
	if (!dir)
		die("opening", real, errno);
	while ((entry = readdir(dir))) {
		AUTO_FREE char *below = xasprintf("%s/%s", path, entry->d_name);

		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			host_tree(root, below);
	}
}

/* ---------------------------------------------------------------------------------------- ext4 */

static ext2_filsys fs;

static void check(errcode_t code, const char *what, const char *path)
{
	if (code)
		die(what, path, (long)code);
}

static void ext4_file(struct node *n, ext2_ino_t ino, struct buf *whole)
{
	struct sha256 *sha = sha256_new();
	char chunk[65536];
	ext2_file_t file;
	unsigned int got;

	check(ext2fs_file_open(fs, ino, 0, &file), "opening", n->path);
	do {
		check(ext2fs_file_read(file, chunk, sizeof(chunk), &got), "reading", n->path);
		sha256_update(sha, chunk, got);
		if (whole)
			buf_add(whole, chunk, got);
	} while (got);
	sha256_finish(sha, n->digest);
	ext2fs_file_close(file);
}

static int one_xattr(char *name, char *value, size_t len, void *context)
{
	add_xattr(context, name, value, len);
	return 0;
}

static void ext4_xattrs(struct node *n, ext2_ino_t ino)
{
	struct ext2_xattr_handle *handle;
	size_t count;

	check(ext2fs_xattrs_open(fs, ino, &handle), "opening xattrs of", n->path);
	check(ext2fs_xattrs_read(handle), "reading xattrs of", n->path);
	check(ext2fs_xattrs_count(handle, &count), "counting xattrs of", n->path);
	check(ext2fs_xattrs_iterate(handle, one_xattr, n), "reading xattrs of", n->path);
	ext2fs_xattrs_close(&handle);
}

static void ext4_symlink(struct node *n, ext2_ino_t ino, struct ext2_inode_large *inode)
{
	if (ext2fs_is_fast_symlink((struct ext2_inode *)inode)) {
		buf_add(&n->content, inode->i_block, n->st.st_size > 0 ? (size_t)n->st.st_size : 0);
		return;
	}
	ext4_file(n, ino, &n->content);
}

static void ext4_stat(struct stat *st, const struct ext2_inode_large *i)
{
	st->st_mode = i->i_mode;
	st->st_uid = i->i_uid | (uid_t)i->osd2.linux2.l_i_uid_high << 16;
	st->st_gid = i->i_gid | (gid_t)i->osd2.linux2.l_i_gid_high << 16;
	st->st_nlink = i->i_links_count;
	st->st_size = (off_t)EXT2_I_SIZE(i);
	st->st_mtim.tv_sec = (int32_t)i->i_mtime + ((int64_t)(i->i_mtime_extra & 3) << 32);
	st->st_mtim.tv_nsec = i->i_mtime_extra >> 2;
	if (i->i_block[0])
		st->st_rdev = makedev(i->i_block[0] >> 8 & 0xff, i->i_block[0] & 0xff);
	else
		st->st_rdev = makedev(i->i_block[1] >> 8 & 0xfff,
				      (i->i_block[1] & 0xff) | (i->i_block[1] >> 12 & 0xfff00));
}

static void ext4_tree(ext2_ino_t ino, const char *path);

static int one_entry(ext2_ino_t dir, int entry, struct ext2_dir_entry *d, int offset, int size,
		     char *block, void *context)
{
	int len = ext2fs_dirent_name_len(d);
	AUTO_FREE char *below = xasprintf("%s/%.*s", (const char *)context, len, d->name);

	(void)dir, (void)entry, (void)offset, (void)size, (void)block;
	if ((len == 1 && d->name[0] == '.') || (len == 2 && !memcmp(d->name, "..", 2)))
		return 0;
	if (!*(const char *)context && len == 10 && !memcmp(d->name, "lost+found", 10))
		return 0;
	ext4_tree(d->inode, below);
	return 0;
}

static void ext4_tree(ext2_ino_t ino, const char *path)
{
	struct node n = { .path = *path ? path : "/", .content = BUF_INIT };
	struct ext2_inode_large inode;

	memset(&inode, 0, sizeof(inode));
	check(ext2fs_read_inode_full(fs, ino, (struct ext2_inode *)&inode, sizeof(inode)),
	      "reading the inode of", n.path);
	ext4_stat(&n.st, &inode);
	if (S_ISREG(n.st.st_mode))
		ext4_file(&n, ino, NULL);
	if (S_ISLNK(n.st.st_mode))
		ext4_symlink(&n, ino, &inode);
	ext4_xattrs(&n, ino);
	add_line(&n);
	if (S_ISDIR(n.st.st_mode))
		check(ext2fs_dir_iterate2(fs, ino, 0, NULL, one_entry, (char *)(uintptr_t)path),
		      "reading directory", n.path);
}

static void print_file(const char *path)
{
	struct node n = { .path = path, .content = BUF_INIT };
	ext2_ino_t ino;

	check(ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino), "finding", path);
	ext4_file(&n, ino, &n.content);
	fwrite(n.content.data, 1, n.content.len, stdout);
	buf_release(&n.content);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "host")) {
		host_tree(argv[2], "");
	} else if ((argc == 3 || argc == 4) && !strcmp(argv[1], "ext4")) {
		check(ext2fs_open(argv[2], EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs), "opening",
		      argv[2]);
		if (argc == 4)
			print_file(argv[3]);
		else
			ext4_tree(EXT2_ROOT_INO, "");
		ext2fs_close_free(&fs);
	} else {
		fprintf(stderr, "usage: tree_list host DIRECTORY | ext4 FILE [PATH]\n");
		return 2;
	}
	if (lines.n)
		qsort(lines.v, lines.n, sizeof(char *), compare_texts);
	for (size_t i = 0; i < lines.n; i++)
		puts(lines.v[i]);
	strings_release(&lines);
	return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
