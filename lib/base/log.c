/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/text.h"

#define OPERATION_VARIABLE "BANGER_OPERATION"

static const char *const level_names[] = { "none", "error", "warn", "info", "debug" };

static struct {
	const char *program, *command;
	void (*show)(enum log_level level, const char *text);
	enum log_level file_level, shown_level;
	int fd;
	char operation[LOG_OPERATION_LEN + 1];
} state = { .fd = -1 };

/* ------------------------------------------------------------------------------- operation */

static bool is_operation(const char *text)
{
	return text && strlen(text) == LOG_OPERATION_LEN &&
	       strspn(text, "0123456789abcdef") == LOG_OPERATION_LEN;
}

static void set_operation(bool own)
{
	const char *inherited = own ? NULL : secure_getenv(OPERATION_VARIABLE);
	uint64_t bits;

	if (is_operation(inherited)) {
		memcpy(state.operation, inherited, LOG_OPERATION_LEN);
		return;
	}
	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		bits = (uint64_t)getpid() << 32 ^ (uint64_t)time(NULL);
	snprintf(state.operation, sizeof(state.operation), "%016llx", (unsigned long long)bits);
	setenv(OPERATION_VARIABLE, state.operation, 1);
}

const char *log_operation(void)
{
	if (!state.operation[0])
		set_operation(false);
	return state.operation;
}

/* ----------------------------------------------------------------------------------- begin */

static struct fault *find_level(const char *word, const char *from, enum log_level *level)
{
	for (unsigned int i = 0; i < ARRAY_LEN(level_names); i++) {
		if (strcmp(word, level_names[i]) != 0)
			continue;
		*level = (enum log_level)i;
		return NULL;
	}
	return fault_new(F_INVALID, "%s: '%.40s' is none of " LOG_WORDS, from, word);
}

/* The group of the directory may read it, whatever the umask; one that is there keeps its mode. */
static int open_or_make(const char *path)
{
	/* O_NONBLOCK: a fifo nobody reads must not hold a command up. */
	const int flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = open(path, flags | O_CREAT | O_EXCL, 0600);

	if (fd < 0 && errno == EEXIST)
		return open(path, flags);
	if (fd >= 0 && fchmod(fd, 0640) < 0) {
		fd_close(fd);
		return -1;
	}
	return fd;
}

static struct fault *open_file(const char *path, int *out)
{
	AUTO_FD fd = open_or_make(path);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fault_sys(F_SYS, "opening log file '%s'", path);
	if (!S_ISREG(st.st_mode))
		return fault_new(F_INVALID, "log file '%s' is not a regular file", path);
	*out = steal_fd(&fd);
	return NULL;
}

struct fault *log_begin(const struct log_options *o)
{
	const char *from_env = secure_getenv("BANGER_LOG_LEVEL");
	const char *file = o->file ? o->file : secure_getenv("BANGER_LOG_FILE");
	const char *word = o->level ? o->level : from_env && *from_env ? from_env : NULL;
	enum log_level level = LOG_LEVEL_INFO;

	log_end();
	set_operation(o->own_operation);
	if (word)
		TRY(find_level(word, o->level ? "--log-level" : "BANGER_LOG_LEVEL", &level));
	if (file && *file && level > LOG_LEVEL_NONE)
		TRY(open_file(file, &state.fd));
	state.program = o->program;
	state.command = o->command;
	state.show = o->show;
	state.file_level = state.fd >= 0 ? level : LOG_LEVEL_NONE;
	state.shown_level = word && o->show ? level : LOG_LEVEL_NONE;
	return NULL;
}

void log_end(void)
{
	fd_close(state.fd);
	state.fd = -1;
	state.file_level = state.shown_level = LOG_LEVEL_NONE;
}

/* ----------------------------------------------------------------------------------- lines */

static void add_time(struct buf *line)
{
	struct timespec now;
	struct tm parts;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	buf_addf(line, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\"", parts.tm_year + 1900,
		 parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
		 now.tv_nsec / 1000000);
}

static void write_line(enum log_level level, const char *text)
{
	AUTO_BUF line = BUF_INIT;
	ssize_t written;

	buf_adds(&line, "{\"time\": ");
	add_time(&line);
	buf_addf(&line, ", \"level\": \"%s\", \"operation\": \"%s\", \"pid\": %d, \"program\": \"%s\", ",
		 level_names[level], log_operation(), (int)getpid(), state.program);
	buf_adds(&line, "\"command\": ");
	json_add_string(&line, state.command);
	buf_adds(&line, ", \"message\": ");
	json_add_string(&line, text);
	buf_adds(&line, "}\n");
	/* A full disk must not fail what the command is for. */
	written = write(state.fd, line.data, line.len);
	(void)written;
}

static void write_text(enum log_level level, const char *text)
{
	if (level <= state.file_level)
		write_line(level, text);
	if (level <= state.shown_level && level >= LOG_LEVEL_INFO)
		state.show(level, text);
}

static bool is_wanted(enum log_level level)
{
	return level <= state.file_level || level <= state.shown_level;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	if (!is_wanted(level))
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	write_text(level, text);
}

void log_fault(const struct fault *f)
{
	AUTO_BUF text = BUF_INIT;

	if (!is_wanted(LOG_LEVEL_ERROR))
		return;
	buf_adds(&text, fault_message(f));
	for (const struct fault *also = fault_next(f); also; also = fault_next(also))
		buf_addf(&text, "; also: %s", fault_message(also));
	if (fault_hint_text(f))
		buf_addf(&text, "; hint: %s", fault_hint_text(f));
	write_text(LOG_LEVEL_ERROR, text.data);
}
