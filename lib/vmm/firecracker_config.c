/* SPDX-License-Identifier: MIT */
#include "vmm/firecracker_config.h"

#include "base/text.h"

#define SET_MS	 10000
#define START_MS 60000

/*
 * Quiet, as every character is an exit of the virtual CPU; no search for keyboards and mice behind
 * the keyboard controller, which is there for the reset (reboot=k) and Ctrl-Alt-Del only.  Never
 * "nomodule", which Firecracker's own arguments have.
 */
#define BOOT_ARGS                                                                                  \
	"console=ttyS0 quiet reboot=k panic=-1 8250.nr_uarts=1 i8042.noaux i8042.nomux i8042.dumbkbd "              \
	"cryptomgr.notests random.trust_cpu=on"

static struct fault *put(struct fc_api *api, const char *path, struct buf *body, const char *what,
			 const char *file)
{
	AUTO_FREE char *whole = file ? xasprintf("%s '%s'", what, file) : xstrdup(what);
	struct fault *f;

	buf_addc(body, '}');
	f = fc_api_set(api, "PUT", path, body->data, SET_MS, whole);
	buf_clear(body);
	return f;
}

static void add_key(struct buf *body, const char *key)
{
	buf_addc(body, body->len ? ',' : '{');
	json_add_string(body, key);
	buf_addc(body, ':');
}

static void add_text(struct buf *body, const char *key, const char *value)
{
	add_key(body, key);
	json_add_string(body, value);
}

static void add_number(struct buf *body, const char *key, uint64_t value)
{
	add_key(body, key);
	buf_addf(body, "%llu", (unsigned long long)value);
}

static void add_bool(struct buf *body, const char *key, bool value)
{
	add_key(body, key);
	buf_adds(body, value ? "true" : "false");
}

static struct fault *set_metrics(struct fc_api *api, const struct fc_paths *p)
{
	AUTO_BUF body = BUF_INIT;

	add_text(&body, "metrics_path", p->metrics);
	return put(api, "/metrics", &body, "the metrics file", p->metrics);
}

static struct fault *set_machine(struct fc_api *api, const struct vmm_machine *m,
				 const struct fc_paths *p)
{
	AUTO_BUF body = BUF_INIT;

	add_number(&body, "vcpu_count", m->vcpu);
	add_number(&body, "mem_size_mib", m->memory_bytes / MIB);
	TRY(put(api, "/machine-config", &body, "the CPUs and memory", NULL));
	add_text(&body, "kernel_image_path", p->kernel);
	add_text(&body, "initrd_path", p->initrd);
	add_text(&body, "boot_args", BOOT_ARGS);
	return put(api, "/boot-source", &body, "the kernel and boot archive", p->kernel);
}

/* None is called the root device: that would add a root= that the boot archive does not want. */
static struct fault *set_disk(struct fc_api *api, const struct vmm_disk *disk, const char *file,
			      size_t index)
{
	AUTO_FREE char *id = xasprintf("disk%zu", index);
	AUTO_FREE char *path = xasprintf("/drives/%s", id);
	AUTO_BUF body = BUF_INIT;

	add_text(&body, "drive_id", id);
	add_text(&body, "path_on_host", file);
	add_bool(&body, "is_root_device", false);
	add_bool(&body, "is_read_only", disk->read_only);
	add_text(&body, "cache_type", "Writeback"); /* a guest that flushes means it */
	return put(api, path, &body, "the disk", disk->path);
}

static struct fault *set_devices(struct fc_api *api, const struct vmm_machine *m,
				 const struct fc_paths *p)
{
	AUTO_BUF body = BUF_INIT;

	for (size_t i = 0; i < m->n_disks; i++)
		TRY(set_disk(api, &m->disks[i], p->disks[i], i));
	if (m->net.kind == VMM_NET_TAP) {
		add_text(&body, "iface_id", "net0");
		add_text(&body, "host_dev_name", m->net.tap);
		add_text(&body, "guest_mac", m->net.mac);
		TRY(put(api, "/network-interfaces/net0", &body, "the network interface",
			m->net.tap));
	}
	add_number(&body, "guest_cid", FC_GUEST_CID);
	add_text(&body, "uds_path", p->vsock);
	TRY(put(api, "/vsock", &body, "the agent's socket", p->vsock));
	buf_addc(&body, '{');
	return put(api, "/entropy", &body, "the source of entropy", NULL);
}

struct fault *fc_configure(struct fc_api *api, const struct vmm_machine *m,
			   const struct fc_paths *p)
{
	TRY(set_metrics(api, p));
	TRY(set_machine(api, m, p));
	TRY(set_devices(api, m, p));
	return fc_api_set(api, "PUT", "/actions", "{\"action_type\":\"InstanceStart\"}", START_MS,
			  "to start the guest");
}
