/* SPDX-License-Identifier: MIT */
#include "ext4_check.h"

#include <errno.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/text.h"
#include "disk/ext4_tree.h"

static uint64_t disk_usage(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void empty_file_systems_of_every_size(void **state)
{
	static const uint64_t sizes[] = {256 * KIB, MIB + 5, 8 * MIB,	129 * MIB,
					 512 * MIB, 8 * GIB, 64 * GIB};
	struct scratch *s = *state;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		for (int fixed = 0; fixed < 2; fixed++) {
			struct ext4_options o = {.size_bytes = sizes[i],
						 .label = "sixteen-letters!",
						 .root_mode = 0700,
						 .fixed = fixed};
			struct stat st;

			assert_no_fault(ext4_make_empty(s->fd, &o));
			assert_int_equal(fstat(s->fd, &st), 0);
			assert_int_equal(st.st_size, sizes[i] / 4096 * 4096);
			assert_clean(s->dir, s->image);
		}
	}
}

static void assert_groups_zeroed(struct scratch *s)
{
	const char *const argv[] = {"/sbin/dumpe2fs", s->image, NULL};
	AUTO_BUF out = BUF_INIT;
	size_t groups = 0, zeroed = 0;

	assert_int_equal(run_tool(s->dir, "dumpe2fs.log", argv), 0);
	assert_no_fault(file_read(s->dir, "dumpe2fs.log", 16 << 20, &out));
	for (const char *p = out.data; (p = strstr(p, "\nGroup ")); p++)
		groups += p[7] >= '0' && p[7] <= '9';
	for (const char *p = out.data; (p = strstr(p, "ITABLE_ZEROED")); p++)
		zeroed++;
	assert_int_equal(groups, 64);
	assert_int_equal(zeroed, groups);
}

static void an_empty_8g_file_system_costs_less_than_a_mib(void **state)
{
	struct scratch *s = *state;
	struct ext4_options o = {.size_bytes = 8 * GIB, .root_mode = 0755};

	assert_no_fault(ext4_make_empty(s->fd, &o));
	assert_true(disk_usage(s->fd) < MIB);
	/* Room to grow online to 1 TiB: 127 blocks of descriptors. */
	assert_debugfs(s->dir, s->image, "stats", "Reserved GDT blocks:      127");
	assert_debugfs(s->dir, s->image, "stats", "has_journal");
	/* The guest has no inode tables to zero. */
	assert_groups_zeroed(s);
	assert_debugfs(s->dir, s->image, "stat <2>", "Mode:  0755");
}

static void bad_sizes_and_labels_are_refused(void **state)
{
	struct scratch *s = *state;
	struct ext4_options o = {.size_bytes = 4096};
	AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_fault(ext4_make_empty(s->fd, &o), F_INVALID, "too small");
	o.size_bytes = UINT64_MAX;
	assert_fault(ext4_make_empty(s->fd, &o), F_INVALID, "too large");
	o.size_bytes = MIB;
	o.label = "seventeen letters";
	assert_fault(ext4_make_empty(s->fd, &o), F_INVALID, "label");
	o.label = NULL;
	assert_fault(ext4_make_empty(null, &o), F_INVALID, "regular file");
}

/* -- the streaming writer -- */

static struct ext4_writer *open_writer(struct scratch *s, uint64_t size)
{
	struct ext4_options o = {.size_bytes = size, .root_mode = 0755};
	struct ext4_writer *w = NULL;

	assert_no_fault(ext4_writer_open(s->fd, &o, &w));
	return w;
}

static const struct ext4_attr plain = {.mode = S_IFREG | 0644, .mtime_sec = 1000000000};

static uint32_t add_file(struct ext4_writer *w, const struct ext4_attr *attr, const void *data,
			 size_t len)
{
	uint32_t inode = 0;

	assert_no_fault(ext4_file_open(w, attr, len));
	/* In odd pieces, so that they do not fall on block boundaries. */
	for (size_t at = 0, step = 1; at < len; at += step, step = step * 3 + 1) {
		if (step > len - at)
			step = len - at;
		assert_no_fault(ext4_file_write(w, at, (const char *)data + at, step));
	}
	assert_no_fault(ext4_file_close(w, &inode));
	return inode;
}

