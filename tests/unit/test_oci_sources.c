/* SPDX-License-Identifier: MIT */
/* Reading image archives in place: the tar index, vaults, and blobs checked while they stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "image/blob.h"
#include "image/ext4_copy.h"
#include "image/tar_index.h"
#include "image/vault.h"

/* sha256 of "hello\n" */
#define HELLO_HEX "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

/* ------------------------------------------------------------------------- making tar archives */

struct member {
	const char *name, *link, *data;
	char type;
};

static void add_header(struct buf *tar, const char *name, const char *link, char type, size_t size)
{
	char h[TAR_BLOCK] = { 0 };
	unsigned int sum = 0;

	strncpy(h, name, 100);
	snprintf(h + 100, 8, "%07o", 0644);
	snprintf(h + 124, 12, "%011o", (unsigned int)size);
	memset(h + 148, ' ', 8);
	h[156] = type;
	if (link)
		strncpy(h + 157, link, 100);
	memcpy(h + 257, "ustar", 6);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	buf_add(tar, h, sizeof(h));
}

static void add_member(struct buf *tar, const struct member *m)
{
	static const char zeros[TAR_BLOCK];
	size_t len = m->data ? strlen(m->data) : 0;

	add_header(tar, m->name, m->link, m->type, len);
	buf_add(tar, m->data, len);
	buf_add(tar, zeros, (TAR_BLOCK - len % TAR_BLOCK) % TAR_BLOCK);
}

static void add_end(struct buf *tar)
{
	static const char zeros[2 * TAR_BLOCK];

	buf_add(tar, zeros, sizeof(zeros));
}

static int file_of(const void *data, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_null(file_write_all(fd, data, len, "test"));
	return fd;
}

static struct fault *index_of(const struct buf *tar, struct tar_index *index)
{
	AUTO_FD fd = file_of(tar->data, tar->len);

	return tar_index_read(fd, "'t.tar'", NULL, index);
}

/* ------------------------------------------------------------------------------------ the index */

static void test_index(void **state)
{
	static const struct member members[] = {
		{ "./", NULL, NULL, '5' },
		{ "./first", NULL, "one", '0' },
		{ "a/", NULL, NULL, '5' },
		{ "a/soft", "../first", NULL, '2' },
		{ "hard", "./first", NULL, '1' },
		{ "first", NULL, "the later one counts", '0' },
		{ "loop", "loop", NULL, '2' },
		{ "out", "../../etc/passwd", NULL, '2' },
		{ "absolute", "/first", NULL, '2' },
		{ "fifo", NULL, NULL, '6' },
	};
	AUTO_BUF tar = BUF_INIT;
	const struct tar_member *m;
	struct tar_index index;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		add_member(&tar, &members[i]);
	add_end(&tar);
	assert_true(tar_is_header(tar.data));
	assert_null(index_of(&tar, &index));
	assert_true(index.complete);
	assert_int_equal(index.members.n, ARRAY_LEN(members));
	m = tar_index_find(&index, "first");
	assert_non_null(m);
	assert_int_equal(m->size, strlen("the later one counts"));
	assert_memory_equal(tar.data + m->offset, "the later one counts", m->size);
	assert_ptr_equal(tar_index_find(&index, "a/soft"), m);
	assert_ptr_equal(tar_index_find(&index, "hard"), m);
	assert_null(tar_index_find(&index, "loop"));
	assert_null(tar_index_find(&index, "out"));
	assert_null(tar_index_find(&index, "absolute"));
	assert_null(tar_index_find(&index, "fifo"));
	assert_null(tar_index_find(&index, "a"));
	tar_index_release(&index);
}

static void test_long_names(void **state)
{
	char name[300], record[400];
	AUTO_BUF tar = BUF_INIT;
	struct tar_index index;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	add_member(&tar, &(struct member){ "././@LongLink", NULL, name, 'L' });
	add_member(&tar, &(struct member){ "xxx", NULL, "gnu", '0' });
	name[0] = 'y';
	snprintf(record, sizeof(record), "309 path=%s\n", name);
	assert_int_equal(strlen(record), 309);
	add_member(&tar, &(struct member){ "PaxHeader", NULL, record, 'x' });
	add_member(&tar, &(struct member){ "yyy", NULL, "pax", '0' });
	add_end(&tar);
	assert_null(index_of(&tar, &index));
	assert_int_equal(index.members.n, 2);
	assert_int_equal(tar_index_find(&index, name)->size, 3);
	name[0] = 'x';
	assert_int_equal(tar_index_find(&index, name)->size, 3);
	tar_index_release(&index);
}

