/* SPDX-License-Identifier: MIT */
/*
 * seed.h - what a VM is told at every start.
 *
 * The seed is a JSON record, "banger/seed.json" inside a small cpio archive that follows the
 * kernel's initrd.img and also carries the agent as "init" and files to place.  The host writes it,
 * /init reads it.  This file is compiled into both.
 */
#ifndef BANGER_GUEST_SEED_H
#define BANGER_GUEST_SEED_H

#include "base/json.h"

#define SEED_FILE "banger/seed.json"
/* The list of modules in the kernel's initrd.img: one path per line, in load order. */
#define SEED_MODULES_LIST "banger/modules.list"

struct seed_net {
	char *mac;	  /* "02:..": which interface; NULL = no network */
	char *address;	  /* IPv4 of the guest */
	uint64_t prefix;  /* length, bits */
	char *gateway;	  /* IPv4; NULL = no default route */
	struct strings dns; /* IPv4 addresses for /etc/resolv.conf */
	struct strings peers; /* "ADDRESS NAME" of VMs that it may talk to, for /etc/hosts */
};

struct seed {
	char *hostname;
	char *vm_id;	     /* 32 hex digits */
	char *machine_id;    /* 32 hex digits for /etc/machine-id; NULL = leave it alone */
	char *root_disk;     /* "serial=banger-root" or "name=vda" */
	char *work_disk;     /* the same form; mounted at /root; NULL = none */
	char *modules_disk;  /* the same form; mounted read-only; NULL = none */
	char *kernel_release; /* the directory under /lib/modules for the modules disk */
	char *channel;	     /* "virtio" (ports banger.0..) or "vsock" */
	struct seed_net net;
	struct strings env;  /* "K=V" for every process that the agent starts: image's, then VM's */
	char *working_dir;   /* image's working directory, default cwd of exec; NULL = home */
	bool run_entrypoint; /* start `entrypoint` as a service when the image has no init */
	struct strings entrypoint; /* argv: the image's entry point and cmd */
	char *entrypoint_user; /* as in image_config; NULL = root */
	char *ssh_host_key;  /* text of a private key for the ssh server; NULL = none */
	char *operation;     /* id of the host's operation that starts it; NULL = not known */
	uint64_t time_ns;    /* wall clock of the host at start, ns since the epoch */
};

extern const struct record_type seed_type;

/* A directory of the boot archive: tar archives for /root, named after their sections. */
#define SEED_SYNC_DIR "banger/sync"

struct seed_archive_file {
	char *name; /* owned; a single component */
	struct buf content;
};
/* seed_files_release() - release records of struct seed_archive_file.  Host side only. */
void seed_files_release(struct records *files);

/*
 * seed_archive() - append the whole per-start archive to @out: the agent as init, the seed, the files
 * for SEED_SYNC_DIR (of struct seed_archive_file; NULL = none), and the directories that they need.  Host
 * side only.
 */
void seed_archive(const struct seed *seed, const struct records *files, struct buf *out);

#endif
