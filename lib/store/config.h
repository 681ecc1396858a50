/* SPDX-License-Identifier: MIT */
/*
 * config.h - settings: built-in or host-derived defaults, then /etc/banger/banger.conf, then
 * $XDG_CONFIG_HOME/banger/banger.conf, then BANGER_<KEY>, later ones winning.  Flags of a command
 * win over all of them and are not known here.  ini syntax (inih); an unknown section or key is an
 * error with file and line.
 *
 * A new setting is one row of the table in config.c and one member here.
 */
#ifndef BANGER_STORE_CONFIG_H
#define BANGER_STORE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"

#define CONFIG_SYSTEM_FILE "/etc/banger/banger.conf"

/* Every setting by name, so that commands read fields and `banger config` can walk a table. */
struct config {
	char *default_image;	       /* "debian-bookworm" */
	char *default_kernel;	       /* "debian-12" */
	char *ssh_key_path;	       /* "auto", absolute, or "~/..." */
	char *vmm;		       /* "auto", "firecracker", "qemu" */
	char *firecracker_bin;	       /* program name or absolute path */
	char *jailer_enabled;	       /* "yes", "no" */
	char *jailer_bin;	       /* program name or absolute path */
	char *net;		       /* "auto", "user", "bridge", "none" */
	char *nat;		       /* "yes", "no" */
	char *bridge;		       /* name of the interface */
	char *subnet;		       /* "172.30.0.1/24": the host's address in it */
	char *nft_bin;		       /* program name or absolute path */
	uint64_t tap_pool_size;
	char *qemu_bin;		       /* program name or absolute path */
	uint64_t vcpu;		       /* [vm_defaults] */
	uint64_t memory_bytes;
	uint64_t disk_size_bytes;      /* work disk */
	uint64_t system_overlay_bytes; /* root disk of a VM */
	struct records file_sync;      /* of struct file_sync */
	char *auto_watch;	       /* "yes", "no" */
	char *watch_dns;	       /* "yes", "no" */
	uint64_t watch_dns_port;       /* 0 = any */
	char *watch_interval, *auto_stop_stale_after; /* durations */
	uint64_t idle_cpu_percent, idle_io_bytes, idle_net_bytes; /* thresholds; bytes a second */
	struct records origins;	       /* of struct config_value, in table order */
};

/* One row of `banger config`. */
struct config_value {
	char *key;    /* "vm_defaults.vcpu" */
	char *value;  /* as text that a configuration file accepts */
	char *origin; /* "built in", "this host (8 CPUs)", "/etc/banger/banger.conf:3", "BANGER_VMM" */
};
extern const struct record_type config_value_type;

/* config_load() - read all sources.  F_INVALID names file, line and key. F_DENIED, F_SYS. */
struct fault *config_load(struct config *config) MUST_CHECK;
void config_release(struct config *config);

/* The row of @key, borrowed; NULL when there is no such setting. */
const struct config_value *config_find(const struct config *config, const char *key);

/* config_is_preset() - has nobody set @key, so that its value is built in or comes from this host? */
bool config_is_preset(const struct config *config, const char *key);

/* What is known about a setting without reading anything, for manual and completion. */
struct setting_info {
	const char *key;
	const char *environment; /* variable that sets it */
	const char *help;	 /* one line, no final full stop */
	const char *preset;	 /* the default in words */
	const char *words;	 /* the allowed values, blank-separated; NULL = any */
};
/* config_setting() - the @i-th setting; false after the last one. */
bool config_setting(size_t i, struct setting_info *info);
/* The key nearest to @typed, or NULL when none is close.  Static. */
const char *config_nearest(const char *typed);

/*
 * The parts of config_load(), for tests: the defaults, then one file (a missing one is fine), then
 * the environment.
 */
void config_defaults(struct config *config, unsigned int cpus, uint64_t memory_bytes);
struct fault *config_read_text(struct config *config, const char *text, size_t len,
			       const char *name) MUST_CHECK;
struct fault *config_read_file(struct config *config, const char *path) MUST_CHECK;
struct fault *config_read_environment(struct config *config) MUST_CHECK;

#endif
