/* SPDX-License-Identifier: MIT */
/*
 * report.h - what the agent tells of its machine: one JSON record on standard output of the built-ins
 * "stats" and "ports".  Compiled into the agent, which writes them, and into the host, which takes
 * nothing in them for true.
 */
#ifndef BANGER_GUEST_REPORT_H
#define BANGER_GUEST_REPORT_H

#include "base/json.h"

#define REPORT_LISTENERS_MAX 512
#define REPORT_NAME_MAX	     64

struct guest_stats {
	struct maybe memory_total_bytes, memory_available_bytes, swap_used_bytes;
	struct maybe load_percent; /* of the last minute; 100 = one task at a time */
	struct maybe uptime_s;
	struct maybe cpu_ms;	/* all CPUs, user and system */
	struct maybe processes;
	struct maybe root_total_bytes, root_available_bytes; /* of the file systems */
	struct maybe work_total_bytes, work_available_bytes;
	struct maybe rx_bytes, tx_bytes; /* all interfaces but the loopback */
};

struct guest_listener {
	char *protocol; /* "tcp", "udp" */
	char *address;	/* numeric */
	uint64_t family; /* 4, 6 */
	uint64_t port;
	uint64_t pid;  /* 0 = not known */
	char *process; /* NULL = not known */
	char *user;    /* name or number */
};

struct guest_ports {
	struct records listeners; /* struct guest_listener */
	bool truncated;		  /* there were more */
};

extern const struct record_type guest_stats_type, guest_listener_type, guest_ports_type;

#endif
