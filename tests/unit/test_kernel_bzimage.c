/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/sha256.h"
#include "host/machine.h"
#include "host/spawn.h"
#include "kernel/bzimage.h"
#include "kernel/features.h"

#define PAYLOAD_AT   1024 /* one setup sector behind the boot sector */
#define KERNEL_BYTES (9 * 1024 * 1024 + 12345) /* more than one block of lz4's legacy format */
#define RELEASE	     "6.1.0-99-test"

static int memory_file(const void *data, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_null(file_write_all(fd, data, len, "test"));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void digest_of(int fd, char *hex)
{
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_null(sha256_fd(fd, "test", hex));
}

/* An ELF file that is neither empty nor all of one kind. */
static char *make_kernel(void)
{
	Elf64_Ehdr elf = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			   .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_phnum = 1 };
	char *kernel = xcalloc(1, KERNEL_BYTES);
	uint32_t x = 1;

	for (size_t i = sizeof(elf); i < KERNEL_BYTES; i++) {
		x = x * 1664525 + 1013904223;
		kernel[i] = (char)(i % 4096 < 512 ? x >> 24 : i >> 8);
	}
	memcpy(kernel, &elf, sizeof(elf));
	/* Across a block boundary of the search, after something that only looks like a banner. */
	memcpy(kernel + 100, "Linux version %s", 16);
	memcpy(kernel + 65536 - 9, "Linux version " RELEASE " (x@y)", 34);
	return kernel;
}

static void put32(char *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (char)(value >> 8 * i);
}

/* Wrap @payload as the kernel's build does.  @size: appended unless the format ends in it. */
static void make_bzimage(struct buf *out, const struct buf *payload, bool add_size)
{
	char head[PAYLOAD_AT] = { 0 };
	uint32_t length = (uint32_t)payload->len + (add_size ? 4 : 0);
	char size[4];

	head[0x1f1] = 1;
	head[0x1fe] = 0x55;
	head[0x1ff] = (char)0xaa;
	memcpy(head + 0x202, "HdrS\x0f\x02", 6);
	put32(head + 0x20e, 0x300 - 0x200);
	memcpy(head + 0x300, RELEASE " (x@y) #1", 23);
	put32(head + 0x24c, length);
	buf_add(out, head, sizeof(head));
	buf_add(out, payload->data, payload->len);
	put32(size, KERNEL_BYTES);
	if (add_size)
		buf_add(out, size, 4);
	buf_adds(out, "what follows the payload is not part of it");
}

static bool compress(const char *const *argv, const char *kernel, struct buf *out)
{
	AUTO_FREE char *program = machine_find_program(argv[0]);
	AUTO_FD in = memory_file(kernel, KERNEL_BYTES);
	AUTO_FD to = memory_file("", 0);
	struct spawn s = { SPAWN_INIT, .argv = argv, .deadline_ms = 120000 };

	if (!program)
		return false;
	s.in = in;
	s.out = to;
	assert_null(spawn_run(&s, NULL, 0));
	assert_int_equal(lseek(to, 0, SEEK_SET), 0);
	assert_null(file_read_fd(to, 1u << 28, "compressed", out));
	return true;
}

static void expect_fault(const struct buf *image, uint64_t max, enum fault_kind kind)
{
	AUTO_FD in = memory_file(image->data, image->len);
	AUTO_FD out = memory_file("", 0);
	struct vmlinux info;
	AUTO_FAULT f = bzimage_extract(in, out, "kernel", max, NULL, &info);

	assert_non_null(f);
	assert_int_equal(fault_kind(f), kind);
}

static void check_codec(const char *const *argv, bool add_size)
{
	AUTO_FREE char *kernel = make_kernel();
	AUTO_BUF payload = BUF_INIT;
	AUTO_BUF image = BUF_INIT;
	AUTO_FREE char *release = NULL, *inner = NULL;
	char wanted[65], got[65];
	struct vmlinux info;

	if (!compress(argv, kernel, &payload)) {
		print_message("%s is not installed\n", argv[0]);
		skip();
	}
	make_bzimage(&image, &payload, add_size);

	AUTO_FD plain = memory_file(kernel, KERNEL_BYTES);
	AUTO_FD in = memory_file(image.data, image.len);
	AUTO_FD out = memory_file("", 0);

	assert_null(bzimage_extract(in, out, "kernel", VMLINUX_BYTES_MAX, NULL, &info));
	assert_string_equal(info.arch, "amd64");
	assert_int_equal(info.bytes, KERNEL_BYTES);
	digest_of(plain, wanted);
	digest_of(out, got);
	assert_string_equal(got, wanted);
	assert_null(bzimage_release(in, "kernel", &release));
	assert_string_equal(release, RELEASE);
	assert_null(vmlinux_release(out, "kernel", &inner));
	assert_string_equal(inner, RELEASE);

	expect_fault(&image, KERNEL_BYTES - 1, F_CORRUPT);
	image.data[PAYLOAD_AT + payload.len + (add_size ? 0 : -4)] ^= 1; /* the announced size */
	expect_fault(&image, VMLINUX_BYTES_MAX, F_CORRUPT);
	image.data[PAYLOAD_AT + payload.len + (add_size ? 0 : -4)] ^= 1;
	if (strcmp(argv[0], "lz4")) { /* the legacy frame has no check sum */
		image.data[PAYLOAD_AT + payload.len / 2] ^= 0x55;
		expect_fault(&image, VMLINUX_BYTES_MAX, F_CORRUPT);
	}
	image.len = PAYLOAD_AT + payload.len / 2;
	expect_fault(&image, VMLINUX_BYTES_MAX, F_CORRUPT);
}

