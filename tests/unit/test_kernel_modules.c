/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/archive_reader.h"
#include "base/file.h"
#include "guest/seed.h"
#include "kernel/features.h"
#include "kernel/initrd.h"
#include "kernel/modules.h"

#define RELEASE "6.1.0-99-test"
#define KO	"\177ELF....vermagic=" RELEASE " SMP mod_unload "

struct world {
	char path[64];
	int tree;
};

static int make_world(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	snprintf(w->path, sizeof(w->path), "/tmp/banger-modules-XXXXXX");
	assert_non_null(mkdtemp(w->path));
	assert_null(dir_open(AT_FDCWD, w->path, &w->tree));
	*state = w;
	return 0;
}

static int drop_world(void **state)
{
	struct world *w = *state;

	close(w->tree);
	assert_null(tree_remove(AT_FDCWD, w->path));
	free(w);
	return 0;
}

static void put(const struct world *w, const char *name, const char *text)
{
	assert_null(file_write_atomic(w->tree, name, text, strlen(text), 0644));
}

static void expect_order(const struct world *w, const char *const *wanted, size_t n,
			 const char *joined)
{
	AUTO_MODULE_INDEX index = NULL;
	struct strings paths = { 0 };
	AUTO_BUF got = BUF_INIT;

	assert_null(module_index_read(w->tree, &index));
	assert_null(module_order(index, wanted, n, &paths));
	for (size_t i = 0; i < paths.n; i++)
		buf_addf(&got, "%s%s", i ? " " : "", paths.v[i]);
	assert_string_equal(got.data, joined);
	strings_release(&paths);
}

