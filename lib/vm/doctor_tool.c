/* SPDX-License-Identifier: MIT */
/* doctor_tool.c - programs that are asked a short question while the checks go on. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "host/machine.h"
#include "host/spawn.h"
#include "vm/doctor.h"

#define ARGUMENTS_MAX 8
#define OUTPUT_MAX    (4 * MIB)
/* A program that hangs must not hang the doctor.  Healthy ones answer in 40 ms. */
#define LIMIT_MS 1000

struct doctor_tool {
	char *path; /* absolute, owned */
	struct child child;
	int out; /* our end of the pipe, owned */
	int64_t deadline;
	struct buf text;
	bool asked, good;
};

static bool start(struct doctor_tool *t, const char *const *arguments)
{
	const char *argv[ARGUMENTS_MAX + 2] = { t->path };
	AUTO_FAULT f = NULL;
	AUTO_FD writer = -1;
	int ends[2];

	for (size_t i = 0; i < ARGUMENTS_MAX && arguments[i]; i++)
		argv[i + 1] = arguments[i];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	t->out = ends[0];
	writer = ends[1];
	f = spawn_start(&(struct spawn){ .argv = argv, .in = SPAWN_NULL, .out = writer,
					    .err = SPAWN_NULL }, &t->child);
	return !f;
}

struct doctor_tool *doctor_tool_start(const char *program, const char *const *arguments)
{
	char *path = machine_find_program(program);
	struct doctor_tool *t;

	if (!path)
		return NULL;
	t = xcalloc(1, sizeof(*t));
	*t = (struct doctor_tool){ .path = path,
				   .child = CHILD_INIT,
				   .out = -1,
				   .deadline = clock_deadline(LIMIT_MS),
				   .text = BUF_INIT };
	t->asked = !start(t, arguments);
	return t;
}

const char *doctor_tool_path(const struct doctor_tool *t)
{
	return t->path;
}

static bool read_all(struct doctor_tool *t)
{
	for (;;) {
		struct pollfd ready = { .fd = t->out, .events = POLLIN };
		ssize_t n;

		if (poll(&ready, 1, clock_left(t->deadline)) <= 0 || t->text.len > OUTPUT_MAX)
			return false;
		n = read(t->out, buf_grow(&t->text, 16384), 16384);
		if (n <= 0)
			return n == 0;
		t->text.len += (size_t)n;
		t->text.data[t->text.len] = '\0';
	}
}

static bool ask(struct doctor_tool *t)
{
	struct child_status status;
	AUTO_FAULT f = NULL;

	if (!read_all(t))
		return false;
	f = child_wait(&t->child, clock_left(t->deadline), &status);
	return !f && status.end == CHILD_EXITED && !status.code;
}

const char *doctor_tool_output(struct doctor_tool *t)
{
	if (!t->asked)
		t->good = ask(t);
	t->asked = true;
	return t->good ? t->text.data : NULL;
}

void doctor_tool_free(struct doctor_tool *t)
{
	if (!t)
		return;
	if (t->child.pidfd >= 0)
		child_kill(&t->child);
	fd_close(t->out);
	buf_release(&t->text);
	free(t->path);
	free(t);
}
