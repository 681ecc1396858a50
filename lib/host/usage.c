/* SPDX-License-Identifier: MIT */
#include "host/usage.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "host/sysroot.h"

#define TEXT_MAX 16384

static struct fault *read_text(const char *path, struct buf *out)
{
	if (sysroot_read(path, TEXT_MAX, out))
		return NULL;
	return fault_sys(errno == ENOENT || errno == ESRCH ? F_NOT_FOUND : F_SYS, "reading '%s'",
			 path);
}

/* Fields of stat as in proc_pid_stat(5): 14 utime, 15 stime, 22 starttime, 24 rss. */
struct stat_fields {
	unsigned long long in_user, in_kernel, start;
	long long rss_pages;
};

static struct fault *read_stat(const char *path, struct stat_fields *s)
{
	AUTO_BUF text = BUF_INIT;
	const char *at;

	TRY(read_text(path, &text));
	at = memrchr(text.data, ')', text.len); /* the name before it may hold anything */
	if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d "
			  "%*d %*d %*d %*d %llu %*u %lld", &s->in_user, &s->in_kernel, &s->start,
			  &s->rss_pages) != 4)
		return fault_new(F_CORRUPT, "'%s' is not in the form that is known", path);
	return NULL;
}

static uint64_t ticks_to_ms(uint64_t ticks)
{
	long hz = sysconf(_SC_CLK_TCK);

	return ticks * 1000 / (uint64_t)(hz > 0 ? hz : 100);
}

/* Milliseconds since boot, with the digits after the point; 0 = unknown. */
static uint64_t host_uptime_ms(void)
{
	AUTO_BUF text = BUF_INIT;
	unsigned long long whole, part;

	if (!sysroot_read("/proc/uptime", 128, &text) ||
	    sscanf(text.data, "%llu.%2llu", &whole, &part) != 2)
		return 0;
	return whole * 1000 + part * 10;
}

struct fault *usage_process(pid_t pid, struct process_usage *out)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/stat", (int)pid);
	struct stat_fields s = { 0 };
	uint64_t now, start;

	TRY(read_stat(path, &s));
	now = host_uptime_ms();
	start = ticks_to_ms(s.start);
	*out = (struct process_usage){
		.cpu_ms = ticks_to_ms(s.in_user + s.in_kernel),
		.rss_bytes = (uint64_t)(s.rss_pages > 0 ? s.rss_pages : 0) *
			     (uint64_t)sysconf(_SC_PAGESIZE),
		.start_ticks = s.start,
		.age_ms = now > start ? now - start : 0,
	};
	return NULL;
}

struct fault *usage_thread(pid_t pid, pid_t thread, uint64_t *cpu_ms)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/task/%d/stat", (int)pid, (int)thread);
	struct stat_fields s = { 0 };

	TRY(read_stat(path, &s));
	*cpu_ms = ticks_to_ms(s.in_user + s.in_kernel);
	return NULL;
}

struct fault *usage_threads(pid_t pid, bool (*each)(void *context, pid_t thread, const char *name),
			    void *context)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/task", (int)pid);
	AUTO_FD fd = sysroot_open_dir(path);
	AUTO_DIR dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool go_on = true;

	if (!dir)
		return fault_sys(errno == ENOENT ? F_NOT_FOUND : F_SYS, "reading '%s'", path);
	steal_fd(&fd);
	while (go_on && (entry = readdir(dir))) {
		AUTO_FREE char *comm = xasprintf("%s/%s/comm", path, entry->d_name);
		AUTO_BUF name = BUF_INIT;

		if (*entry->d_name == '.' || !sysroot_read(comm, 256, &name))
			continue;
		name.data[strcspn(name.data, "\n")] = '\0';
		go_on = each(context, (pid_t)strtol(entry->d_name, NULL, 10), name.data);
	}
	return NULL;
}

/* The number after "\n<key>:" of @path; the first line is no value in the files that we read. */
static struct fault *read_number(const char *path, const struct buf *text, const char *key,
				 uint64_t *number)
{
	const char *at = text->data;
	size_t len = strlen(key);

	while (at && strncmp(at, key, len) != 0) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		return fault_new(F_CORRUPT, "'%s' has no '%s'", path, key);
	*number = strtoull(at + len, NULL, 10);
	return NULL;
}

struct fault *usage_pss(pid_t pid, uint64_t *bytes)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/smaps_rollup", (int)pid);
	AUTO_BUF text = BUF_INIT;
	uint64_t kib = 0;

	TRY(read_text(path, &text));
	TRY(read_number(path, &text, "Pss:", &kib));
	*bytes = kib * 1024;
	return NULL;
}

struct fault *usage_io(pid_t pid, uint64_t *bytes)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/io", (int)pid);
	AUTO_BUF text = BUF_INIT;
	uint64_t in = 0, out = 0;

	TRY(read_text(path, &text));
	TRY(read_number(path, &text, "rchar:", &in));
	TRY(read_number(path, &text, "wchar:", &out));
	*bytes = in + out;
	return NULL;
}

static struct fault *read_counter(const char *name, const char *counter, uint64_t *bytes)
{
	AUTO_FREE char *path = xasprintf("/sys/class/net/%s/statistics/%s", name, counter);
	AUTO_BUF text = BUF_INIT;

	TRY(read_text(path, &text));
	*bytes = strtoull(text.data, NULL, 10);
	return NULL;
}

struct fault *usage_interface(const char *name, uint64_t *rx_bytes, uint64_t *tx_bytes)
{
	if (!*name || strchr(name, '/') || *name == '.')
		return fault_new(F_INVALID, "'%.32s' is no interface's name", name);
	TRY(read_counter(name, "rx_bytes", rx_bytes));
	return read_counter(name, "tx_bytes", tx_bytes);
}
