/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  mmdebstrap writes a tar to its standard output; the builder reads it from
 * the pipe while mmdebstrap's standard error is read beside it, so that neither can block the other.
 * Its last words are kept for the fault.  It cleans up after itself when it and its children are told
 * to stop by SIGTERM, or when its pipes break because we were killed; so it is not killed outright
 * while it still has a chance to.  Only it can: as an ordinary user's its files have owners from the
 * subordinate range.
 */
#include "image/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "host/machine.h"
#include "host/spawn.h"
#include "image/scratch.h"
#include "kernel/mirror.h"

#define KEYRING	      "/usr/share/keyrings/debian-archive-keyring.gpg"
#define SEARCH_PATH   "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define CHUNK	      (256 * 1024)
#define STDERR_KEPT   (16 * 1024)
#define SUBID_MAX     (1u << 20)
#define STOP_GRACE_MS 30000

/*
 * Run by mmdebstrap's shell in the finished tree, "$1"; constant text, nothing is put into it.
 *
 * Host keys must not be the same in all machines: one is made when sshd first starts; an RSA key as
 * well would take an emulated machine 15 s.  Host name and resolver are this host's; the agent sets
 * the machine's own.  A machine that lives for minutes should not spend them on looking for package
 * updates.
 */
static const char tidy_hook[] =
	"set -e; cd \"$1\"\n"
	"rm -f etc/ssh/ssh_host_* etc/hostname etc/resolv.conf\n"
	"rm -f etc/systemd/system/timers.target.wants/apt-daily*\n"
	"rm -f etc/systemd/system/timers.target.wants/e2scrub*\n"
	"echo LANG=C.UTF-8 > etc/default/locale\n"
	"[ -d etc/ssh ] || exit 0\n"
	"mkdir -p etc/systemd/system/ssh.service.d\n"
	"cat > etc/systemd/system/ssh.service.d/host-keys.conf <<'END'\n"
	"[Service]\n"
	"ExecStartPre=\n"
	"ExecStartPre=/bin/sh -c 'k=/etc/ssh/ssh_host_ed25519_key; "
	"[ -s $$k ] || ssh-keygen -q -t ed25519 -N \"\" -f $$k'\n"
	"ExecStartPre=/usr/sbin/sshd -t\n"
	"END\n";

static const char *const fixed_arguments[] = {
	"--variant=minbase",
	"--format=tar",
	"--aptopt=Acquire::Languages \"none\"",
	"--dpkgopt=path-exclude=/usr/share/man/*",
	"--dpkgopt=path-exclude=/usr/share/info/*",
	"--dpkgopt=path-exclude=/usr/share/locale/*",
	"--dpkgopt=path-exclude=/usr/share/doc/*",
	"--dpkgopt=path-include=/usr/share/doc/*/copyright",
};

/* --------------------------------------------------------------------------------- what to run */

static bool is_plain_word(const char *text, const char *allowed)
{
	return *text && *text != '-' && text[strspn(text, allowed)] == '\0';
}

struct fault *suite_check(const struct suite *suite)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789.+-";

	if (!is_plain_word(suite->suite, allowed))
		return fault_new(F_INVALID, "'%s' is not the name of a Debian suite", suite->suite);
	for (size_t i = 0; i < suite->include->n; i++)
		if (!is_plain_word(suite->include->v[i], allowed))
			return fault_new(F_INVALID, "'%s' is not the name of a Debian package",
					 suite->include->v[i]);
	return NULL;
}

/* Has this user a line in /etc/subuid or /etc/subgid (subuid(5)), by name or by number? */
static bool has_subordinate_ids(const char *file, const char *user)
{
	AUTO_FREE char *number = xasprintf("%u", (unsigned int)getuid());
	AUTO_FD fd = open(file, O_RDONLY | O_CLOEXEC);
	AUTO_BUF text = BUF_INIT;
	AUTO_FAULT f = fd < 0 ? NULL : file_read_fd(fd, SUBID_MAX, file, &text);

	if (f)
		return false;
	for (const char *line = text.data; *line; line += strspn(line, "\n")) {
		size_t len = strcspn(line, ":\n");

		if (line[len] == ':' &&
		    ((len == strlen(number) && !strncmp(line, number, len)) ||
		     (user && len == strlen(user) && !strncmp(line, user, len))))
			return true;
		line += strcspn(line, "\n");
	}
	return false;
}

