/* SPDX-License-Identifier: MIT */
/*
 * main.c - one invocation from argv to exit status.
 *
 * Exit status: 0; 1 failure; 2 wrong command line; 128 + n stopped by signal n.  A command that
 * passes a guest's status through uses 125 for our own failures, so that they cannot be taken for
 * the guest's.
 */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "banger/commands.h"
#include "banger/help.h"
#include "banger/output.h"
#include "banger/output_file.h"
#include "banger/parse.h"
#include "banger/version.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

enum { STATUS_FAILURE = 1, STATUS_USAGE = 2, STATUS_OURS = 125 };

static struct progress *notice_progress;

static void lock_notice(const char *sentence)
{
	progress_note(notice_progress, "banger: %s", sentence);
}

/* For a person who asked for it; what is worse than "info" they see anyway. */
static void show_log_line(enum log_level level, const char *text)
{
	AUTO_BUF line = BUF_INIT;

	text_add_printable(&line, text, strlen(text));
	progress_wipe(notice_progress);
	fprintf(stderr, "banger: %s: %s\n", level == LOG_LEVEL_DEBUG ? "debug" : "info", line.data);
}

static struct fault *begin_log(const struct invocation *inv)
{
	return log_begin(&(struct log_options){ .program = "banger",
						.command = inv->command->name,
						.level = option_value(inv, "log-level"),
						.file = option_value(inv, "log-file"),
						.show = show_log_line });
}

static struct fault *prepare(struct invocation *inv)
{
	const struct command *c = inv->command;

	progress_init(&inv->progress, inv->quiet ? NULL : stderr, output_is_live(STDERR_FILENO));
	notice_progress = &inv->progress;
	output_progress(&inv->progress);
	lock_set_notice(lock_notice);
	if (!(c->flags & CMD_NO_CONFIG))
		TRY(config_load(&inv->config));
	if (c->flags & (CMD_NEEDS_READ | CMD_NEEDS_WRITE)) {
		TRY(store_open(inv->state_dir,
			       c->flags & CMD_NEEDS_WRITE ? STORE_WRITE : STORE_READ, &inv->store));
		inv->store.wait_ms = inv->wait_ms;
	}
	return NULL;
}

static void release(struct invocation *inv)
{
	progress_end(&inv->progress);
	store_release(&inv->store);
	config_release(&inv->config);
	parse_release(inv);
}

static int status_of(const struct invocation *inv, const struct fault *f)
{
	if (fault_kind(f) == F_USAGE)
		return STATUS_USAGE;
	if (fault_kind(f) == F_CANCELLED && cancel_signal())
		return 128 + cancel_signal();
	if (inv->command && inv->command->flags & CMD_GUEST_STATUS)
		return STATUS_OURS;
	return STATUS_FAILURE;
}

static void print_usage(const struct invocation *inv)
{
	AUTO_BUF usage = BUF_INIT;

	if (inv->command)
		command_usage(inv->command, &usage);
	else
		buf_adds(&usage, "banger COMMAND [OPTIONS]");
	fprintf(stderr, "usage: %s\n", usage.data);
}

static struct fault *print_help(const struct command *c)
{
	AUTO_BUF page = BUF_INIT;

	help_page(c, &page);
	return print_text(page.data);
}

static struct fault *run(char **argv, struct invocation *inv)
{
	TRY(parse_arguments(argv, inv));
	if (inv->version)
		return print_text(version_line());
	if (inv->help)
		return print_help(inv->command);
	cancel_install();
	TRY(begin_log(inv));
	log_write(LOG_LEVEL_INFO, "began");
	TRY(prepare(inv));
	return inv->command->run(inv);
}

int main(int argc, char **argv)
{
	struct invocation inv = { 0 };
	int64_t began_ms = clock_now_ms();
	AUTO_FAULT f = NULL;
	int status;

	output_init();
	output_file_umask = umask(077);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error like a full disk */
	f = run(argv + (argc > 0), &inv);
	progress_end(&inv.progress);
	status = f ? status_of(&inv, f) : inv.status;
	if (f && !output_gone()) {
		output_fault(f);
		if (fault_kind(f) == F_USAGE)
			print_usage(&inv);
	}
	if (output_gone())
		status = inv.status;
	fault_free(f);
	f = output_finish();
	if (f) {
		output_fault(f);
		if (!status)
			status = status_of(&inv, f);
	}
	log_write(LOG_LEVEL_INFO, "ended with status %d after %lld ms", status,
		  (long long)(clock_now_ms() - began_ms));
	release(&inv);
	log_end();
	return status;
}
