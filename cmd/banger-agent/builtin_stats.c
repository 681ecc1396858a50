/* SPDX-License-Identifier: MIT */
/* builtin_stats.c - numbers about this machine; what cannot be read is null. */
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "agent.h"
#include "builtin.h"
#include "guest/report.h"

#define PROC_FILE_MAX (256 * 1024)

/* The number after "\n<key>" in @text, in units of @unit. */
static struct maybe number_after(const struct buf *text, const char *key, uint64_t unit)
{
	const char *at = strstr(text->data, key);

	return at ? MAYBE(strtoull(at + strlen(key), NULL, 10) * unit) : (struct maybe){ 0 };
}

static bool read_proc(const char *path, struct buf *out)
{
	AUTO_FAULT f = read_text(path, PROC_FILE_MAX, out);

	return !f;
}

static void take_memory(struct guest_stats *s)
{
	AUTO_BUF text = BUF_INIT;
	struct maybe total, left;

	if (!read_proc("/proc/meminfo", &text))
		return;
	s->memory_total_bytes = number_after(&text, "MemTotal:", 1024);
	s->memory_available_bytes = number_after(&text, "MemAvailable:", 1024);
	total = number_after(&text, "SwapTotal:", 1024);
	left = number_after(&text, "SwapFree:", 1024);
	if (total.known && left.known && total.value >= left.value)
		s->swap_used_bytes = MAYBE(total.value - left.value);
}

static void take_times(struct guest_stats *s)
{
	AUTO_BUF load = BUF_INIT, uptime = BUF_INIT, stat = BUF_INIT;
	unsigned long long v[8] = { 0 }; /* user nice system idle iowait irq softirq steal */
	unsigned int whole = 0, part = 0, processes = 0;
	long hz = sysconf(_SC_CLK_TCK);

	if (read_proc("/proc/loadavg", &load) &&
	    sscanf(load.data, "%u.%u %*s %*s %*u/%u", &whole, &part, &processes) == 3) {
		s->load_percent = MAYBE(whole * 100 + part);
		s->processes = MAYBE(processes);
	}
	if (read_proc("/proc/uptime", &uptime))
		s->uptime_s = MAYBE(strtoull(uptime.data, NULL, 10));
	if (hz > 0 && read_proc("/proc/stat", &stat) &&
	    sscanf(stat.data, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2],
		   &v[3], &v[4], &v[5], &v[6], &v[7]) == 8)
		s->cpu_ms = MAYBE((v[0] + v[1] + v[2] + v[5] + v[6]) * 1000 / (uint64_t)hz);
}

static void take_file_system(const char *path, struct maybe *total, struct maybe *available)
{
	struct statvfs v;

	if (statvfs(path, &v))
		return;
	*total = MAYBE((uint64_t)v.f_blocks * v.f_frsize);
	*available = MAYBE((uint64_t)v.f_bavail * v.f_frsize);
}

/* "eth0: rx 7 fields tx ...", after two lines of headings. */
static void take_interfaces(struct guest_stats *s)
{
	AUTO_BUF text = BUF_INIT;
	char *rest;

	if (!read_proc("/proc/net/dev", &text))
		return;
	s->rx_bytes = s->tx_bytes = MAYBE(0);
	for (rest = text.data; rest && *rest;) {
		char *line = strsep(&rest, "\n");
		char *colon = strchr(line, ':');
		unsigned long long rx, tx;

		line += strspn(line, " ");
		if (!colon || !strncmp(line, "lo:", 3) ||
		    sscanf(colon + 1, "%llu %*u %*u %*u %*u %*u %*u %*u %llu", &rx, &tx) != 2)
			continue;
		s->rx_bytes.value += rx;
		s->tx_bytes.value += tx;
	}
}

int builtin_stats(int argc, char **argv)
{
	AUTO_BUF text = BUF_INIT;
	struct guest_stats s = { 0 };
	struct stat root, work;

	(void)argc;
	(void)argv;
	take_memory(&s);
	take_times(&s);
	take_file_system("/", &s.root_total_bytes, &s.root_available_bytes);
	if (!stat("/", &root) && !stat("/root", &work) && root.st_dev != work.st_dev)
		take_file_system("/root", &s.work_total_bytes, &s.work_available_bytes);
	take_interfaces(&s);
	record_write_line(&guest_stats_type, &s, &text);
	return fwrite(text.data, 1, text.len, stdout) == text.len && !fflush(stdout) ? 0 : 1;
}
