/* SPDX-License-Identifier: MIT */
/*
 * doctor.h - everything that machines need of this host, checked: the rows of `banger doctor`.
 *
 * Reads only, takes no lock, and a part that cannot be looked at is a row that says so.  A state
 * directory that is not there yet is fine; one that cannot be read fails.  Programs that are asked for
 * their version run side by side with the checks.
 */
#ifndef BANGER_VM_DOCTOR_H
#define BANGER_VM_DOCTOR_H

#include "host/check.h"
#include "store/config.h"
#include "store/store.h"

struct doctor {
	const char *state_dir; /* --state-dir, or NULL */
	bool repair;	       /* --fix */
	bool root;	       /* look at what root's machines need, too */
};

/* doctor_run() - all checks.  @report: out, owned: check_report_release(). */
void doctor_run(const struct doctor *d, struct check_report *report);

/* ------------------------------------------------------------ for the checks in lib/vm only */

/* What they look at.  @config has the defaults when it could not be read, and @store nothing. */
struct doctor_scene {
	struct config config;
	struct store store;
	char *state_path; /* the store's, also when it cannot be opened; owned; NULL = nobody knows */
	struct fault *config_fault, *store_fault; /* owned; NULL = read */
	struct doctor_tool *qemu, *firecracker, *jailer, *nft; /* owned; NULL = not there */
};

void doctor_configuration(struct check_report *r, struct doctor_scene *s);
void doctor_state(struct check_report *r, struct doctor_scene *s);
void doctor_space(struct check_report *r, struct doctor_scene *s);
void doctor_reflink(struct check_report *r, struct doctor_scene *s);
void doctor_leftovers(struct check_report *r, struct doctor_scene *s);
void doctor_image(struct check_report *r, struct doctor_scene *s);
void doctor_kernel(struct check_report *r, struct doctor_scene *s);
void doctor_sizes(struct check_report *r, struct doctor_scene *s);
void doctor_ssh(struct check_report *r, struct doctor_scene *s);

void doctor_vmm(struct check_report *r, struct doctor_scene *s);
void doctor_qemu(struct check_report *r, struct doctor_scene *s);
void doctor_firecracker(struct check_report *r, struct doctor_scene *s);
void doctor_jailer(struct check_report *r, struct doctor_scene *s);
void doctor_firewall(struct check_report *r, struct doctor_scene *s);

/*
 * A program that runs beside us.  doctor_tool_start() - NULL when it is not installed.  @arguments:
 * after the program's name, NULL-terminated.  doctor_tool_output() - what it printed, borrowed; NULL when it
 * failed or took too long.
 */
struct doctor_tool *doctor_tool_start(const char *program, const char *const *arguments);
const char *doctor_tool_path(const struct doctor_tool *tool);
const char *doctor_tool_output(struct doctor_tool *tool);
void doctor_tool_free(struct doctor_tool *tool);

/* doctor_blockers() - who drops what is forwarded, by the output of "nft -j list chains"; one
 * sentence and the remedy, both NULL when nobody does.  F_CORRUPT. */
struct fault *doctor_blockers(const char *text, size_t len, char **seen, char **remedy) MUST_CHECK;

#endif