static struct ext4_dirent entry(const char *name, uint32_t inode, mode_t type)
{
	return (struct ext4_dirent){name, inode, (uint8_t)strlen(name), ext4_dirent_type(type)};
}

static void finish(struct scratch *s, struct ext4_writer *w, struct ext4_dirent *e, size_t n)
{
	assert_no_fault(ext4_dir_write(w, EXT4_ROOT_INODE, EXT4_ROOT_INODE, e, n));
	assert_no_fault(ext4_writer_finish(w));
	ext4_writer_free(w);
	assert_clean(s->dir, s->image);
}

static void assert_content(struct scratch *s, const char *path, const void *data, size_t len)
{
	AUTO_BUF out = BUF_INIT;
	AUTO_FREE char *command = xasprintf("dump %s %s/dumped", path, s->path);

	ask_debugfs(s->dir, s->image, command, &out);
	buf_clear(&out);
	assert_no_fault(file_read(s->dir, "dumped", 1 << 28, &out));
	assert_int_equal(out.len, len);
	assert_memory_equal(out.data, data, len);
}

static void contents_come_back(void **state)
{
	static const size_t lengths[] = {0, 1, 4095, 4096, 4097, 300000, 3 << 20};
	struct scratch *s = *state;
	struct ext4_writer *w = open_writer(s, 64 * MIB);
	AUTO_FREE char *data = xmalloc(3 << 20);
	struct ext4_dirent e[ARRAY_LEN(lengths)];
	char names[ARRAY_LEN(lengths)][8];

	for (size_t i = 0; i < 3 << 20; i++)
		data[i] = (char)(i * 2654435761u >> 24);
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		snprintf(names[i], sizeof(names[i]), "f%zu", i);
		e[i] = entry(names[i], add_file(w, &plain, data, lengths[i]), S_IFREG);
	}
	finish(s, w, e, ARRAY_LEN(e));
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
		assert_content(s, names[i], data, lengths[i]);
}

static void holes_and_zeros_take_no_blocks(void **state)
{
	struct scratch *s = *state;
	struct ext4_writer *w = open_writer(s, 64 * MIB);
	struct ext4_dirent e[2];
	AUTO_FREE char *zeros = xcalloc(1, 2 << 20);
	uint32_t inode;

	assert_no_fault(ext4_file_open(w, &plain, 40 * GIB));
	for (uint64_t i = 0; i < 2000; i++)
		assert_no_fault(ext4_file_write(w, i * 12288 + 5000, "data", 4));
	assert_no_fault(ext4_file_close(w, &inode));
	e[0] = entry("sparse", inode, S_IFREG);
	e[1] = entry("zeros", add_file(w, &plain, zeros, 2 << 20), S_IFREG);
	finish(s, w, e, 2);
	assert_debugfs(s->dir, s->image, "stat sparse", "Size: 42949672960");
	/* 2000 data blocks and 6 leaves of the extent tree with one index block above them */
	assert_debugfs(s->dir, s->image, "stat sparse", "Blockcount: 16056");
	assert_debugfs(s->dir, s->image, "stat zeros", "Blockcount: 0");
}

static void data_beyond_the_size_or_backwards_is_refused(void **state)
{
	struct scratch *s = *state;
	struct ext4_writer *w = open_writer(s, MIB);

	assert_no_fault(ext4_file_open(w, &plain, 100));
	assert_fault(ext4_file_write(w, 90, "12345678901", 11), F_CORRUPT, "more data");
	assert_fault(ext4_file_write(w, UINT64_MAX - 3, "12345678901", 11), F_CORRUPT, "more data");
	assert_no_fault(ext4_file_write(w, 50, "x", 1));
	assert_fault(ext4_file_write(w, 40, "x", 1), F_CORRUPT, "backwards");
	assert_fault(ext4_file_open(w, &plain, UINT64_MAX), F_INVALID, "16T");
	ext4_writer_free(w);
}

static void a_full_file_system_says_its_size(void **state)
{
	struct scratch *s = *state;
	struct ext4_writer *w = open_writer(s, 2 * MIB);
	AUTO_FREE char *data = xmalloc(4 << 20);
	struct fault *f;

	memset(data, 'x', 4 << 20);
	assert_no_fault(ext4_file_open(w, &plain, 4 << 20));
	f = ext4_file_write(w, 0, data, 4 << 20);
	assert_non_null(f);
	assert_non_null(strstr(fault_hint_text(f), "--size"));
	assert_fault(f, F_NO_SPACE, "2M");
	ext4_writer_free(w);
}