#define CODEC_TEST(name, add_size, ...)                                                            \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		static const char *const argv[] = { __VA_ARGS__, NULL };                           \
		(void)state;                                                                       \
		check_codec(argv, add_size);                                                       \
	}

CODEC_TEST(gzip, false, "gzip", "-n", "-c", "-1")
CODEC_TEST(bzip2, true, "bzip2", "-c", "-1")
CODEC_TEST(lzma, true, "xz", "--format=lzma", "-c", "-0")
CODEC_TEST(xz, true, "xz", "--check=crc32", "--x86", "--lzma2=preset=0,dict=1MiB", "-c")
CODEC_TEST(lz4, true, "lz4", "-l", "-c", "-1", "-")
CODEC_TEST(zstd, true, "zstd", "-c", "-1")

static void test_plain_elf(void **state)
{
	AUTO_FREE char *kernel = make_kernel();
	AUTO_FD in = memory_file(kernel, KERNEL_BYTES);
	AUTO_FD out = memory_file("", 0);
	char wanted[65], got[65];
	struct vmlinux info;
	AUTO_FREE char *release = NULL;

	(void)state;
	assert_null(bzimage_extract(in, out, "kernel", VMLINUX_BYTES_MAX, NULL, &info));
	assert_int_equal(info.bytes, KERNEL_BYTES);
	digest_of(in, wanted);
	digest_of(out, got);
	assert_string_equal(got, wanted);
	assert_null(bzimage_release(in, "kernel", &release));
	assert_string_equal(release, RELEASE);
}

static void test_lies(void **state)
{
	AUTO_BUF payload = BUF_INIT;
	AUTO_BUF image = BUF_INIT;
	Elf64_Ehdr elf = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB } };

	(void)state;
	expect_fault(&image, 100, F_CORRUPT); /* empty */
	buf_adds(&image, "#!/bin/sh\n");
	expect_fault(&image, 100, F_CORRUPT);
	buf_clear(&image);
	buf_add(&image, &elf, sizeof(elf));
	expect_fault(&image, 1000, F_UNSUPPORTED); /* 32 bits */
	image.data[EI_CLASS] = ELFCLASS64;
	expect_fault(&image, 1000, F_CORRUPT); /* nothing to load */
	buf_clear(&image);
	buf_add(&payload, "\x89LZO, and some more bytes", 24);
	make_bzimage(&image, &payload, true);
	expect_fault(&image, 1000, F_UNSUPPORTED);
	image.data[PAYLOAD_AT] = 'x';
	expect_fault(&image, 1000, F_CORRUPT);
	put32(image.data + 0x248, 0xffffff00); /* payload_offset */
	expect_fault(&image, 1000, F_CORRUPT);
	put32(image.data + 0x248, 0);
	put32(image.data + 0x24c, 0xffffffff); /* payload_length */
	expect_fault(&image, 1000, F_CORRUPT);
	put32(image.data + 0x24c, 3);
	expect_fault(&image, 1000, F_CORRUPT);
	image.data[0x207] = 1; /* boot protocol 2.08 is the first with a payload */
	expect_fault(&image, 1000, F_UNSUPPORTED);
	image.len = 0x24f;
	expect_fault(&image, 1000, F_CORRUPT);
}

static void test_embedded_config(void **state)
{
	static const char *const argv[] = { "gzip", "-c", NULL };
	AUTO_FREE char *kernel = make_kernel();
	AUTO_BUF packed = BUF_INIT;
	AUTO_BUF config = BUF_INIT;
	bool found = true;

	(void)state;
	AUTO_FD bare = memory_file(kernel, KERNEL_BYTES);

	assert_null(features_embedded_config(bare, "kernel", &config, &found));
	assert_false(found);
	memcpy(kernel, "CONFIG_X=y\n", 11);
	memset(kernel + 11, '#', KERNEL_BYTES - 11);
	assert_true(compress(argv, kernel, &packed));
	memset(kernel, 7, KERNEL_BYTES);
	memcpy(kernel + 131072 - 3, "IKCFG_ST", 8);
	memcpy(kernel + 131072 + 5, packed.data, packed.len);
	memcpy(kernel + 131072 + 5 + packed.len, "IKCFG_ED", 8);

	AUTO_FD fd = memory_file(kernel, KERNEL_BYTES);
	AUTO_FAULT f = features_embedded_config(fd, "kernel", &config, &found);

	assert_int_equal(fault_kind(f), F_CORRUPT); /* 9 MiB of configuration is too much */
	assert_memory_equal(config.data, "CONFIG_X=y\n#", 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gzip),	   cmocka_unit_test(test_bzip2),
		cmocka_unit_test(test_lzma),	   cmocka_unit_test(test_xz),
		cmocka_unit_test(test_lz4),	   cmocka_unit_test(test_zstd),
		cmocka_unit_test(test_plain_elf),  cmocka_unit_test(test_lies),
		cmocka_unit_test(test_embedded_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