static bool is_installed(const char *program)
{
	AUTO_FREE char *path = machine_find_program(program);

	return path;
}

/*
 * How mmdebstrap is to act as root.  "unshare" keeps its mounts in a namespace of its own, for root
 * as well: they end with it, whatever happens to us.
 */
static struct fault *choose_mode(const char **mode)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *user = pw ? pw->pw_name : NULL;
	AUTO_FREE char *who = user ? xstrdup(user) : xasprintf("%u", (unsigned int)getuid());

	*mode = "unshare";
	if (!geteuid() || (is_installed("newuidmap") && has_subordinate_ids("/etc/subuid", user) &&
			   has_subordinate_ids("/etc/subgid", user)))
		return NULL;
	*mode = "fakechroot";
	if (is_installed("fakechroot") && is_installed("fakeroot"))
		return NULL;
	return fault_hint(fault_new(F_MISSING, "building a Debian image as an ordinary user needs a "
				    "range of subordinate user ids, and user '%s' has none", who),
			  "As root: apt-get install uidmap && usermod --add-subuids 100000-165535 "
			  "--add-subgids 100000-165535 %s (or: apt-get install fakechroot fakeroot)",
			  who);
}

static struct fault *check_host(void)
{
	if (!is_installed("mmdebstrap"))
		return fault_hint(fault_new(F_MISSING, "program 'mmdebstrap' is not installed; it "
					    "builds Debian images"),
				  "As root: apt-get install mmdebstrap");
	if (access(KEYRING, R_OK) < 0)
		return fault_hint(fault_sys(F_MISSING, "the keys that Debian's packages are checked "
					    "with, '%s'", KEYRING),
				  "As root: apt-get install debian-archive-keyring");
	return NULL;
}

static void add_mirror(struct strings *argv, const char *uri, const char *suite, const char *pocket)
{
	AUTO_FREE char *line = xasprintf("deb [signed-by=" KEYRING "] %s %s%s main", uri, suite,
					 pocket);

	strings_add(argv, line);
}

static struct fault *add_mirrors(const struct suite *suite, struct strings *argv, char **source)
{
	AUTO_FREE char *security_suite = xasprintf("%s-security", suite->suite);
	AUTO_FREE char *main_uri = NULL, *security_uri = NULL;

	TRY(mirror_find(suite->suite, &main_uri));
	TRY(mirror_find(security_suite, &security_uri));
	add_mirror(argv, main_uri, suite->suite, "");
	add_mirror(argv, main_uri, suite->suite, "-updates");
	add_mirror(argv, security_uri, security_suite, "");
	*source = xasprintf("%s from %s", suite->suite, main_uri);
	return NULL;
}

static struct fault *make_arguments(const struct suite *suite, struct strings *argv, char **source)
{
	AUTO_FREE char *hook = xasprintf("--customize-hook=%s", tidy_hook);
	AUTO_FREE char *mode_option = NULL;
	AUTO_BUF include = BUF_INIT;
	const char *mode;

	TRY(suite_check(suite));
	TRY(check_host());
	TRY(choose_mode(&mode));
	mode_option = xasprintf("--mode=%s", mode);
	strings_add(argv, "mmdebstrap");
	strings_add(argv, mode_option);
	for (size_t i = 0; i < ARRAY_LEN(fixed_arguments); i++)
		strings_add(argv, fixed_arguments[i]);
	strings_add(argv, hook);
	for (size_t i = 0; i < suite->include->n; i++)
		buf_addf(&include, "%s%s", i ? "," : "--include=", suite->include->v[i]);
	if (include.len)
		strings_add(argv, include.data);
	strings_add(argv, suite->suite);
	strings_add(argv, "-");
	return add_mirrors(suite, argv, source);
}

/*
 * No file is newer than this, and what packages' scripts date when they run has it: seconds since 1970,
 * as text, of the first release of the suite.  Owned.
 */
static char *source_date(const char *suite)
{
	static const struct {
		const char *suite, *epoch;
	} releases[] = {
		{ "bullseye", "1628899200" },
		{ "bookworm", "1686355200" },
		{ "trixie", "1754697600" },
	};
	const char *given = getenv("SOURCE_DATE_EPOCH");

	if (given && *given)
		return xstrdup(given);
	for (size_t i = 0; i < ARRAY_LEN(releases); i++)
		if (!strcmp(suite, releases[i].suite))
			return xstrdup(releases[i].epoch);
	return xstrdup("1735689600"); /* 2025-01-01 */
}

