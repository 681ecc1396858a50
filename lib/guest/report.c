/* SPDX-License-Identifier: MIT */
#include "guest/report.h"

#define S(member) FIELD(struct guest_stats, member, FIELD_MAYBE)
static const struct field stats_fields[] = {
	S(memory_total_bytes), S(memory_available_bytes), S(swap_used_bytes),
	S(load_percent),       S(uptime_s),		  S(cpu_ms),
	S(processes),	       S(root_total_bytes),	  S(root_available_bytes),
	S(work_total_bytes),   S(work_available_bytes),	  S(rx_bytes),
	S(tx_bytes),
};
const struct record_type guest_stats_type = {
	"guest's numbers", sizeof(struct guest_stats), stats_fields, ARRAY_LEN(stats_fields), 0,
};

#define L(member, kind, limit) \
	{ #member, kind, offsetof(struct guest_listener, member), false, limit, NULL }
static const struct field listener_fields[] = {
	L(protocol, FIELD_STRING, 8),	      L(address, FIELD_STRING, REPORT_NAME_MAX),
	L(family, FIELD_U64, 6),	      L(port, FIELD_U64, 65535),
	L(pid, FIELD_U64, INT32_MAX),	      L(process, FIELD_STRING, REPORT_NAME_MAX),
	L(user, FIELD_STRING, REPORT_NAME_MAX),
};
const struct record_type guest_listener_type = {
	"listener", sizeof(struct guest_listener), listener_fields, ARRAY_LEN(listener_fields), 0,
};

static const struct field ports_fields[] = {
	FIELD_SUB(struct guest_ports, listeners, FIELD_RECORDS, &guest_listener_type),
	FIELD(struct guest_ports, truncated, FIELD_BOOL),
};
const struct record_type guest_ports_type = {
	"guest's listeners", sizeof(struct guest_ports), ports_fields, ARRAY_LEN(ports_fields), 0,
};