static void test_names(void **state)
{
	static const struct {
		const char *path, *name;
	} cases[] = {
		{ "kernel/drivers/char/hw_random/virtio-rng.ko", "virtio_rng" },
		{ "a.ko.xz", "a" }, { "x/b_c-d.ko.zst", "b_c_d" }, { "plain", "plain" }, { "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_FREE char *name = module_name(cases[i].path);

		assert_string_equal(name, cases[i].name);
	}
}

static void test_order(void **state)
{
	static const char *const wanted[] = { "absent", "virtio-blk", "b", "virtio_blk" };

	put(*state, "modules.dep",
	    "k/virtio_blk.ko: k/virtio_ring.ko k/virtio.ko\n"
	    "k/virtio.ko: k/virtio_ring.ko\n"
	    "k/virtio_ring.ko:\n"
	    "b.ko.xz:\n"
	    "unwanted.ko: b.ko.xz\n");
	expect_order(*state, wanted, ARRAY_LEN(wanted),
		     "k/virtio_ring.ko k/virtio.ko k/virtio_blk.ko b.ko.xz");
}

static void test_ring_ends(void **state)
{
	static const char *const wanted[] = { "a" };

	put(*state, "modules.dep", "a.ko: b.ko\nb.ko: a.ko\n");
	expect_order(*state, wanted, 1, "b.ko a.ko");
}

static void expect_bad_index(const struct world *w, const char *dep)
{
	struct module_index *index = NULL;

	put(w, "modules.dep", dep);

	AUTO_FAULT f = module_index_read(w->tree, &index);

	assert_int_equal(fault_kind(f), F_CORRUPT);
	assert_null(index);
}

static void test_bad_index(void **state)
{
	static const char *const wanted[] = { "a" };
	struct module_index *absent = NULL;
	AUTO_FAULT none = module_index_read(((struct world *)*state)->tree, &absent);
	AUTO_MODULE_INDEX index = NULL;
	struct strings paths = { 0 };

	assert_int_equal(fault_kind(none), F_NOT_FOUND);
	expect_bad_index(*state, "no colon\n");
	expect_bad_index(*state, "../../etc/passwd:\n");
	expect_bad_index(*state, "/etc/passwd:\n");
	expect_bad_index(*state, ":\n");
	put(*state, "modules.dep", "a.ko: gone.ko\n");
	assert_null(module_index_read(((struct world *)*state)->tree, &index));

	AUTO_FAULT f = module_order(index, wanted, 1, &paths);

	assert_int_equal(fault_kind(f), F_CORRUPT);
	assert_null(paths.v);
}

static void test_long_chain(void **state)
{
	static const char *const wanted[] = { "m0" };
	AUTO_BUF dep = BUF_INIT;
	AUTO_MODULE_INDEX index = NULL;
	struct strings paths = { 0 };

	for (int i = 0; i < 90000; i++)
		buf_addf(&dep, "m%d.ko: m%d.ko\n", i, i + 1);
	put(*state, "modules.dep", dep.data);
	assert_null(module_index_read(((struct world *)*state)->tree, &index));

	AUTO_FAULT f = module_order(index, wanted, 1, &paths);

	assert_int_equal(fault_kind(f), F_CORRUPT);
}

/* -------------------------------------------------------------------------------- features */

#define CONFIG_REST                                                                                \
	"CONFIG_BLK_DEV_INITRD=y\nCONFIG_DEVTMPFS=y\nCONFIG_TMPFS=y\nCONFIG_PROC_FS=y\n"           \
	"CONFIG_SYSFS=y\nCONFIG_UNIX98_PTYS=y\nCONFIG_BINFMT_ELF=y\nCONFIG_BINFMT_SCRIPT=y\n"      \
	"CONFIG_UNIX=y\nCONFIG_INET=y\n"

static void test_config_complete(void **state)
{
	(void)state;
	assert_null(features_check("CONFIG_VIRTIO_MMIO=y\nCONFIG_VIRTIO_BLK=y\nCONFIG_VIRTIO_NET=y\n"
				   "CONFIG_VIRTIO_VSOCKETS=y\nCONFIG_EXT4_FS=y\n"
				   "CONFIG_SERIAL_8250_CONSOLE=y\n" CONFIG_REST, NULL, "kernel x"));
}

static void test_config_names_all(void **state)
{
	AUTO_FAULT f = features_check("# CONFIG_VIRTIO_PCI is not set\nXCONFIG_EXT4_FS=y\n"
				      "CONFIG_VIRTIO_BLK=m\nCONFIG_VIRTIO_NET=y\n"
				      "CONFIG_SERIAL_8250_CONSOLE=m\nCONFIG_VIRTIO_CONSOLE=y\n"
				      CONFIG_REST, NULL, "kernel x");

	(void)state;
	assert_int_equal(fault_kind(f), F_UNSUPPORTED);
	assert_string_equal(fault_message(f),
			    "kernel x lacks what a VM needs: CONFIG_VIRTIO_PCI or "
			    "CONFIG_VIRTIO_MMIO, CONFIG_VIRTIO_BLK, CONFIG_EXT4_FS, "
			    "CONFIG_SERIAL_8250_CONSOLE or CONFIG_SERIAL_AMBA_PL011_CONSOLE");
}

static void test_tree_alone(void **state)
{
	AUTO_MODULE_INDEX index = NULL;

	put(*state, "modules.dep", "virtio-pci.ko:\nvirtio_blk.ko.xz:\nvirtio_console.ko:\n");
	put(*state, "modules.builtin", "kernel/fs/ext4/ext4.ko\nkernel/d/8250.ko\n"
	    "kernel/net/unix/unix.ko\nkernel/fs/binfmt_script.ko\n");
	assert_null(module_index_read(((struct world *)*state)->tree, &index));
	assert_true(module_is_builtin(index, "8250"));
	assert_false(module_is_builtin(index, "virtio_pci"));
	assert_true(module_is_loadable(index, "virtio_pci"));

	AUTO_FAULT f = features_check(NULL, index, "kernel x");

	assert_string_equal(fault_message(f), "kernel x lacks what a VM needs: CONFIG_VIRTIO_NET");
	AUTO_FAULT nothing = features_check(NULL, NULL, "kernel x");

	assert_int_equal(fault_kind(nothing), F_INVALID);
}

/* ---------------------------------------------------------------------------------- initrd */

struct bytes {
	const struct buf *b;
	bool given;
};

static struct fault *give(void *context, const void **data, size_t *len)
{
	struct bytes *s = context;

	*data = s->b->data;
	*len = s->given ? 0 : s->b->len;
	s->given = true;
	return NULL;
}

/* Every entry of @archive as "path|content". */
static void list(const struct buf *archive, struct buf *out)
{
	struct bytes bytes = { archive, false };
	struct archive_source source = { give, &bytes };
	struct archive_reader *r;
	struct archive_item item;
	bool end;

	assert_null(archive_reader_open(&source, ARCHIVE_CPIO, "initrd", &r));
	for (;;) {
		const void *data;
		uint64_t offset;
		size_t len;

		assert_null(archive_reader_next(r, &item, &end));
		if (end)
			break;
		assert_int_equal(item.uid, 0);
		buf_addf(out, "[%s|", item.path);
		do {
			assert_null(archive_reader_data(r, &data, &len, &offset));
			buf_add(out, data, len);
		} while (len);
		buf_addc(out, ']');
	}
	archive_reader_free(r);
}

static void test_initrd(void **state)
{
	struct world *w = *state;
	AUTO_MODULE_INDEX index = NULL;
	AUTO_BUF archive = BUF_INIT;
	AUTO_BUF got = BUF_INIT;
	struct strings names = { 0 };

	put(w, "modules.dep", "virtio-rng.ko: rng-core.ko\nrng-core.ko:\nvirtio_blk.ko:\nusb.ko:\n");
	put(w, "virtio-rng.ko", KO "1");
	put(w, "rng-core.ko", KO "2");
	put(w, "virtio_blk.ko", KO "3");
	assert_null(module_index_read(w->tree, &index));
	assert_null(initrd_build(w->tree, index, RELEASE, &archive, &names));
	assert_int_equal(archive.len % 512, 0);
	list(&archive, &got);
	assert_string_equal(got.data,
			    "[modules|][modules/virtio_blk.ko|" KO "3][modules/rng_core.ko|" KO "2]"
			    "[modules/virtio_rng.ko|" KO "1][banger|][" SEED_MODULES_LIST
			    "|/modules/virtio_blk.ko\n/modules/rng_core.ko\n"
			    "/modules/virtio_rng.ko\n]");
	assert_int_equal(names.n, 3);
	assert_string_equal(names.v[1], "rng_core");
	strings_release(&names);
}

static void test_initrd_without_modules(void **state)
{
	AUTO_BUF archive = BUF_INIT;
	AUTO_BUF got = BUF_INIT;
	struct strings names = { 0 };

	(void)state;
	assert_null(initrd_build(-1, NULL, RELEASE, &archive, &names));
	list(&archive, &got);
	assert_string_equal(got.data, "[modules|][banger|][" SEED_MODULES_LIST "|]");
	assert_int_equal(names.n, 0);
}

static void expect_bad_initrd(const struct world *w, enum fault_kind kind)
{
	AUTO_MODULE_INDEX index = NULL;
	AUTO_BUF archive = BUF_INIT;
	struct strings names = { 0 };

	assert_null(module_index_read(w->tree, &index));

	AUTO_FAULT f = initrd_build(w->tree, index, RELEASE, &archive, &names);

	assert_non_null(f);
	assert_int_equal(fault_kind(f), kind);
	assert_null(names.v);
}

static void test_initrd_refuses(void **state)
{
	struct world *w = *state;

	put(w, "modules.dep", "virtio_blk.ko:\n");
	expect_bad_initrd(w, F_SYS); /* not there */
	put(w, "virtio_blk.ko", "no ELF file");
	expect_bad_initrd(w, F_CORRUPT);
	put(w, "virtio_blk.ko", "\177ELF vermagic=6.1.0-99-test2 SMP");
	expect_bad_initrd(w, F_INVALID);
	put(w, "virtio_blk.ko", "\177ELF vermagic=6.1.0-9");
	expect_bad_initrd(w, F_INVALID);
	assert_int_equal(unlinkat(w->tree, "virtio_blk.ko", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", w->tree, "virtio_blk.ko"), 0);
	expect_bad_initrd(w, F_SYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test_setup_teardown(test_order, make_world, drop_world),
		cmocka_unit_test_setup_teardown(test_ring_ends, make_world, drop_world),
		cmocka_unit_test_setup_teardown(test_bad_index, make_world, drop_world),
		cmocka_unit_test_setup_teardown(test_long_chain, make_world, drop_world),
		cmocka_unit_test(test_config_complete),
		cmocka_unit_test(test_config_names_all),
		cmocka_unit_test_setup_teardown(test_tree_alone, make_world, drop_world),
		cmocka_unit_test_setup_teardown(test_initrd, make_world, drop_world),
		cmocka_unit_test(test_initrd_without_modules),
		cmocka_unit_test_setup_teardown(test_initrd_refuses, make_world, drop_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
