/* SPDX-License-Identifier: MIT */
#include "guest/seed.h"

/* The longest string that execve() takes (MAX_ARG_STRLEN). */
#define ARG_MAX_BYTES (128 * 1024)

static const struct field net_fields[] = {
	FIELD(struct seed_net, mac, FIELD_STRING),
	FIELD(struct seed_net, address, FIELD_STRING),
	FIELD_MAX(struct seed_net, prefix, FIELD_U64, 32),
	FIELD(struct seed_net, gateway, FIELD_STRING),
	FIELD(struct seed_net, dns, FIELD_STRINGS),
	FIELD(struct seed_net, peers, FIELD_STRINGS),
};

static const struct record_type net_type = {
	"net", sizeof(struct seed_net), net_fields, ARRAY_LEN(net_fields), 0,
};

static const struct field seed_fields[] = {
	FIELD_MAX(struct seed, hostname, FIELD_STRING, 63),
	FIELD(struct seed, vm_id, FIELD_STRING),
	FIELD(struct seed, machine_id, FIELD_STRING),
	FIELD_REQ(struct seed, root_disk, FIELD_STRING),
	FIELD(struct seed, work_disk, FIELD_STRING),
	FIELD(struct seed, modules_disk, FIELD_STRING),
	FIELD(struct seed, kernel_release, FIELD_STRING),
	FIELD_REQ(struct seed, channel, FIELD_STRING),
	FIELD_SUB(struct seed, net, FIELD_RECORD, &net_type),
	FIELD_MAX(struct seed, env, FIELD_STRINGS, ARG_MAX_BYTES),
	FIELD(struct seed, working_dir, FIELD_STRING),
	FIELD(struct seed, run_entrypoint, FIELD_BOOL),
	FIELD_MAX(struct seed, entrypoint, FIELD_STRINGS, ARG_MAX_BYTES),
	FIELD(struct seed, entrypoint_user, FIELD_STRING),
	FIELD(struct seed, ssh_host_key, FIELD_STRING),
	FIELD(struct seed, operation, FIELD_STRING),
	FIELD(struct seed, time_ns, FIELD_U64),
};

const struct record_type seed_type = {
	SEED_FILE, sizeof(struct seed), seed_fields, ARRAY_LEN(seed_fields), 1,
};
