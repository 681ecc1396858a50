/* SPDX-License-Identifier: MIT */
#include "banger/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "banger/command.h"
#include "base/log.h"
#include "base/text.h"

static bool reader_gone;

/*
 * A descriptor below 3 that is closed would be taken by the next file that we open, and messages
 * would end up in it.
 */
void output_init(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		int got;

		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		got = open("/dev/null", O_RDWR | O_NOCTTY); /* inheritable: it stands for stdio */
		if (got >= 0 && got != fd) {
			dup2(got, fd);
			close(got);
		}
	}
}

/* On the same terminal as what is printed. */
static struct progress *live;

void output_progress(struct progress *p)
{
	live = p;
}

bool output_is_live(int fd)
{
	const char *term;

	if (!isatty(fd))
		return false;
	term = getenv("TERM");
	return term && *term && strcmp(term, "dumb") != 0;
}

static bool with_colour(void)
{
	const char *no_color = getenv("NO_COLOR");

	return !(no_color && *no_color) && output_is_live(STDERR_FILENO);
}

/* What a tool said may have several lines; indented, none of them can pass for one of ours. */
static void add_text(struct buf *out, const char *text)
{
	while (text) {
		size_t len = strcspn(text, "\n");

		text_add_printable(out, text, len);
		buf_addc(out, '\n');
		text = text[len] ? text + len + 1 : NULL;
		if (text)
			buf_adds(out, "    ");
	}
}

static void add_line(struct buf *out, const char *label, const char *text)
{
	buf_adds(out, with_colour() ? "\033[1;31mbanger:\033[0m " : "banger: ");
	buf_adds(out, label);
	add_text(out, text);
}

void output_fault(const struct fault *f)
{
	const char *hint = fault_hint_text(f);
	AUTO_BUF out = BUF_INIT;

	log_fault(f);
	add_line(&out, "", fault_message(f));
	for (const struct fault *also = fault_next(f); also; also = fault_next(also))
		add_line(&out, "also: ", fault_message(also));
	if (hint) {
		buf_adds(&out, "hint: ");
		add_text(&out, hint);
	}
	fflush(stdout); /* keeps the order on a terminal that shows both streams */
	fwrite(out.data, 1, out.len, stderr);
}

struct fault *output_write_fault(void)
{
	if (errno == EPIPE)
		reader_gone = true;
	return fault_sys(F_SYS, "writing to standard output");
}

bool output_gone(void)
{
	return reader_gone;
}

struct fault *output_finish(void)
{
	bool failed_before = ferror(stdout);
	struct fault *f = NULL;

	errno = 0;
	if (fclose(stdout) && errno != EBADF)
		f = output_write_fault();
	else if (failed_before)
		f = fault_new(F_SYS, "standard output could not be written whole");
	if (reader_gone) {
		fault_free(f);
		f = NULL;
	}
	return f;
}

struct fault *print_text(const char *text)
{
	size_t len = strlen(text);

	progress_wipe(live);
	if (fwrite(text, 1, len, stdout) != len)
		return output_write_fault();
	return NULL;
}

struct fault *print_table(struct table *t)
{
	AUTO_BUF out = BUF_INIT;

	table_render(t, &out);
	return print_text(out.data);
}

struct fault *print_record(const struct record_type *type, const void *record)
{
	AUTO_BUF out = BUF_INIT;

	record_write(type, record, &out);
	return print_text(out.data);
}

struct fault *print_records(const struct record_type *type, const struct records *list)
{
	AUTO_BUF out = BUF_INIT;

	buf_adds(&out, "[");
	for (size_t i = 0; i < list->n; i++) {
		buf_adds(&out, i ? ",\n  " : "\n  ");
		record_write_line(type, (const char *)list->v + i * type->size, &out);
	}
	buf_adds(&out, list->n ? "\n]\n" : "]\n");
	return print_text(out.data);
}

void print_fault(const struct invocation *inv, const struct fault *f)
{
	(void)inv;
	output_fault(f);
}
