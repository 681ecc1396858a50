/* SPDX-License-Identifier: MIT */
#include "store/vm_record.h"

static const struct field workspace_fields[] = {
	FIELD(struct vm_workspace, source, FIELD_STRING),
	FIELD(struct vm_workspace, guest_path, FIELD_STRING),
	FIELD(struct vm_workspace, mode, FIELD_STRING),
	FIELD(struct vm_workspace, head, FIELD_STRING),
	FIELD(struct vm_workspace, branch, FIELD_STRING),
	FIELD(struct vm_workspace, base, FIELD_STRING),
	FIELD(struct vm_workspace, incoming, FIELD_STRING),
	FIELD(struct vm_workspace, incoming_again, FIELD_BOOL),
	FIELD(struct vm_workspace, prepared, FIELD_STRING),
	FIELD(struct vm_workspace, exported, FIELD_STRING),
	FIELD(struct vm_workspace, settled, FIELD_U64),
	FIELD(struct vm_workspace, untracked, FIELD_BOOL),
	FIELD(struct vm_workspace, no_submodules, FIELD_BOOL),
	FIELD(struct vm_workspace, repository, FIELD_BOOL),
};

static const struct record_type workspace_type = {
	"workspace", sizeof(struct vm_workspace), workspace_fields, ARRAY_LEN(workspace_fields), 0,
};

static const struct field spec_fields[] = {
	FIELD_REQ(struct vm_spec, name, FIELD_STRING),
	FIELD_REQ(struct vm_spec, id, FIELD_STRING),
	FIELD(struct vm_spec, created, FIELD_STRING),
	FIELD_REQ(struct vm_spec, image, FIELD_STRING),
	FIELD(struct vm_spec, image_digest, FIELD_STRING),
	FIELD_REQ(struct vm_spec, kernel, FIELD_STRING),
	FIELD_REQ(struct vm_spec, vcpu, FIELD_U64),
	FIELD_REQ(struct vm_spec, memory_bytes, FIELD_U64),
	FIELD_REQ(struct vm_spec, disk_bytes, FIELD_U64),
	FIELD_REQ(struct vm_spec, system_bytes, FIELD_U64),
	FIELD_REQ(struct vm_spec, net, FIELD_STRING),
	FIELD(struct vm_spec, address, FIELD_STRING),
	FIELD(struct vm_spec, nat, FIELD_BOOL),
	FIELD(struct vm_spec, peers, FIELD_BOOL),
	FIELD(struct vm_spec, vmm, FIELD_STRING),
	FIELD_REQ(struct vm_spec, disk_mode, FIELD_STRING),
	FIELD_MAX(struct vm_spec, env, FIELD_STRINGS, 128 * 1024),
	FIELD(struct vm_spec, ports, FIELD_STRINGS),
	FIELD(struct vm_spec, user, FIELD_STRING),
	FIELD(struct vm_spec, workdir, FIELD_STRING),
	FIELD(struct vm_spec, run_entrypoint, FIELD_BOOL),
	FIELD(struct vm_spec, wanted, FIELD_STRING),
	FIELD_MAX(struct vm_spec, last_error, FIELD_STRING, 64 * 1024),
	FIELD(struct vm_spec, touched, FIELD_STRING),
	FIELD(struct vm_spec, labels, FIELD_STRINGS),
	FIELD(struct vm_spec, auto_stop, FIELD_STRING),
	FIELD(struct vm_spec, ttl, FIELD_STRING),
	FIELD_SUB(struct vm_spec, workspace, FIELD_RECORD, &workspace_type),
	FIELD(struct vm_spec, renamed_from, FIELD_STRING),
	FIELD(struct vm_spec, machine_id, FIELD_STRING),
	FIELD_SUB(struct vm_spec, ephemeral, FIELD_RECORD, &process_id_type),
};

const struct record_type vm_spec_type = {
	"spec", sizeof(struct vm_spec), spec_fields, ARRAY_LEN(spec_fields), 1,
};

static const struct field handles_fields[] = {
	FIELD(struct vm_handles, id, FIELD_STRING),
	FIELD(struct vm_handles, run_dir, FIELD_STRING),
	FIELD_SUB(struct vm_handles, vmm, FIELD_RECORD, &process_id_type),
	FIELD_SUB(struct vm_handles, console, FIELD_RECORD, &process_id_type),
	FIELD(struct vm_handles, driver, FIELD_STRING),
	FIELD(struct vm_handles, accel, FIELD_STRING),
	FIELD(struct vm_handles, started, FIELD_STRING),
	FIELD(struct vm_handles, steps, FIELD_STRINGS),
};

const struct record_type vm_handles_type = {
	"handles", sizeof(struct vm_handles), handles_fields, ARRAY_LEN(handles_fields), 1,
};

static const struct field op_fields[] = {
	FIELD(struct vm_op, id, FIELD_STRING),
	FIELD(struct vm_op, verb, FIELD_STRING),
	FIELD(struct vm_op, stage, FIELD_STRING),
	FIELD(struct vm_op, since, FIELD_STRING),
	FIELD_SUB(struct vm_op, by, FIELD_RECORD, &process_id_type),
};

const struct record_type vm_op_type = {
	"op", sizeof(struct vm_op), op_fields, ARRAY_LEN(op_fields), 1,
};
