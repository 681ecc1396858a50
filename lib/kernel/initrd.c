/* SPDX-License-Identifier: MIT */
#include "kernel/initrd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cpio.h"
#include "guest/seed.h"
#include "kernel/unpack.h"

#define MODULE_BYTES_MAX (32u << 20)

/*
 * What it takes to reach the root disk, the agent, the network and a writable layer, on PCI and on
 * MMIO.  In this order where modules.dep has no opinion; absent ones are built in, or are not
 * needed by that kernel (features.c says what is).
 */
static const char *const wanted[] = {
	"virtio",
	"virtio_ring",
	"virtio_pci_modern_dev",
	"virtio_pci_legacy_dev",
	"virtio_pci",
	"virtio_mmio",
	"virtio_blk",
	"virtio_console",
	"virtio_rng",
	"crc32c_generic", /* ext4 asks the crypto layer for it by name, not by symbol */
	"ext4",
	"overlay",
	"failover",
	"net_failover",
	"virtio_net",
	"vsock",
	"vmw_vsock_virtio_transport_common",
	"vmw_vsock_virtio_transport",
};

/* A module says in its .modinfo section which kernel it is for. */
static struct fault *check_release(const struct buf *module, const char *path, const char *release)
{
	static const char key[] = "vermagic=";
	const char *at = memmem(module->data, module->len, key, strlen(key));
	size_t len = strlen(release), left;

	if (!at)
		return NULL;
	at += strlen(key);
	left = module->len - (size_t)(at - module->data);
	if (left > len && !memcmp(at, release, len) && at[len] == ' ')
		return NULL;
	return fault_new(F_INVALID, "module '%s' is not for kernel %s", path, release);
}

static struct fault *read_module(int tree, const char *path, struct buf *out)
{
	AUTO_FD fd = openat(tree, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return fault_sys(F_SYS, "opening module '%s'", path);
	TRY(unpack_fd(fd, MODULE_BYTES_MAX, path, out));
	if (out->len < 4 || memcmp(out->data, "\177ELF", 4))
		return fault_new(F_CORRUPT, "module '%s' is no ELF file", path);
	return NULL;
}

static struct fault *add_module(int tree, const char *path, const char *release,
				struct buf *archive, struct buf *list, struct strings *names)
{
	AUTO_FREE char *name = module_name(path);
	AUTO_FREE char *entry = xasprintf("modules/%s.ko", name);
	AUTO_BUF module = BUF_INIT;

	TRY(read_module(tree, path, &module));
	TRY(check_release(&module, path, release));
	cpio_add(archive, entry, S_IFREG | 0644, module.data, module.len);
	buf_addf(list, "/%s\n", entry);
	strings_add(names, name);
	return NULL;
}

struct fault *initrd_build(int tree, struct module_index *index, const char *release,
			   struct buf *archive, struct strings *out)
{
	struct strings paths = { 0 }, names = { 0 };
	AUTO_BUF list = BUF_INIT;
	struct fault *f = NULL;

	if (index)
		TRY(module_order(index, wanted, ARRAY_LEN(wanted), &paths));
	cpio_add(archive, "modules", S_IFDIR | 0755, NULL, 0);
	for (size_t i = 0; i < paths.n && !f; i++)
		f = add_module(tree, paths.v[i], release, archive, &list, &names);
	strings_release(&paths);
	if (f) {
		strings_release(&names);
		return f;
	}
	cpio_add(archive, "banger", S_IFDIR | 0755, NULL, 0);
	cpio_add(archive, SEED_MODULES_LIST, S_IFREG | 0644, list.data, list.len);
	cpio_end(archive);
	*out = names;
	return NULL;
}
