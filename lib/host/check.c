/* SPDX-License-Identifier: MIT */
#include "host/check.h"

#include <ctype.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/text.h"
#include "host/spawn.h"
#include "host/sysroot.h"

#define MODULE_LIST_MAX	  (8 * MIB)
#define CPUINFO_MAX	  (4 * MIB)
#define MODPROBE_LIMIT_MS 10000

static const struct field row_fields[] = {
	FIELD_REQ(struct check_row, name, FIELD_STRING),
	FIELD_REQ(struct check_row, verdict, FIELD_STRING),
	FIELD_REQ(struct check_row, seen, FIELD_STRING),
	FIELD(struct check_row, remedy, FIELD_STRING),
	FIELD(struct check_row, repaired, FIELD_STRING),
};
const struct record_type check_row_type = {
	"doctor", sizeof(struct check_row), row_fields, ARRAY_LEN(row_fields), 0,
};

void check_report_release(struct check_report *r)
{
	struct check_row *rows = r->rows.v;

	for (size_t i = 0; i < r->rows.n; i++)
		record_release(&check_row_type, &rows[i]);
	free(rows);
	free(r->repaired);
	*r = (struct check_report){ 0 };
}

static void add(struct check_report *r, const char *verdict, const char *remedy, char *seen)
{
	struct check_row *row = records_add(&r->rows, sizeof(*row));

	*row = (struct check_row){ .name = xstrdup(r->name),
				   .verdict = xstrdup(verdict),
				   .seen = seen,
				   .remedy = remedy ? xstrdup(remedy) : NULL,
				   .repaired = steal_ptr(&r->repaired) };
}

void check_pass(struct check_report *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(r, "pass", NULL, xvasprintf(fmt, ap));
	va_end(ap);
}

void check_warn(struct check_report *r, const char *remedy, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(r, "warn", remedy, xvasprintf(fmt, ap));
	va_end(ap);
}

void check_fail(struct check_report *r, const char *remedy, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(r, "fail", remedy, xvasprintf(fmt, ap));
	va_end(ap);
}

void check_fault(struct check_report *r, bool fatal, const struct fault *f)
{
	add(r, fatal ? "fail" : "warn", fault_hint_text(f), xstrdup(fault_message(f)));
}

void check_repaired(struct check_report *r, const char *fmt, ...)
{
	va_list ap;

	free(r->repaired);
	va_start(ap, fmt);
	r->repaired = xvasprintf(fmt, ap);
	va_end(ap);
}

size_t check_count(const struct check_report *r, const char *verdict)
{
	const struct check_row *rows = r->rows.v;
	size_t n = 0;

	for (size_t i = 0; i < r->rows.n; i++)
		n += !strcmp(rows[i].verdict, verdict);
	return n;
}

/* ------------------------------------------------------------------------- what several ask */

char *check_line(const char *path)
{
	AUTO_BUF text = BUF_INIT;

	if (!sysroot_read(path, 64 * KIB, &text))
		return xstrdup("");
	return xstrndup(text.data, strcspn(text.data, "\n"));
}

unsigned int check_kernel_version(void)
{
	AUTO_FREE char *release = check_line("/proc/sys/kernel/osrelease");
	char *end;
	unsigned long major = strtoul(release, &end, 10), minor;

	if (end == release || *end != '.' || major > 1000)
		return 0;
	minor = strtoul(end + 1, NULL, 10);
	return (unsigned int)(major * 100 + (minor < 100 ? minor : 99));
}

bool check_cpu_flag(const char *flag)
{
	AUTO_BUF text = BUF_INIT;
	size_t len = strlen(flag);
	char *line, *end;

	if (!sysroot_read("/proc/cpuinfo", CPUINFO_MAX, &text))
		return false;
	line = strstr(text.data, "\nflags");
	if (!line)
		return false;
	end = strchr(line + 1, '\n');
	if (end)
		*end = '\0';
	for (char *at = strstr(line, flag); at; at = strstr(at + 1, flag))
		if (at[-1] == ' ' && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}

/* Kernels before 6.1 do not tell in /proc: then the form of cpuinfo tells. */
static char *kernel_arch(void)
{
	AUTO_FREE char *arch = check_line("/proc/sys/kernel/arch");
	AUTO_BUF cpus = BUF_INIT;
	struct utsname name;

	if (*arch)
		return steal_ptr(&arch);
	if (!sysroot_is_dump() && !uname(&name))
		return xstrdup(name.machine);
	if (!sysroot_read("/proc/cpuinfo", CPUINFO_MAX, &cpus))
		return xstrdup("unknown");
	return xstrdup(strstr(cpus.data, "CPU implementer") ? "aarch64"
		       : strstr(cpus.data, "vendor_id")	    ? "x86_64"
							    : "unknown");
}

char *check_arch(void)
{
	AUTO_FREE char *kernel = kernel_arch();

	if (!strcmp(kernel, "x86_64"))
		return xstrdup("amd64");
	if (!strcmp(kernel, "aarch64"))
		return xstrdup("arm64");
	return steal_ptr(&kernel);
}

/* "dm_snapshot" is dm-snapshot.ko on the disk, and the other way round for others. */
static bool lists_module(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = strstr(text, ".ko"); at; at = strstr(at + 1, ".ko")) {
		const char *from = at - len;
		size_t same = 0;

		if ((size_t)(at - text) <= len || from[-1] != '/')
			continue;
		while (same < len && (from[same] == name[same] ||
				      (from[same] == '-' && name[same] == '_')))
			same++;
		if (same == len)
			return true;
	}
	return false;
}

static bool is_listed(const char *file, const char *name)
{
	AUTO_FREE char *release = check_line("/proc/sys/kernel/osrelease");
	AUTO_FREE char *path = xasprintf("/lib/modules/%s/%s", release, file);
	AUTO_BUF text = BUF_INIT;

	return !strchr(release, '/') && sysroot_read(path, MODULE_LIST_MAX, &text) &&
	       lists_module(text.data, name);
}

enum check_module check_module(const char *name)
{
	AUTO_FREE char *path = xasprintf("/sys/module/%s", name);

	if (sysroot_exists(path) || is_listed("modules.builtin", name))
		return MODULE_LOADED;
	return is_listed("modules.dep", name) ? MODULE_LOADABLE : MODULE_ABSENT;
}

bool check_load_module(struct check_report *r, const char *name)
{
	const char *const argv[] = { "modprobe", "--", name, NULL };
	AUTO_FAULT f = spawn_run(&(struct spawn){ SPAWN_INIT, .argv = argv,
						  .deadline_ms = MODPROBE_LIMIT_MS }, NULL, 0);

	if (f)
		return false;
	check_repaired(r, "loaded kernel module %s", name);
	return true;
}
