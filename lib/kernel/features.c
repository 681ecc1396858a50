/* SPDX-License-Identifier: MIT */
#include "kernel/features.h"

#include <string.h>

#include "kernel/bzimage.h"
#include "kernel/parts.h"
#include "kernel/unpack.h"

/* One way to fulfil a requirement. */
struct choice {
	const char *option; /* without CONFIG_; NULL ends the list */
	const char *module; /* as which a module tree lists it; NULL = never listed */
	bool as_module;	    /* a loadable module will do, because initrd.img brings it */
};

#define CHOICES_MAX 3

static const struct choice requirements[][CHOICES_MAX] = {
	{ { "VIRTIO_PCI", "virtio_pci", true }, { "VIRTIO_MMIO", "virtio_mmio", true } },
	{ { "VIRTIO_BLK", "virtio_blk", true } },
	{ { "VIRTIO_NET", "virtio_net", true } },
	{ { "VIRTIO_CONSOLE", "virtio_console", true },
	  { "VIRTIO_VSOCKETS", "vmw_vsock_virtio_transport", true } },
	{ { "EXT4_FS", "ext4", true } },
	{ { "SERIAL_8250_CONSOLE", "8250", false },
	  { "SERIAL_AMBA_PL011_CONSOLE", "amba_pl011", false } },
	{ { "BLK_DEV_INITRD", NULL, false } },
	{ { "DEVTMPFS", NULL, false } },
	{ { "TMPFS", NULL, false } },
	{ { "PROC_FS", NULL, false } },
	{ { "SYSFS", NULL, false } },
	{ { "UNIX98_PTYS", NULL, false } },
	{ { "BINFMT_ELF", NULL, false } },
	{ { "BINFMT_SCRIPT", "binfmt_script", false } },
	{ { "UNIX", "unix", false } },
	{ { "INET", NULL, false } },
};

/* 'y', 'm' or 'n': the value of CONFIG_@option in @config. */
static char option_value(const char *config, const char *option)
{
	AUTO_FREE char *key = xasprintf("CONFIG_%s=", option);
	size_t len = strlen(key);

	for (const char *at = config; (at = strstr(at, key)); at += len)
		if (at == config || at[-1] == '\n')
			return at[len] == 'y' || at[len] == 'm' ? at[len] : 'n';
	return 'n';
}

static bool fulfilled(const struct choice *c, const char *config, const struct module_index *index)
{
	bool loadable = c->as_module && c->module && index && module_is_loadable(index, c->module);
	char value;

	if (!config)
		return !c->module || loadable || module_is_builtin(index, c->module);
	value = option_value(config, c->option);
	return value == 'y' || (value == 'm' && loadable);
}

static bool any_fulfilled(const struct choice *choices, const char *config,
			  const struct module_index *index)
{
	for (size_t i = 0; i < CHOICES_MAX && choices[i].option; i++)
		if (fulfilled(&choices[i], config, index))
			return true;
	return false;
}

static void add_missing(struct buf *missing, const struct choice *choices)
{
	for (size_t i = 0; i < CHOICES_MAX && choices[i].option; i++)
		buf_addf(missing, "%sCONFIG_%s", i ? " or " : missing->len ? ", " : "",
			 choices[i].option);
}

struct fault *features_check(const char *config, const struct module_index *index, const char *what)
{
	AUTO_BUF missing = BUF_INIT;

	if (!config && !index)
		return fault_hint(fault_new(F_INVALID, "nothing tells what %s can do: it has neither "
					    "a configuration nor modules", what),
				  "Name its modules with --modules, or put its config-<release> "
				  "beside it.");
	for (size_t i = 0; i < ARRAY_LEN(requirements); i++)
		if (!any_fulfilled(requirements[i], config, index))
			add_missing(&missing, requirements[i]);
	if (!missing.len)
		return NULL;
	return fault_hint(fault_new(F_UNSUPPORTED, "%s lacks what a VM needs: %s", what,
				    missing.data),
			  "An option that is set to 'm' needs its module in the module tree.");
}

/* The mark of kernel/configs.c and the first bytes of the gzip stream behind it. */
static const char mark[] = "IKCFG_ST\x1f\x8b\x08";

struct fault *features_embedded_config(int vmlinux, const char *what, struct buf *config,
				       bool *found)
{
	uint64_t at;

	TRY(vmlinux_find(vmlinux, what, mark, sizeof(mark) - 1, 0, &at, found));
	if (!*found)
		return NULL;
	if (lseek(vmlinux, (off_t)at + 8, SEEK_SET) < 0)
		return fault_sys(F_SYS, "reading %s", what);
	return fault_wrap(unpack_fd(vmlinux, KERNEL_CONFIG_BYTES_MAX, what, config),
			  "the configuration in the kernel");
}
