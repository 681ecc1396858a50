/* SPDX-License-Identifier: MIT */
/* check_system.c - how this host is set up: forwarding, control groups, subordinate ids, names. */
#include <pwd.h>
#include <string.h>

#include "base/text.h"
#include "host/check.h"
#include "host/sysroot.h"

#define FORWARD_FILE	   "/proc/sys/net/ipv4/ip_forward"
#define SUBORDINATE_NEEDED 65536
#define ETC_FILE_MAX	   (4 * MIB)

/* --------------------------------------------------------------------------------- network */

static bool forwards(void)
{
	AUTO_FREE char *line = check_line(FORWARD_FILE);

	return *line == '1';
}

void check_forwarding(struct check_report *r)
{
	if (!r->root) {
		check_pass(r, "not needed by an ordinary user's machines");
		return;
	}
	check_pass(r, forwards() ? "on" : "off; turned on with the first machine that has --nat");
}

/* -------------------------------------------------------------------------- control groups */

/*
 * The line of /proc/self/mountinfo whose mount point is @point and whose type is @type: its options, the
 * mount's and the file system's in one text.  NULL when there is none.  Owned.
 */
static char *mount_options(const char *point, const char *type)
{
	AUTO_BUF text = BUF_INIT;
	char *save = NULL;

	if (!sysroot_read("/proc/self/mountinfo", 4 * MIB, &text))
		return NULL;
	for (char *line = strtok_r(text.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *tail = strstr(line, " - "), at[256] = "", options[256] = "", kind[64] = "", super[512] = "";

		if (tail && sscanf(line, "%*s %*s %*s %*s %255s %255s", at, options) == 2 &&
		    sscanf(tail, " - %63s %*s %511s", kind, super) == 2 && !strcmp(at, point) &&
		    !strcmp(kind, type))
			return xasprintf(",%s,%s,", options, super);
	}
	return NULL;
}

void check_cgroups(struct check_report *r)
{
	AUTO_FREE char *v2 = mount_options("/sys/fs/cgroup", "cgroup2");
	AUTO_FREE char *hybrid = mount_options("/sys/fs/cgroup/unified", "cgroup2");

	if (v2)
		check_pass(r, "version 2");
	else
		check_warn(r, "Boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line.",
			   "control groups are %s: limits of machines cannot be set",
			   hybrid ? "of versions 1 and 2 mixed" : "of version 1, or not mounted");
}

/* Since Linux 6.0 the first machine after a while waits tens of milliseconds for the lock that moves
 * threads between groups, for each thread that protects against iTLB multihit. */
void check_favordynmods(struct check_report *r)
{
	AUTO_FREE char *v2 = mount_options("/sys/fs/cgroup", "cgroup2");
	AUTO_FREE char *nx = check_line("/sys/module/kvm/parameters/nx_huge_pages");
	bool kvm = check_module("kvm_intel") == MODULE_LOADED || check_module("kvm_amd") == MODULE_LOADED;

	if (!v2 || !kvm || check_kernel_version() < 600 || !strcmp(nx, "never") || !strcmp(nx, "N"))
		check_pass(r, "not needed");
	else if (strstr(v2, ",favordynmods,"))
		check_pass(r, "on");
	else
		check_warn(r, strstr(v2, ",nsdelegate,")
				      ? "sudo mount -o remount,nsdelegate,memory_recursiveprot,favordynmods "
					"/sys/fs/cgroup"
				      : "sudo mount -o remount,favordynmods /sys/fs/cgroup",
			   "off: making a machine can wait 20 to 40 ms for the kernel");
}

/* -------------------------------------------------------------------------- subordinate ids */

/* Does a line "user:first:count" of @file give @name or @uid enough ids? */
static bool has_ids(const char *file, const char *name, uid_t uid)
{
	AUTO_FREE char *number = xasprintf("%u", (unsigned int)uid);
	AUTO_BUF text = BUF_INIT;
	char *save = NULL;

	if (!sysroot_read(file, ETC_FILE_MAX, &text))
		return false;
	for (char *line = strtok_r(text.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *first = strchr(line, ':'), *count = first ? strchr(first + 1, ':') : NULL;

		if (!count)
			continue;
		*first = '\0';
		if ((!strcmp(line, name) || !strcmp(line, number)) &&
		    strtoull(count + 1, NULL, 10) >= SUBORDINATE_NEEDED)
			return true;
	}
	return false;
}

void check_subordinate_ids(struct check_report *r)
{
	const struct passwd *user = getpwuid(getuid());
	const char *name = user ? user->pw_name : "?";
	AUTO_FREE char *remedy = NULL;

	if (r->root) {
		check_pass(r, "not needed by root");
	} else if (has_ids("/etc/subuid", name, getuid()) && has_ids("/etc/subgid", name, getuid())) {
		check_pass(r, "%s has at least %d", name, SUBORDINATE_NEEDED);
	} else {
		remedy = xasprintf("sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s",
				   name);
		check_warn(r, remedy, "%s has fewer than %d in /etc/subuid or /etc/subgid: 'image build' and "
			   "images of Debian suites need them", name, SUBORDINATE_NEEDED);
	}
}

/* ----------------------------------------------------------------------------------- names */

static bool hosts_line_has(const char *word)
{
	AUTO_BUF text = BUF_INIT;
	char *save = NULL;

	if (!sysroot_read("/etc/nsswitch.conf", ETC_FILE_MAX, &text))
		return false;
	for (char *line = strtok_r(text.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *words = NULL, *at;

		line[strcspn(line, "#")] = '\0';
		at = strtok_r(line, " \t:", &words);
		if (!at || strcmp(at, "hosts"))
			continue;
		while ((at = strtok_r(NULL, " \t:", &words)))
			if (!strcmp(at, word))
				return true;
	}
	return false;
}

void check_names(struct check_report *r)
{
	if (!r->root)
		check_pass(r, "not needed: an ordinary user's machines have no addresses on this host");
	else if (hosts_line_has("banger"))
		check_pass(r, "/etc/nsswitch.conf asks banger for NAME.vm");
	else
		check_warn(r, "sudo banger system install --nss",
			   "programs on this host do not know NAME.vm: /etc/nsswitch.conf does not ask banger");
}
