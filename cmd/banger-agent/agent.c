/* SPDX-License-Identifier: MIT */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

/* The console is opened for each line: the image's getty hangs up whoever keeps it open. */
void say(const char *fmt, ...)
{
	AUTO_FD fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	AUTO_BUF line = BUF_INIT;
	AUTO_FREE char *text = NULL;
	ssize_t ignored;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	buf_addf(&line, "banger-agent: %s\r\n", text);
	ignored = write(fd >= 0 ? fd : STDERR_FILENO, line.data, line.len);
	(void)ignored;
}

void say_fault(struct fault *f)
{
	for (const struct fault *each = f; each; each = fault_next(each))
		say("%s", fault_message(each));
	fault_free(f);
}

int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

struct fault *write_text(const char *path, const char *text, mode_t mode)
{
	AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	size_t len = strlen(text);

	if (fd < 0)
		return fault_sys(F_SYS, "creating '%s'", path);
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "writing '%s'", path);
		text += n;
		len -= (size_t)n;
	}
	return NULL;
}

struct fault *read_text(const char *path, size_t max, struct buf *out)
{
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t before = out->len;

	if (fd < 0)
		return fault_sys(F_SYS, "opening '%s'", path);
	for (;;) {
		ssize_t n = read(fd, buf_grow(out, 4096), 4096);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "reading '%s'", path);
		if (!n)
			return NULL;
		out->len += (size_t)n;
		out->data[out->len] = '\0';
		if (out->len - before > max)
			return fault_new(F_CORRUPT, "'%s' is longer than %zu bytes", path, max);
	}
}
