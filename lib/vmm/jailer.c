/* SPDX-License-Identifier: MIT */
#include "vmm/jailer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "host/bind.h"
#include "host/cgroup.h"
#include "store/store.h"
#include "vmm/firecracker.h"

#define SHORT_LEN  8
#define UID_BASE   0x70000000u
#define UID_MASK   0x0fffffffu
#define OVERHEAD   (256 * MIB) /* of the VMM's own memory, and for what it reads and writes */
#define MORE_TASKS 64
#define CPU_PERIOD 100000 /* us */

uid_t jailer_uid(const char *id)
{
	AUTO_FREE char *hex = xstrndup(id, SHORT_LEN);

	return UID_BASE | (uid_t)(strtoul(hex, NULL, 16) & UID_MASK);
}

void jail_release(struct jail *jail)
{
	free(jail->id);
	free(jail->base);
	for (size_t i = 0; i < VMM_DISKS_MAX; i++)
		free(jail->disks[i]);
	*jail = (struct jail){ 0 };
}

static struct fault *check_uid(uid_t uid)
{
	struct passwd *known = getpwuid(uid);
	bool taken = known != NULL;

	if (!taken)
		TRY(process_of_user(uid, &taken));
	if (!taken)
		return NULL;
	return fault_hint(fault_new(F_BUSY, "the user %u, which comes from the VM's id, is %s%s",
				    (unsigned int)uid, known ? "the account " : "used by a process",
				    known ? known->pw_name : ""),
			  "Make the VM anew: it then gets another id.");
}

/* Does the name belong to another state directory, for sure?  A copy of one has VMs with the same ids. */
static bool is_theirs(int vm_dir, const char *id)
{
	AUTO_FREE char *tag = cgroup_tag(JAIL_GROUP, id);
	AUTO_FREE char *ours = store_tag_of(vm_dir);

	return tag && ours && strcmp(tag, ours) != 0;
}

static struct fault *check_group(int vm_dir, const char *id)
{
	if (!is_theirs(vm_dir, id))
		return NULL;
	return fault_hint(fault_new(F_STATE, "a VM of another state directory has the control group "
				    "'" JAIL_GROUP "/%s', as when one is a copy of the other", id),
			  "Make the VM anew: it then gets another id.");
}

/* ------------------------------------------------------------------------------ what is inside */

struct place {
	int root; /* descriptor of the jail's root */
	uid_t uid;
};

static struct fault *give(const struct place *p, const char *name)
{
	if (fchownat(p->root, name, p->uid, p->uid, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_sys(F_SYS, "giving '%s' to the jail", name);
	return NULL;
}

/* @own: it is the VM's alone and will be written; what VMs share stays root's and is only read. */
static struct fault *bring(const struct place *p, const char *path, const char *name, bool own)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return fault_sys(F_SYS, "looking at '%s'", path);
	if (S_ISBLK(st.st_mode)) {
		if (mknodat(p->root, name, S_IFBLK | 0600, st.st_rdev) < 0)
			return fault_sys(F_SYS, "making the device '%s' in the jail", name);
		return give(p, name);
	}
	/* The directory that has it is for root alone, so nobody else gets to read it by this. */
	if (!own && !(st.st_mode & S_IROTH) && chmod(path, (st.st_mode & 07777) | 0444) < 0)
		return fault_sys(F_SYS, "letting the jail read '%s'", path);
	if (linkat(AT_FDCWD, path, p->root, name, 0) < 0) {
		if (errno == EXDEV && !own)
			return bind_file(path, p->root, name);
		return fault_sys(F_SYS, "linking '%s' into the jail", path);
	}
	return own ? give(p, name) : NULL;
}

static struct fault *bring_all(const struct place *p, const struct vmm_machine *m, struct jail *jail)
{
	TRY(bring(p, m->kernel_path, "kernel", false));
	TRY(bring(p, m->initrd_path, "initrd", true));
	TRY(bring(p, m->log_path, "log", true));
	TRY(bring(p, m->metrics_path, "metrics", true));
	jail->paths = (struct fc_paths){ "/kernel", "/initrd", "/metrics", "/" FC_VSOCK_SOCKET,
					 { NULL } };
	for (size_t i = 0; i < m->n_disks; i++) {
		jail->disks[i] = xasprintf("/disk%zu", i);
		jail->paths.disks[i] = jail->disks[i];
		TRY(bring(p, m->disks[i].path, jail->disks[i] + 1, !m->disks[i].read_only));
	}
	return NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* jail/<program>/<id>/root, as the jailer names it.  *@root: out, owned. */
static struct fault *make_dirs(int vm_dir, const char *program, const struct jail *jail, int *root)
{
	AUTO_FD base = -1;
	AUTO_FD kind = -1;
	AUTO_FD own = -1;

	TRY(dir_make(vm_dir, JAIL_DIR, 0700, &base));
	TRY(dir_make(base, base_name(program), 0700, &kind));
	TRY(dir_make(kind, jail->id, 0700, &own));
	return dir_make(own, "root", 0700, root);
}

static struct fault *link_socket(const struct vmm_machine *m, const struct jail *jail,
				 const char *program, const char *name)
{
	AUTO_FREE char *from = xasprintf("%s/%s", m->run_dir, name);
	AUTO_FREE char *to = xasprintf("%s/%s/%s/root/%s", jail->base, base_name(program), jail->id,
				       name);

	TRY(fc_clear_socket(from));
	if (symlink(to, from) < 0)
		return fault_sys(F_SYS, "making the link '%s'", from);
	return NULL;
}

struct fault *jail_make(const struct vmm_machine *m, const char *program, struct jail *jail)
{
	AUTO_FREE char *vm_path = xstrndup(m->log_path, (size_t)(base_name(m->log_path) - m->log_path));
	AUTO_FD vm_dir = -1;
	AUTO_FD root = -1;
	struct place p;