static void bad_tar(const struct buf *tar, const char *part)
{
	struct tar_index index;
	struct fault *f = index_of(tar, &index);

	assert_non_null(f);
	if (!strstr(fault_message(f), part))
		fail_msg("no '%s' in '%s'", part, fault_message(f));
	assert_int_equal(fault_kind(f), F_CORRUPT);
	fault_free(f);
	tar_index_release(&index);
}

static void test_damaged(void **state)
{
	static const char *const records[] = { "x", "0 path=a\n", "99 path=a\n", "9 path=a\nzz",
					       "18446744073709551615 path=a\n", "11 size=-1\n" };
	AUTO_BUF whole = BUF_INIT;

	(void)state;
	add_member(&whole, &(struct member){ "file", NULL, "some data", '0' });
	add_end(&whole);
	for (size_t len = 1; len < TAR_BLOCK + 9; len += 52) { /* anywhere in header or data */
		AUTO_BUF cut = BUF_INIT;

		buf_add(&cut, whole.data, len);
		bad_tar(&cut, "truncated");
	}
	whole.data[3]++;
	bad_tar(&whole, "a tar header is damaged");
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		AUTO_BUF tar = BUF_INIT;

		add_member(&tar, &(struct member){ "PaxHeader", NULL, records[i], 'x' });
		add_member(&tar, &(struct member){ "file", NULL, "data", '0' });
		bad_tar(&tar, "pax header is malformed");
	}
}

/* -------------------------------------------------------------------------------------- vaults */

static void test_vault(void **state)
{
	char path[] = "/tmp/banger-vault-XXXXXX";
	AUTO_VAULT_PART part = VAULT_PART_INIT;
	AUTO_BUF text = BUF_INIT;
	struct vault v;
	int dir;

	(void)state;
	assert_non_null(mkdtemp(path));
	assert_null(dir_open(AT_FDCWD, path, &dir));
	assert_null(file_write_atomic(dir, "file", "hello\n", 6, 0600));
	assert_int_equal(symlinkat("file", dir, "inside"), 0);
	assert_int_equal(symlinkat("/etc/passwd", dir, "absolute"), 0);
	assert_int_equal(symlinkat("../../etc/passwd", dir, "outside"), 0);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	vault_of_directory(dir, "'v'", &v);
	assert_true(vault_has(&v, "file"));
	assert_null(vault_read(&v, "inside", 100, &text));
	assert_string_equal(text.data, "hello\n");
	assert_false(vault_has(&v, "absolute"));
	assert_false(vault_has(&v, "../etc/passwd"));
	assert_false(vault_has(&v, "/etc/passwd"));
	for (int i = 0; i < 4; i++) {
		static const char *const names[] = { "outside", "absolute", "fifo", "none" };
		AUTO_FAULT f = vault_open(&v, names[i], &part);

		assert_non_null(f);
		assert_non_null(strstr(fault_message(f), names[i]));
	}
	AUTO_FAULT f = vault_read(&v, "file", 5, &text);
	assert_int_equal(fault_kind(f), F_UNSUPPORTED);
	assert_null(tree_remove(AT_FDCWD, path));
	vault_release(&v);
}

static void test_vault_of_tar(void **state)
{
	AUTO_VAULT_PART part = VAULT_PART_INIT;
	AUTO_BUF tar = BUF_INIT, text = BUF_INIT;
	AUTO_FAULT f = NULL;
	struct tar_index index;
	struct vault v;
	int fd;

	(void)state;
	add_member(&tar, &(struct member){ "./blobs/holes", NULL, "x", 'S' });
	add_member(&tar, &(struct member){ "./blobs/plain", NULL, "hello\n", '0' });
	add_end(&tar);
	fd = file_of(tar.data, tar.len);
	assert_null(tar_index_read(fd, "t", NULL, &index));
	vault_of_tar(fd, &index, "'t.tar'", &v);
	assert_null(vault_read(&v, "blobs/plain", 100, &text));
	assert_string_equal(text.data, "hello\n");
	assert_true(vault_has(&v, "blobs/holes"));
	f = vault_open(&v, "blobs/holes", &part);
	assert_non_null(f);
	assert_non_null(strstr(fault_hint_text(f), "--sparse"));
	vault_release(&v);
}

/* --------------------------------------------------------------------------------------- blobs */

static struct blob *blob_of_text(const char *text, size_t size, const char *hex)
{
	struct vault_part part = { file_of(text, strlen(text)), 0, size };

	return blob_of_part(&part, hex, "the blob", NULL);
}

