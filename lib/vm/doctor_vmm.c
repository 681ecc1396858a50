/* SPDX-License-Identifier: MIT */
/* doctor_vmm.c - the programs that run machines. */
#include <string.h>
#include <sys/stat.h>

#include "vm/doctor.h"
#include "vmm/vmm.h"

/* As 100 * major + minor. */
#define QEMU_OLDEST	   600
#define FIRECRACKER_OLDEST 110
/* Where in its output a program tells its version. */
#define VERSION_WITHIN	   200
#define FIRECRACKER_TARGET "1.16"
#define WHERE_FIRECRACKER  "Download it from https://github.com/firecracker-microvm/firecracker/releases"

void doctor_vmm(struct check_report *r, struct doctor_scene *s)
{
	struct vmm_choice choice;
	AUTO_FAULT f = vmm_choose(&s->store, s->config.vmm, &(struct vmm_need){ false },
				  &s->config, &choice);

	if (f) {
		check_fault(r, true, f);
		return;
	}
	check_pass(r, "%s, %s", choice.driver->name, choice.kvm ? "with KVM" : "emulating");
	vmm_choice_release(&choice);
}

/* The first number with a dot in @text as 100 * major + minor, and its text.  0 when there is none. */
static unsigned int find_version(const char *text, char *shown, size_t room)
{
	for (const char *end = text + strnlen(text, VERSION_WITHIN); text < end; text++) {
		unsigned int major, minor;
		size_t len;

		if (*text < '0' || *text > '9' || sscanf(text, "%5u.%5u", &major, &minor) != 2)
			continue;
		len = strspn(text, "0123456789.");
		snprintf(shown, room, "%.*s", (int)(len < 30 ? len : 30), text);
		return major * 100 + (minor < 100 ? minor : 99);
	}
	return 0;
}

/*
 * Who else could replace the program that runs as us?  NULL when nobody.  Root follows no link
 * either: what it leads to may change.
 */
static const char *ownership_fault(const char *path, bool root)
{
	struct stat st, link;

	if (stat(path, &st) < 0 || lstat(path, &link) < 0)
		return "cannot be looked at";
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return "can be written by others";
	if (st.st_uid != 0 && (root || st.st_uid != geteuid()))
		return "belongs to somebody else";
	if (root && S_ISLNK(link.st_mode) && link.st_uid != 0)
		return "is somebody else's link";
	return NULL;
}

/* The row of one program: version and ownership. */
static void check_program(struct check_report *r, struct doctor_tool *tool, unsigned int oldest,
			  const char *oldest_text)
{
	const char *path = doctor_tool_path(tool), *said = doctor_tool_output(tool);
	const char *wrong = ownership_fault(path, r->root);
	AUTO_FREE char *remedy = xasprintf("sudo chown root: %s; sudo chmod 0755 %s", path, path);
	char shown[32] = "?";
	unsigned int version = said ? find_version(said, shown, sizeof(shown)) : 0;

	if (wrong)
		check_warn(r, remedy, "%s %s", path, wrong);
	else if (!said)
		check_warn(r, NULL, "%s does not answer --version", path);
	else if (!version)
		check_warn(r, NULL, "%s tells no version", path);
	else if (version < oldest)
		check_warn(r, NULL, "%s is version %s; older than %s is not tested", path, shown,
			   oldest_text);
	else
		check_pass(r, "%s, version %s", path, shown);
}

void doctor_qemu(struct check_report *r, struct doctor_scene *s)
{
	if (s->qemu)
		check_program(r, s->qemu, QEMU_OLDEST, "6.0");
	else
		check_warn(r, "sudo apt-get install qemu-system-x86 qemu-utils",
			   "there is no program '%s'", s->config.qemu_bin);
}

void doctor_firecracker(struct check_report *r, struct doctor_scene *s)
{
	if (s->firecracker)
		check_program(r, s->firecracker, FIRECRACKER_OLDEST, "1.10");
	else
		check_pass(r, "not installed: QEMU is used. " WHERE_FIRECRACKER " (" FIRECRACKER_TARGET ")");
}

void doctor_jailer(struct check_report *r, struct doctor_scene *s)
{
	char here[32] = "", theirs[32] = "";
	const char *mine, *other;

	if (!s->firecracker || !r->root) {
		check_pass(r, "not needed%s", r->root ? " without Firecracker" : " by an ordinary user");
		return;
	}
	if (!s->jailer) {
		check_warn(r, "Put the 'jailer' of the same release beside 'firecracker'.",
			   "Firecracker is installed without its jailer");
		return;
	}
	mine = doctor_tool_output(s->jailer);
	other = doctor_tool_output(s->firecracker);
	if (mine && other && find_version(mine, here, sizeof(here)) &&
	    find_version(other, theirs, sizeof(theirs)) && strcmp(here, theirs))
		check_warn(r, "Put the 'jailer' of the same release beside 'firecracker'.",
			   "version %s beside a Firecracker of version %s", here, theirs);
	else
		check_program(r, s->jailer, FIRECRACKER_OLDEST, "1.10");
}