/* Our environment with a PATH that has what mmdebstrap runs: users' often lacks /usr/sbin. */
static void make_environment(const char *suite, const char *temporary, struct strings *env)
{
	AUTO_FREE char *date = source_date(suite);
	AUTO_FREE char *epoch = xasprintf("SOURCE_DATE_EPOCH=%s", date);
	AUTO_FREE char *tmpdir = xasprintf("TMPDIR=%s", temporary);
	const char *path = getenv("PATH");
	AUTO_FREE char *both = xasprintf("PATH=%s%s" SEARCH_PATH, path ? path : "",
					 path && *path ? ":" : "");

	for (char **e = environ; *e; e++)
		if (strncmp(*e, "PATH=", 5) && strncmp(*e, "LC_ALL=", 7) &&
		    strncmp(*e, "TMPDIR=", 7) && strncmp(*e, "SOURCE_DATE_EPOCH=", 18))
			strings_add(env, *e);
	strings_add(env, both);
	strings_add(env, tmpdir);
	strings_add(env, epoch);
	strings_add(env, "LC_ALL=C.UTF-8");
}

/* ------------------------------------------------------------------------------------- running */

struct run {
	const struct suite *suite;
	struct scratch scratch;
	struct child child;
	int out, err; /* ends that we read; -1 once closed */
	uint64_t done;
	struct buf said; /* the end of standard error */
	size_t line_at;	 /* where in `said` the line under way starts */
	char chunk[CHUNK];
};

/* "I: running apt-get update..." is a stage. */
static void report_lines(struct run *r)
{
	char *end;

	while ((end = strchr(r->said.data + r->line_at, '\n'))) {
		char *line = r->said.data + r->line_at;

		if (end - line > 6 && end - line < 100 && !strncmp(line, "I: ", 3) &&
		    !strncmp(end - 3, "...", 3) && strncmp(line + 3, "finding", 7) &&
		    strncmp(line + 3, "removing", 8))
			progress_stage(r->suite->progress, "%s: %.*s", r->suite->label,
				       (int)(end - line - 6), line + 3);
		r->line_at = (size_t)(end + 1 - r->said.data);
	}
}

static void read_stderr(struct run *r)
{
	ssize_t n = read(r->err, buf_grow(&r->said, 4096), 4096);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		fd_close(steal_fd(&r->err));
		return;
	}
	/* buf_add() onto itself would copy; the bytes are in place already. */
	r->said.len += (size_t)n;
	r->said.data[r->said.len] = '\0';
	for (size_t i = r->line_at; i < r->said.len; i++)
		if (!r->said.data[i])
			r->said.data[i] = ' ';
	report_lines(r);
	if (r->said.len > STDERR_KEPT) {
		size_t drop = r->said.len - STDERR_KEPT;

		buf_drop(&r->said, drop);
		r->line_at = r->line_at > drop ? r->line_at - drop : 0;
	}
}

/* An archive_source: the next bytes of the tar, reading standard error while waiting. */
static struct fault *read_tar(void *context, const void **data, size_t *len)
{
	struct run *r = context;
	ssize_t n = -1;

	*data = r->chunk;
	*len = 0;
	while (r->out >= 0) {
		struct pollfd p[3] = { { .fd = r->out, .events = POLLIN },
				       { .fd = r->err, .events = POLLIN },
				       { .fd = cancel_fd(), .events = POLLIN } };

		if (poll(p, 3, -1) < 0 && errno != EINTR)
			return fault_sys(F_SYS, "waiting for mmdebstrap");
		TRY(cancel_check());
		if (r->err >= 0 && p[1].revents)
			read_stderr(r);
		if (!p[0].revents)
			continue;
		n = read(r->out, r->chunk, CHUNK);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "reading from mmdebstrap");
		if (!n) {
			fd_close(steal_fd(&r->out));
			return NULL;
		}
		*len = (size_t)n;
		r->done += *len;
		progress_amount(r->suite->progress, r->done, 0);
		return NULL;
	}
	return NULL;
}

static struct fault *make_pipe(int *read_end, int *write_end)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return fault_sys(F_SYS, "creating a pipe");
	fcntl(fds[0], F_SETFL, O_NONBLOCK); /* the reading end only: they are two open files */
	*read_end = fds[0];
	*write_end = fds[1];
	return NULL;
}