static void many_names_and_subdirectories(void **state)
{
	enum { FILES = 20000, DIRS = 65010 };
	struct scratch *s = *state;
	struct ext4_writer *w = open_writer(s, 2 * GIB);
	struct ext4_dirent *e = xcalloc(DIRS, sizeof(*e));
	struct ext4_dirent root[2];
	char(*names)[256] = xcalloc(DIRS, 256);
	uint32_t big, inode;
	struct ext4_attr dir = {.mode = S_IFDIR | 0755};

	assert_no_fault(ext4_node(w, &dir, &big));
	for (int i = 0; i < FILES; i++) {
		snprintf(names[i], 256, "%06d%0*d", i, i % 250, 0);
		e[i] = entry(names[i], add_file(w, &plain, "hi", 2), S_IFREG);
	}
	assert_no_fault(ext4_dir_write(w, big, EXT4_ROOT_INODE, e, FILES));
	root[0] = entry("files", big, S_IFDIR);
	assert_no_fault(ext4_node(w, &dir, &big));
	for (int i = 0; i < DIRS; i++) {
		snprintf(names[i], 256, "%d", i);
		assert_no_fault(ext4_node(w, &dir, &inode));
		assert_no_fault(ext4_dir_write(w, inode, big, NULL, 0));
		e[i] = entry(names[i], inode, S_IFDIR);
	}
	assert_no_fault(ext4_dir_write(w, big, EXT4_ROOT_INODE, e, DIRS));
	root[1] = entry("dirs", big, S_IFDIR);
	finish(s, w, root, 2);
	assert_debugfs(s->dir, s->image, "stat dirs", "Links: 1 ");
	free(names);
	free(e);
}

static void attributes_are_kept(void **state)
{
	static const char capability[] = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00"
					 "\x00\x00\x00\x00\x00\x00";
	/* user::rw-, user:70000:r--, group::r--, mask::r--, other::--- */
	static const char acl[] = "\x02\0\0\0"
				  "\x01\0\x06\0\xff\xff\xff\xff"
				  "\x02\0\x04\0\x70\x11\x01\0"
				  "\x04\0\x04\0\xff\xff\xff\xff"
				  "\x10\0\x04\0\xff\xff\xff\xff"
				  "\x20\0\x00\0\xff\xff\xff\xff";
	char large[3000];
	const struct ext4_xattr x[] = {
		{"user.large", large, sizeof(large)},
		{"security.capability", capability, 20},
		{"system.posix_acl_access", acl, sizeof(acl) - 1},
		{"user.empty", "", 0},
		{"com.apple.provenance", "x", 1},
		{"user.twice", "first", 5},
		{"user.twice", "last", 4},
	};
	struct ext4_attr attr = {.mode = S_IFREG | 06751,
				 .uid = 70000,
				 .gid = 4000000000u,
				 .mtime_sec = -5,
				 .mtime_nsec = 123456789,
				 .xattrs = x,
				 .n_xattrs = ARRAY_LEN(x)};
	struct scratch *s = *state;
	struct ext4_writer *w = open_writer(s, 8 * MIB);
	struct ext4_dirent e[4];
	uint32_t inode;

	memset(large, 'L', sizeof(large));
	e[0] = entry("f", add_file(w, &attr, "x", 1), S_IFREG);
	attr = (struct ext4_attr){.mode = S_IFCHR | 0600,
				  .rdev_major = 300,
				  .rdev_minor = 70000,
				  .mtime_sec = INT64_C(9999999999)};
	assert_no_fault(ext4_node(w, &attr, &inode));
	e[1] = entry("dev", inode, S_IFCHR);
	assert_no_fault(ext4_symlink(w, &attr, "fast", 4, &inode));
	e[2] = entry("fast", inode, S_IFLNK);
	assert_no_fault(ext4_symlink(w, &attr, large, 60, &inode));
	e[3] = entry("slow", inode, S_IFLNK);
	finish(s, w, e, 4);
	assert_debugfs(s->dir, s->image, "stat f", "Mode:  06751");
	assert_debugfs(s->dir, s->image, "stat f", "User: 70000   Group: -294967296");
	assert_debugfs(s->dir, s->image, "stat f", "mtime: 0xfffffffb:1d6f3454");
	assert_debugfs(s->dir, s->image, "ea_get -x f security.capability", "01 00 00 02 00 04");
	assert_debugfs(s->dir, s->image, "ea_get f user.twice", "last");
	assert_debugfs(s->dir, s->image, "ea_get f user.large", "LLLLLLL");
	assert_debugfs(s->dir, s->image, "ea_get -x f system.posix_acl_access",
		       "02 00 04 00 70 11 01 00 04 00 04 00");
	assert_debugfs(s->dir, s->image, "stat dev", "300:70000");
	assert_debugfs(s->dir, s->image, "stat fast", "Fast link dest: \"fast\"");
}

