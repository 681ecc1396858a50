/* SPDX-License-Identifier: MIT */
/* cmd_doctor.c - 'doctor': is this host fit, and what to type where it is not. */
#include "banger/commands.h"

#include <string.h>

#include "banger/gc_view.h"
#include "banger/output.h"
#include "base/text.h"
#include "vm/doctor.h"

#define NAME_WIDTH 16

static const char *colour_of(const char *verdict)
{
	const char *no_color = getenv("NO_COLOR");

	if ((no_color && *no_color) || !output_is_live(STDOUT_FILENO))
		return NULL;
	return !strcmp(verdict, "pass") ? "32" : !strcmp(verdict, "warn") ? "33" : "1;31";
}

static const char *in_capitals(const char *verdict)
{
	return !strcmp(verdict, "pass") ? "PASS" : !strcmp(verdict, "warn") ? "WARN" : "FAIL";
}

static void add_row(const struct check_row *row, struct buf *out)
{
	const char *colour = colour_of(row->verdict);

	buf_addf(out, "%s%s%s%s%s  %-*s ", colour ? "\033[" : "", colour ? colour : "", colour ? "m" : "",
		 in_capitals(row->verdict), colour ? "\033[0m" : "", NAME_WIDTH, row->name);
	text_add_printable(out, row->seen, strlen(row->seen));
	buf_addc(out, '\n');
	if (row->repaired) {
		buf_addf(out, "%*s", NAME_WIDTH + 7, "");
		buf_adds(out, "fixed: ");
		text_add_printable(out, row->repaired, strlen(row->repaired));
		buf_addc(out, '\n');
	}
	if (row->remedy) {
		buf_addf(out, "%*s", NAME_WIDTH + 7, "");
		buf_adds(out, "-> ");
		text_add_printable(out, row->remedy, strlen(row->remedy));
		buf_addc(out, '\n');
	}
}

static struct fault *print_rows(const struct check_report *report, bool quiet)
{
	const struct check_row *rows = report->rows.v;
	size_t warned = check_count(report, "warn"), failed = check_count(report, "fail");
	AUTO_BUF out = BUF_INIT;

	for (size_t i = 0; i < report->rows.n; i++)
		if (!quiet || rows[i].repaired || strcmp(rows[i].verdict, "pass") != 0)
			add_row(&rows[i], &out);
	if (!quiet)
		buf_addf(&out, "\n%zu checks: %zu passed, %zu warned, %zu failed\n", report->rows.n,
			 report->rows.n - warned - failed, warned, failed);
	return print_text(out.data);
}

/* What 'gc' would clear away. */
static struct fault *leaks(struct invocation *inv)
{
	struct gc gc = { .store = &inv->store, .config = &inv->config, .dry_run = true };
	const struct gc_item *all;
	struct fault *f;

	if (option_given(inv, "fix"))
		return fault_hint(fault_new(F_USAGE, "--leaks only looks, and --fix changes things: choose "
					    "one"),
				  "What --leaks finds is cleared away by: banger gc");
	TRY(config_load(&inv->config));
	TRY(store_open(inv->state_dir, STORE_READ, &inv->store));
	f = gc_run(&gc);
	all = gc.items.v;
	for (size_t i = 0; i < gc.items.n; i++)
		if (gc_wants(&all[i]))
			inv->status = 1;
	f = fault_attach(f, gc_print(inv, &gc));
	gc_release(&gc);
	return f;
}

static struct fault *doctor(struct invocation *inv)
{
	const struct doctor wanted = { .state_dir = inv->state_dir,
				       .repair = option_given(inv, "fix"),
				       .root = geteuid() == 0 };
	struct check_report report;
	struct fault *f;

	if (option_given(inv, "leaks"))
		return leaks(inv);
	doctor_run(&wanted, &report);
	if (check_count(&report, "fail"))
		inv->status = 1;
	f = inv->json ? print_records(&check_row_type, &report.rows) : print_rows(&report, inv->quiet);
	check_report_release(&report);
	return f;
}

static const struct option options[] = {
	{ .name = "leaks",
	  .help = "only look for what killed commands have left, and gc would clear away" },
	{ .name = "fix", .help = "put right what is safe to put right, and say what was done" },
	{ 0 },
};

const struct command command_doctor = {
	.name = "doctor",
	.summary = "check what this host has for virtual machines, and say what to type where it lacks",
	.description =
		"Prints a row for each thing that machines need: processor, kernel, KVM that really works, "
		"QEMU and Firecracker, and what root's machines use besides: device mapper, loop and tun "
		"devices, a firewall that lets their packets pass, control groups. Then what is banger's own: "
		"configuration, state directory, disk space, leftovers, default image and kernel, ssh and "
		"NAME.vm.\n\n"
		"PASS is fine, WARN works but could be better, FAIL means that no machine will run; the exit "
		"status is 1 then. A line that begins with an arrow is what to type. With -q only rows that "
		"are not PASS are printed.\n\n"
		"Nothing is written, unless --fix is given: then missing kernel modules are loaded, "
		"others lose the right to write the state "
		"directory, and halves of deleted objects are removed. The ordinary user and root get "
		"different answers, because their machines use different parts of the host.\n\n"
		"With --leaks it is something else that is looked at: what 'banger gc' would clear away, in the "
		"state directory and in the kernel, each with its owner, its state and the reason. Nothing is "
		"written and no lock is taken; the exit status is 1 when there is something to clear away.",
	.examples = "banger doctor --leaks\tis anything left behind?\n"
		    "banger doctor\tbefore the first machine, or when one does not start\n"
		    "sudo banger doctor --fix\tfor root's machines\n"
		    "banger doctor --json | jq -r '.[] | select(.verdict == \"fail\") | .name'\tin a script",
	.options = options,
	.flags = CMD_JSON | CMD_QUIET | CMD_NO_CONFIG | CMD_STATE_DIR,
	.run = doctor,
};