static struct fault *start(struct run *r, const struct strings *argv)
{
	struct strings env = { 0 };
	struct spawn spawn = { .argv = (const char *const *)argv->v, SPAWN_INIT,
			       .new_session = true };
	AUTO_FD out = -1;
	AUTO_FD err = -1;
	struct fault *f;

	TRY(scratch_open(&r->scratch));
	TRY(make_pipe(&r->out, &out));
	TRY(make_pipe(&r->err, &err));
	make_environment(r->suite->suite, r->scratch.path, &env);
	spawn.env = (const char *const *)env.v;
	spawn.out = out;
	spawn.err = err;
	f = spawn_start(&spawn, &r->child);
	strings_release(&env);
	return f;
}

/*
 * Wait for the end of the child, at most until @deadline, reading what it says meanwhile.  Its pipe
 * may outlive it in the hands of a daemon that a package started, so its end is not waited for.
 */
static struct fault *wait_reading(struct run *r, int64_t deadline, struct child_status *status)
{
	bool gone = false;

	while (!gone && clock_left(deadline) != 0) {
		struct pollfd p[3] = { { .fd = r->child.pidfd, .events = POLLIN },
				       { .fd = r->err, .events = POLLIN },
				       { .fd = cancel_fd(), .events = POLLIN } };

		if (poll(p, 3, clock_left(deadline)) < 0 && errno != EINTR)
			return fault_sys(F_SYS, "waiting for mmdebstrap");
		TRY(cancel_check());
		gone = p[0].revents;
		if (r->err >= 0)
			read_stderr(r);
	}
	return child_wait(&r->child, 0, status);
}

/* What follows the archive, then the exit status. */
static struct fault *drain(struct run *r, struct child_status *status)
{
	const void *data;
	size_t len;

	do
		TRY(read_tar(r, &data, &len));
	while (len);
	return wait_reading(r, -1, status);
}

/*
 * Ask it and what it runs to stop; it waits for them, then cleans up.  They are killed when they do
 * not.
 */
static void stop(struct run *r)
{
	struct child_status status;
	struct fault *f;

	if (r->child.pid <= 0)
		return;
	cancel_hold();
	fd_close(steal_fd(&r->out));
	f = child_signal(&r->child, SIGTERM);
	if (!f)
		f = wait_reading(r, clock_deadline(STOP_GRACE_MS), &status);
	fault_free(f);
	fault_free(child_signal(&r->child, SIGKILL));
	cancel_release();
}

/* The builder is done with it, well or not: what is the verdict? */
static struct fault *conclude(struct run *r, struct fault *f)
{
	struct child_status status;
	AUTO_FAULT of_builder = f;
	struct fault *of_tool;

	/* A stream that ended early is mmdebstrap's failure, whatever the builder made of it. */
	if (!of_builder || r->out < 0) {
		of_tool = drain(r, &status);
		if (!of_tool)
			of_tool = child_fault("mmdebstrap", &status, &r->said);
		if (of_tool) {
			stop(r);
			return of_tool;
		}
	} else {
		stop(r);
	}
	return steal_ptr(&of_builder);
}

static struct fault *run(struct run *r, const struct strings *argv, struct image_builder *builder)
{
	struct archive_source from = { read_tar, r };
	AUTO_FREE char *what = xasprintf("what mmdebstrap made of '%s'", r->suite->suite);

	TRY(start(r, argv));
	return conclude(r, image_builder_layer(builder, &from, what, NULL));
}

struct fault *suite_feed(const struct suite *suite, struct image_builder *builder, char **source)
{
	AUTO_FREE struct run *r = xcalloc(1, sizeof(*r));
	AUTO_FREE char *from = NULL;
	struct strings argv = { 0 };
	struct fault *f;

	r->suite = suite;
	r->child = CHILD_INIT;
	r->scratch = SCRATCH_INIT;
	r->out = r->err = -1;
	buf_init(&r->said);
	f = make_arguments(suite, &argv, &from);
	if (!f)
		f = run(r, &argv, builder);
	child_kill(&r->child);
	f = fault_attach(f, scratch_close(&r->scratch));
	fd_close(r->out);
	fd_close(r->err);
	buf_release(&r->said);
	strings_release(&argv);
	if (!f)
		*source = steal_ptr(&from);
	return f;
}