static void dropped_inodes_leave_nothing(void **state)
{
	struct scratch *s = *state;
	struct ext4_writer *w = open_writer(s, 64 * MIB);
	struct ext4_attr attr = plain;
	char large[200] = {0};
	const struct ext4_xattr x = {"user.large", large, sizeof(large)};
	AUTO_FREE char *data = xmalloc(8 << 20);
	uint32_t inode[300];
	struct ext4_dirent e;

	memset(data, 'd', 8 << 20);
	attr.xattrs = &x;
	attr.n_xattrs = 1;
	for (size_t i = 0; i < ARRAY_LEN(inode); i++)
		inode[i] = add_file(w, &attr, data, 5000);
	inode[0] = (assert_no_fault(ext4_drop(w, inode[0])), add_file(w, &attr, data, 8 << 20));
	for (size_t i = 0; i < ARRAY_LEN(inode); i++)
		assert_no_fault(ext4_drop(w, inode[i]));
	e = entry("last", add_file(w, &plain, data, 10), S_IFREG);
	finish(s, w, &e, 1);
	assert_true(disk_usage(s->fd) < 2 * MIB);
}

/* -- from a host directory -- */

static void make_host_tree(struct scratch *s)
{
	AUTO_FD tree = -1, sub = -1, fd = -1;

	assert_no_fault(dir_make(s->dir, "tree", 0755, &tree));
	assert_no_fault(dir_make(tree, "sub", 0711, &sub));
	fd = openat(sub, "na\nme\xff\"", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	assert_int_equal(write(fd, "content", 7), 7);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(linkat(sub, "na\nme\xff\"", tree, "hard", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", tree, "abs"), 0);
	assert_int_equal(mkfifoat(tree, "fifo", 0600), 0);
}

static void a_host_tree_is_copied(void **state)
{
	struct scratch *s = *state;
	struct ext4_options o = {.fixed = true, .label = "modules"};
	struct ext4_tree_summary sum;
	AUTO_FD tree = -1;

	make_host_tree(s);
	assert_no_fault(dir_open(s->dir, "tree", &tree));
	assert_no_fault(ext4_from_directory(tree, s->fd, &o, "tree", NULL, &sum));
	assert_int_equal(sum.entries, 5);
	assert_true(sum.size_bytes < 3 * MIB);
	assert_clean(s->dir, s->image);
	assert_debugfs(s->dir, s->image, "stat hard", "Links: 2 ");
	assert_debugfs(s->dir, s->image, "stat hard", "Size: 1048576");
	assert_debugfs(s->dir, s->image, "stat abs", "Fast link dest: \"/etc/passwd\"");
	assert_debugfs(s->dir, s->image, "stat sub", "Mode:  0711");
	assert_debugfs(s->dir, s->image, "stat fifo", "Type: FIFO");
	o.size_bytes = 512 * KIB;
	assert_no_fault(ext4_from_directory(tree, s->fd, &o, "tree", NULL, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(empty_file_systems_of_every_size),
		SCRATCH_TEST(an_empty_8g_file_system_costs_less_than_a_mib),
		SCRATCH_TEST(bad_sizes_and_labels_are_refused),
		SCRATCH_TEST(contents_come_back),
		SCRATCH_TEST(holes_and_zeros_take_no_blocks),
		SCRATCH_TEST(data_beyond_the_size_or_backwards_is_refused),
		SCRATCH_TEST(a_full_file_system_says_its_size),
		SCRATCH_TEST(many_names_and_subdirectories),
		SCRATCH_TEST(attributes_are_kept),
		SCRATCH_TEST(dropped_inodes_leave_nothing),
		SCRATCH_TEST(a_host_tree_is_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
