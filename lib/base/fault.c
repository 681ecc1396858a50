/* SPDX-License-Identifier: MIT */
#include "base/fault.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct fault {
	enum fault_kind kind;
	int error_number;
	char *message;
	char *hint;
	struct fault *next;
};

static const char *const kind_names[] = {
	[F_SYS] = "system",	      [F_USAGE] = "usage",
	[F_INVALID] = "invalid",      [F_NOT_FOUND] = "not_found",
	[F_EXISTS] = "already_exists", [F_AMBIGUOUS] = "ambiguous",
	[F_BUSY] = "busy",	      [F_STATE] = "wrong_state",
	[F_CORRUPT] = "corrupt",      [F_NEWER] = "newer_version",
	[F_UNSUPPORTED] = "unsupported", [F_MISSING] = "missing",
	[F_NO_SPACE] = "no_space",    [F_DENIED] = "denied",
	[F_NETWORK] = "network",      [F_TIMEOUT] = "timeout",
	[F_CANCELLED] = "cancelled",  [F_GUEST] = "guest",
	[F_TOOL] = "tool",
};
static_assert(ARRAY_LEN(kind_names) == F_KINDS, "every fault kind has a name");

struct fault *fault_new(enum fault_kind kind, const char *fmt, ...)
{
	struct fault *f = xcalloc(1, sizeof(*f));
	va_list ap;

	f->kind = kind;
	va_start(ap, fmt);
	f->message = xvasprintf(fmt, ap);
	va_end(ap);
	return f;
}

static enum fault_kind refine(enum fault_kind kind, int error_number)
{
	if (kind != F_SYS)
		return kind;
	if (error_number == ENOSPC || error_number == EDQUOT)
		return F_NO_SPACE;
	if (error_number == EACCES || error_number == EPERM)
		return F_DENIED;
	return kind;
}

/* The text of an errno value; glibc's GNU strerror_r and POSIX's differ, strerrordesc_np is new. */
static void error_text(int error_number, char *text, size_t size)
{
#if defined(__GLIBC__)
	const char *got = strerror_r(error_number, text, size);

	if (got != text)
		snprintf(text, size, "%s", got);
#else
	if (strerror_r(error_number, text, size))
		snprintf(text, size, "error %d", error_number);
#endif
}

struct fault *fault_sys(enum fault_kind kind, const char *fmt, ...)
{
	int error_number = errno;
	struct fault *f = xcalloc(1, sizeof(*f));
	AUTO_FREE char *what = NULL;
	char text[128];
	va_list ap;

	f->kind = refine(kind, error_number);
	f->error_number = error_number;
	va_start(ap, fmt);
	what = xvasprintf(fmt, ap);
	va_end(ap);
	error_text(error_number, text, sizeof(text));
	f->message = xasprintf("%s: %s", what, text);
	return f;
}

struct fault *fault_wrap(struct fault *f, const char *fmt, ...)
{
	AUTO_FREE char *context = NULL;
	char *message;
	va_list ap;

	if (!f)
		return NULL;
	va_start(ap, fmt);
	context = xvasprintf(fmt, ap);
	va_end(ap);
	message = xasprintf("%s: %s", context, f->message);
	free(f->message);
	f->message = message;
	return f;
}

struct fault *fault_suffix(struct fault *f, const char *fmt, ...)
{
	AUTO_FREE char *message = f ? f->message : NULL;
	AUTO_FREE char *suffix = NULL;
	va_list ap;

	if (!f)
		return NULL;
	va_start(ap, fmt);
	suffix = xvasprintf(fmt, ap);
	va_end(ap);
	f->message = xasprintf("%s%s", message, suffix);
	return f;
}

struct fault *fault_hint(struct fault *f, const char *fmt, ...)
{
	va_list ap;

	if (!f)
		return NULL;
	free(f->hint);
	va_start(ap, fmt);
	f->hint = xvasprintf(fmt, ap);
	va_end(ap);
	return f;
}

struct fault *fault_attach(struct fault *first, struct fault *other)
{
	struct fault **tail = &first;

	while (*tail)
		tail = &(*tail)->next;
	*tail = other;
	return first;
}

enum fault_kind fault_kind(const struct fault *f)
{
	return f->kind;
}

const char *fault_kind_name(enum fault_kind kind)
{
	assert(kind < F_KINDS);
	return kind_names[kind];
}

const char *fault_message(const struct fault *f)
{
	return f->message;
}

const char *fault_hint_text(const struct fault *f)
{
	return f->hint;
}

const struct fault *fault_next(const struct fault *f)
{
	return f->next;
}

int fault_errno(const struct fault *f)
{
	return f->error_number;
}

void fault_free(struct fault *f)
{
	while (f) {
		struct fault *next = f->next;

		free(f->message);
		free(f->hint);
		free(f);
		f = next;
	}
}
