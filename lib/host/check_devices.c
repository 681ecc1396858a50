/* SPDX-License-Identifier: MIT */
/* check_devices.c - what root's machines are made of: device mapper, loop and tun devices. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "host/check.h"
#include "host/sysroot.h"

struct device {
	const char *node;
	const char *modules[2]; /* the second one may be NULL */
	const char *without;	/* what is the case without it */
};

static bool is_node(const char *path)
{
	AUTO_FREE char *real = sysroot_path(path);
	struct stat st;

	/* In a dump a plain file stands for the device. */
	return !stat(real, &st) && (sysroot_is_dump() || S_ISCHR(st.st_mode));
}

static bool may_use(const char *path)
{
	AUTO_FREE char *real = sysroot_path(path);

	return !access(real, R_OK | W_OK);
}

/* The first module that is not loaded; NULL when all are. */
static const char *missing_module(const struct device *d, enum check_module *state)
{
	for (size_t i = 0; i < ARRAY_LEN(d->modules) && d->modules[i]; i++) {
		*state = check_module(d->modules[i]);
		if (*state != MODULE_LOADED)
			return d->modules[i];
	}
	return NULL;
}

static void check_device(struct check_report *r, const struct device *d)
{
	AUTO_FREE char *remedy = NULL;
	enum check_module state = MODULE_LOADED;
	const char *module;

	if (!r->root) {
		check_pass(r, "not needed by an ordinary user's machines");
		return;
	}
	module = missing_module(d, &state);
	if (module && r->repair && state == MODULE_LOADABLE && check_load_module(r, module))
		module = missing_module(d, &state);
	if (is_node(d->node) && may_use(d->node)) {
		/* The kernel loads a module by itself when its device is opened. */
		check_pass(r, "%s%s", d->node,
			   module && state == MODULE_LOADABLE ? ", loaded when it is first used" : "");
	} else if (is_node(d->node)) {
		check_warn(r, NULL, "%s is there but may not be used, so %s", d->node, d->without);
	} else if (module && state == MODULE_LOADABLE) {
		remedy = xasprintf("sudo modprobe %s", module);
		check_warn(r, remedy, "%s is not there, because module %s is not loaded, so %s", d->node,
			   module, d->without);
	} else {
		check_warn(r, NULL, "this kernel has no %s%s%s, so %s", d->node, module ? " and no module " : "",
			   module ? module : "", d->without);
	}
}

void check_device_mapper(struct check_report *r)
{
	check_device(r, &(struct device){ "/dev/mapper/control", { "dm_mod", "dm_snapshot" },
					  "root disks are overlays or copies instead of snapshots" });
}

void check_loop(struct check_report *r)
{
	check_device(r, &(struct device){ "/dev/loop-control", { "loop" },
					  "root disks are overlays or copies instead of snapshots" });
}

void check_tun(struct check_report *r)
{
	check_device(r, &(struct device){ "/dev/net/tun", { "tun" },
					  "machines can have no interface on a bridge" });
}