static void test_blob(void **state)
{
	AUTO_BLOB good = blob_of_text("hello\n", 6, HELLO_HEX);
	AUTO_BLOB other = blob_of_text("hellO\n", 6, HELLO_HEX);
	AUTO_BLOB cut = blob_of_text("hello\n", 7, HELLO_HEX);
	AUTO_BLOB range = blob_of_text("hello\nand more", 6, HELLO_HEX);
	AUTO_FAULT f = NULL;

	(void)state;
	assert_null(blob_finish(good));
	assert_null(blob_finish(range));
	f = blob_finish(other);
	assert_non_null(strstr(fault_message(f), "does not match its digest"));
	assert_int_equal(fault_kind(f), F_CORRUPT);
	fault_free(f);
	f = blob_finish(cut);
	assert_non_null(strstr(fault_message(f), "truncated"));
}

static void collect(struct archive_source from, struct buf *out, size_t at_most)
{
	const void *data;
	size_t len;

	do {
		assert_null(from.read(from.context, &data, &len));
		buf_add(out, data, len);
	} while (len && out->len < at_most);
}

/* What was looked at comes again, once, and then the rest. */
static void test_rewind(void **state)
{
	AUTO_BUF first = BUF_INIT, all = BUF_INIT;
	AUTO_BLOB b = NULL;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "hello ", 6), 6);
	b = blob_of_stream(fds[0], 0, "a pipe", NULL);
	collect(blob_source(b), &first, 1);
	assert_string_equal(first.data, "hello ");
	assert_null(blob_rewind(b));
	assert_int_equal(write(fds[1], "world\n", 6), 6);
	close(fds[1]);
	collect(blob_source(b), &all, SIZE_MAX);
	assert_string_equal(all.data, "hello world\n");
	close(fds[0]);
}

/* ---------------------------------------------------------------------------------------- ext4 */

static void put16(unsigned char *s, size_t at, unsigned int v)
{
	s[at] = (unsigned char)v;
	s[at + 1] = (unsigned char)(v >> 8);
}

/* A superblock with nothing behind it: only what is checked before copying. */
static void make_super(unsigned char *image)
{
	unsigned char *s = image + 1024;

	put16(s, 0x0, 64);    /* inodes */
	put16(s, 0x4, 16);    /* blocks */
	put16(s, 0xc, 4);     /* free blocks */
	put16(s, 0x10, 50);   /* free inodes */
	put16(s, 0x18, 0);    /* 1 KiB blocks */
	put16(s, 0x20, 8192); /* blocks per group */
	put16(s, 0x28, 64);   /* inodes per group */
	put16(s, 0x38, 0xef53);
	put16(s, 0x3a, 1); /* clean */
	put16(s, 0x4c, 1);
	put16(s, 0x60, 0x2c2);
}

static struct fault *copy_of(const unsigned char *image, size_t len, struct ext4_facts *facts)
{
	AUTO_FD from = file_of(image, len);
	AUTO_FD to = file_of("", 0);
	struct fault *f = ext4_copy(from, to, "'x'", NULL, facts);
	struct stat st;

	assert_int_equal(fstat(to, &st), 0);
	assert_int_equal(st.st_size, f ? 0 : 16384);
	return f;
}

static void test_ext4(void **state)
{
	static const struct {
		size_t at;
		unsigned int value;
		const char *part;
	} bad[] = {
		{ 0x3a, 0, "cleanly" },	 { 0x3a, 3, "errors" },	   { 0x60, 0x2c6, "cleanly" },
		{ 0x60, 0x2c3, "mount" }, { 0x18, 7, "damaged" },   { 0xc, 17, "damaged" },
		{ 0x4, 17, "truncated" }, { 0x28, 0, "damaged" },   { 0x10, 65, "damaged" },
	};
	unsigned char image[16384] = { 0 };
	struct ext4_facts facts;

	(void)state;
	make_super(image);
	assert_true(ext4_is(image, sizeof(image)));
	assert_null(copy_of(image, sizeof(image), &facts));
	assert_int_equal(facts.size_bytes, 16384);
	assert_int_equal(facts.used_bytes, 12 * 1024);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_FAULT f = NULL;

		make_super(image);
		put16(image + 1024, bad[i].at, bad[i].value);
		f = copy_of(image, sizeof(image), &facts);
		assert_non_null(f);
		if (!strstr(fault_message(f), bad[i].part))
			fail_msg("no '%s' in '%s'", bad[i].part, fault_message(f));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index),	cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_damaged), cmocka_unit_test(test_vault),
		cmocka_unit_test(test_vault_of_tar),
		cmocka_unit_test(test_blob),	cmocka_unit_test(test_rewind),
		cmocka_unit_test(test_ext4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
