/* SPDX-License-Identifier: MIT */
/* cmd_doctor.c - 'doctor': is this host fit, and what to type where it is not. */
#include "banger/commands.h"

#include <string.h>

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

static struct fault *doctor(struct invocation *inv)
{
	const struct doctor wanted = { .state_dir = inv->state_dir,
				       .repair = option_given(inv, "fix"),
				       .root = geteuid() == 0 };
	struct check_report report;
	struct fault *f;

	doctor_run(&wanted, &report);
	if (check_count(&report, "fail"))
		inv->status = 1;
	f = inv->json ? print_records(&check_row_type, &report.rows) : print_rows(&report, inv->quiet);
	check_report_release(&report);
	return f;
}

static const struct option options[] = {
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
		"different answers, because their machines use different parts of the host.",
	.examples = "banger doctor\tbefore the first machine, or when one does not start\n"
		    "sudo banger doctor --fix\tfor root's machines\n"
		    "banger doctor --json | jq -r '.[] | select(.verdict == \"fail\") | .name'\tin a script",
	.options = options,
	.flags = CMD_JSON | CMD_QUIET | CMD_NO_CONFIG | CMD_STATE_DIR,
	.run = doctor,
};