	*jail = (struct jail){ .id = xasprintf(JAIL_PREFIX "%.*s", SHORT_LEN, m->id),
			       .base = xasprintf("%s" JAIL_DIR, vm_path),
			       .uid = jailer_uid(m->id) };
	TRY(dir_open(AT_FDCWD, vm_path, &vm_dir));
	TRY(check_group(vm_dir, jail->id));
	TRY(check_uid(jail->uid));
	TRY(jail_remove(vm_dir));
	TRY(make_dirs(vm_dir, program, jail, &root));
	p = (struct place){ root, jail->uid };
	TRY(bring_all(&p, m, jail));
	/* The jailer finds it there and only sets the limits. */
	if (m->tag)
		TRY(cgroup_make(JAIL_GROUP, jail->id, m->tag));
	if (fchown(root, jail->uid, jail->uid) < 0)
		return fault_sys(F_SYS, "giving the jail to its user");
	TRY(link_socket(m, jail, program, FC_API_SOCKET));
	return link_socket(m, jail, program, FC_VSOCK_SOCKET);
}

/* ---------------------------------------------------------------------------- the command line */

static void add(struct strings *out, const char *option, const char *fmt, ...) PRINTF(3, 4);

static void add(struct strings *out, const char *option, const char *fmt, ...)
{
	AUTO_FREE char *value = NULL;
	va_list ap;

	va_start(ap, fmt);
	value = xvasprintf(fmt, ap);
	va_end(ap);
	strings_add(out, option);
	strings_add(out, value);
}

static void add_limits(struct strings *out, const struct vmm_machine *m)
{
	if (cgroup_has("memory"))
		add(out, "--cgroup", "memory.max=%llu",
		    (unsigned long long)(m->memory_bytes + OVERHEAD));
	if (cgroup_has("pids"))
		add(out, "--cgroup", "pids.max=%u", m->vcpu + MORE_TASKS);
	if (cgroup_has("cpu"))
		add(out, "--cgroup", "cpu.max=%llu %d",
		    (unsigned long long)(m->vcpu + 1) * CPU_PERIOD, CPU_PERIOD);
}

void jail_arguments(const struct jail *jail, const struct vmm_machine *m, const char *jailer,
		    const char *program, struct strings *out)
{
	strings_add(out, jailer);
	add(out, "--id", "%s", jail->id);
	add(out, "--exec-file", "%s", program);
	add(out, "--uid", "%u", (unsigned int)jail->uid);
	add(out, "--gid", "%u", (unsigned int)jail->uid);
	add(out, "--chroot-base-dir", "%s", jail->base);
	add(out, "--cgroup-version", "2");
	add(out, "--parent-cgroup", JAIL_GROUP);
	add_limits(out, m);
	strings_add(out, "--");
	add(out, "--api-sock", "/" FC_API_SOCKET);
	add(out, "--log-path", "/log");
	add(out, "--level", "Info");
}

/* -------------------------------------------------------------------------- finding and removing */

/* Visit each jail/<program>/<id>; there is one but for a change of program between two starts. */
static struct fault *each_jail(int vm_dir,
			       struct fault *(*visit)(void *context, int kind, const char *id),
			       void *context)
{
	struct strings programs = { 0 };
	struct fault *f = NULL;
	AUTO_FD base = openat(vm_dir, JAIL_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (base < 0)
		return errno == ENOENT || errno == ENOTDIR ? NULL
							   : fault_sys(F_SYS, "opening the jail");
	f = dir_names(base, "the jail", &programs);
	for (size_t i = 0; !f && i < programs.n; i++) {
		AUTO_FD kind = openat(base, programs.v[i],
				      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		struct strings ids = { 0 };

		if (kind >= 0)
			f = dir_names(kind, "the jail", &ids);
		for (size_t k = 0; !f && k < ids.n; k++)
			if (!strncmp(ids.v[k], JAIL_PREFIX, strlen(JAIL_PREFIX)))
				f = visit(context, kind, ids.v[k]);
		strings_release(&ids);
	}
	strings_release(&programs);
	return f;
}

struct search {
	int vm_dir;
	bool found;
	struct process_id *process;
};

/* The jailer is root's until it has become Firecracker. */
static struct fault *find_one(void *context, int kind, const char *id)
{
	struct search *s = context;
	uid_t uid = jailer_uid(id + strlen(JAIL_PREFIX));

	(void)kind;
	if (is_theirs(s->vm_dir, id))
		return NULL;
	if (!s->found)
		TRY(process_find_as(uid, "--id", id, &s->found, s->process));
	return s->found ? NULL : process_find("--id", id, &s->found, s->process);
}

struct fault *jail_find(const char *vm_dir, bool *found, struct process_id *process)
{
	AUTO_FD dir = open(vm_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct search s = { dir, false, process };

	*found = false;
	if (dir < 0)
		return errno == ENOENT ? NULL : fault_sys(F_SYS, "opening '%s'", vm_dir);
	TRY(each_jail(dir, find_one, &s));
	*found = s.found;
	return NULL;
}

static struct fault *take_apart(void *context, int kind, const char *id)
{
	AUTO_FD own = openat(kind, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD root = own < 0 ? -1
			       : openat(own, "root", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const int *vm_dir = context;
	struct fault *f = root < 0 ? NULL : bind_undo_all(root);

	return is_theirs(*vm_dir, id) ? f : fault_attach(f, cgroup_remove(JAIL_GROUP, id));
}

struct fault *jail_remove(int vm_dir)
{
	struct fault *f = each_jail(vm_dir, take_apart, &vm_dir);

	return fault_attach(f, tree_remove(vm_dir, JAIL_DIR));
}
