/* SPDX-License-Identifier: MIT */
#include "store/events.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#define EVENTS_FILE	"events.jsonl"
#define EVENTS_OLD_FILE "events.old"
/* What is read of a file: it may be somebody else's work. */
#define READ_MAX (4 * EVENTS_FILE_MAX)

static const struct field event_fields[] = {
	FIELD(struct event, time, FIELD_STRING),
	FIELD(struct event, mono_ms, FIELD_U64),
	FIELD(struct event, operation, FIELD_STRING),
	FIELD(struct event, pid, FIELD_U64),
	FIELD(struct event, verb, FIELD_STRING),
	FIELD(struct event, event, FIELD_STRING),
	FIELD(struct event, stage, FIELD_STRING),
	FIELD(struct event, message, FIELD_STRING),
};
const struct record_type event_type = {
	"event", sizeof(struct event), event_fields, ARRAY_LEN(event_fields), 0,
};

/* ------------------------------------------------------------------------------------- writing */

static void rotate(const struct vm_dir *d)
{
	struct stat st;

	if (!fstatat(d->fd, EVENTS_FILE, &st, AT_SYMLINK_NOFOLLOW) && st.st_size >= EVENTS_FILE_MAX)
		renameat(d->fd, EVENTS_FILE, d->fd, EVENTS_OLD_FILE);
}

/* One write, so that no line is ever half there. */
static void append(const struct vm_dir *d, const char *event, const char *stage, const char *message)
{
	AUTO_FD fd = openat(d->fd, EVENTS_FILE,
			    O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	AUTO_FREE char *now = text_time(time(NULL));
	AUTO_FREE char *kept = message ? xstrndup(message, EVENTS_MESSAGE_MAX) : NULL;
	AUTO_BUF line = BUF_INIT;
	struct event e = {
		.time = now,
		.mono_ms = (uint64_t)clock_now_ms(),
		.operation = (char *)d->operation,
		.pid = (uint64_t)getpid(),
		.verb = (char *)d->verb,
		.event = (char *)event,
		.stage = (char *)stage,
		.message = kept,
	};

	if (fd < 0)
		return;
	record_write_line(&event_type, &e, &line);
	buf_addc(&line, '\n');
	fault_free(file_write_all(fd, line.data, line.len, EVENTS_FILE));
}

void events_begin(struct vm_dir *d, const char *verb)
{
	uint32_t bits = 0;

	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		bits = (uint32_t)clock_now_ms();
	snprintf(d->operation, sizeof(d->operation), "%08x", bits);
	snprintf(d->verb, sizeof(d->verb), "%s", verb);
	rotate(d);
	append(d, "begin", NULL, NULL);
}

void events_stage(const struct vm_dir *d, const char *stage)
{
	if (d->operation[0])
		append(d, "stage", stage, NULL);
}

void events_end(struct vm_dir *d, const struct fault *f)
{
	if (!d->operation[0])
		return;
	append(d, f ? "fault" : "end", NULL, f ? fault_message(f) : NULL);
	d->operation[0] = '\0';
}

/* ------------------------------------------------------------------------------------- reading */

static void take_line(const char *line, size_t len, struct records *out)
{
	struct event e;
	struct fault *f = record_read(&event_type, line, len, EVENTS_FILE, &e);

	if (!f)
		*(struct event *)records_add(out, sizeof(e)) = e;
	fault_free(f);
}

/* All whole lines from *@at on. */
static struct fault *read_file(const struct vm_dir *d, const char *name, uint64_t *at,
			       struct records *out)
{
	AUTO_BUF text = BUF_INIT;
	struct fault *f = file_read(d->fd, name, READ_MAX, &text);
	const char *line;

	if (f && fault_kind(f) == F_NOT_FOUND) {
		fault_free(f);
		return NULL;
	}
	TRY(f);
	if (*at > text.len)
		*at = 0; /* begun anew */
	for (line = text.data + *at; *at < text.len;) {
		const char *end = memchr(line, '\n', text.len - *at);

		if (!end)
			break;
		take_line(line, (size_t)(end - line), out);
		*at += (uint64_t)(end - line) + 1;
		line = end + 1;
	}
	return NULL;
}

struct fault *events_read(const struct vm_dir *d, uint64_t *at, struct records *out)
{
	uint64_t begin = 0;
	struct fault *f = NULL;

	*out = (struct records){ 0 };
	if (!*at)
		f = read_file(d, EVENTS_OLD_FILE, &begin, out);
	if (!f)
		f = read_file(d, EVENTS_FILE, at, out);
	if (f)
		events_release(out);
	return fault_wrap(f, "VM '%s'", d->name);
}

void events_release(struct records *events)
{
	struct event *all = events->v;

	for (size_t i = 0; i < events->n; i++)
		record_release(&event_type, &all[i]);
	free(all);
	*events = (struct records){ 0 };
}
