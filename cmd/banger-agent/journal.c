/* SPDX-License-Identifier: MIT */
#include "journal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent.h"
#include "guest/frame.h"

#define JOURNAL AGENT_DIR "/agent.log"

bool journal_id(const char *text)
{
	size_t len = strlen(text);

	return len && len <= FRAME_OPERATION_MAX && strspn(text, "0123456789abcdef") == len;
}

void journal_write(const char *operation, const char *fmt, ...)
{
	AUTO_FD fd = open(JOURNAL, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	AUTO_FREE char *text = NULL, *line = NULL;
	struct timespec now;
	struct stat st;
	ssize_t ignored;
	struct tm tm;
	va_list ap;

	if (fd < 0)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	line = xasprintf("%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s\n", tm.tm_year + 1900, tm.tm_mon + 1,
			 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000,
			 operation && *operation ? operation : "-", text);
	ignored = write(fd, line, strlen(line));
	if (!fstat(fd, &st) && st.st_size > JOURNAL_MAX)
		ignored = rename(JOURNAL, JOURNAL ".old");
	(void)ignored;
}
