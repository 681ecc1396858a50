/* SPDX-License-Identifier: MIT */
/*
 * check.h - is this host fit for virtual machines?  Rows for `banger doctor`.
 *
 * A check looks, and adds one row: what was seen and, unless all is well, what to type.  It writes
 * nothing unless report->repair is set; then it may put right what it can undo or what anybody would
 * do next anyway, says so with check_repaired(), and judges what it sees afterwards.
 *
 * Everything of /proc, /sys, /dev and /etc is read through host/sysroot.h, so the checks can be run on
 * dumps of other machines.  What only a live kernel can answer is left out on a dump.
 */
#ifndef BANGER_HOST_CHECK_H
#define BANGER_HOST_CHECK_H

#include <stdbool.h>

#include "base/json.h"

/* Each ends the row of the check that runs; what to type may be NULL. */
struct check_row {
	char *name;    /* "kvm" */
	char *verdict; /* "pass", "warn", "fail" */
	char *seen;    /* one sentence, no final full stop */
	char *remedy;  /* what to type, or NULL */
	char *repaired; /* what was changed just now, or NULL */
};
extern const struct record_type check_row_type;

struct check_report {
	struct records rows; /* of struct check_row */
	const char *name;    /* of the check that runs */
	bool repair;	     /* --fix */
	bool root;	     /* for root's machines: they use more of the kernel */
	char *repaired;	     /* for the next row; owned */
};
void check_report_release(struct check_report *r);

/* Machines run without this being looked at; all is well; it could be better; nothing will run. */
void check_pass(struct check_report *r, const char *fmt, ...) PRINTF(2, 3);
void check_warn(struct check_report *r, const char *remedy, const char *fmt, ...) PRINTF(3, 4);
void check_fail(struct check_report *r, const char *remedy, const char *fmt, ...) PRINTF(3, 4);
/* check_fault() - a row from a fault: its message and its hint. */
void check_fault(struct check_report *r, bool fatal, const struct fault *f);
/* check_repaired() - what was put right: goes with the next row. */
void check_repaired(struct check_report *r, const char *fmt, ...) PRINTF(2, 3);
/* How many rows have verdict @verdict. */
size_t check_count(const struct check_report *r, const char *verdict);

/* What several checks ask. */
enum check_module { MODULE_LOADED, MODULE_LOADABLE, MODULE_ABSENT };
enum check_module check_module(const char *name);
/* check_load_module() - modprobe; false when it did not work. */
bool check_load_module(struct check_report *r, const char *name);
/* First line of @path without its newline; "" when it cannot be read.  Owned. */
char *check_line(const char *path);
/* Version of the running kernel as 100 * major + minor; 0 when unknown. */
unsigned int check_kernel_version(void);
/* Is @flag in the first line of /proc/cpuinfo that lists flags?  x86 only. */
bool check_cpu_flag(const char *flag);
/* OCI name of the host's architecture, not of the program's: "amd64", "arm64", or the kernel's own
 * word for another one.  Owned. */
char *check_arch(void);

/* The checks themselves. */
void check_architecture(struct check_report *r);
void check_kernel(struct check_report *r);
void check_kvm(struct check_report *r);
void check_nested(struct check_report *r);
void check_clock(struct check_report *r);
void check_device_mapper(struct check_report *r);
void check_loop(struct check_report *r);
void check_tun(struct check_report *r);
void check_forwarding(struct check_report *r);
void check_cgroups(struct check_report *r);
void check_favordynmods(struct check_report *r);
void check_subordinate_ids(struct check_report *r);
void check_names(struct check_report *r);

#endif
