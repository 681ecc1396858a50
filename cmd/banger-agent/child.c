/* SPDX-License-Identifier: MIT */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "agent.h"
#include "user.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ----------------------------------------------- in the child: nothing below returns on failure */

static int report_fd = -1;

static void fail(enum frame_exit_kind kind, const char *fmt, ...) PRINTF(2, 3)
	__attribute__((noreturn));
static void fail(enum frame_exit_kind kind, const char *fmt, ...)
{
	char report[CHILD_REPORT_MAX] = { (char)kind };
	ssize_t ignored;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(report + 1, sizeof(report) - 1, fmt, ap);
	va_end(ap);
	ignored = write(report_fd, report, 1 + strlen(report + 1));
	(void)ignored;
	_exit(125);
}

static void fail_with(enum frame_exit_kind kind, struct fault *f) __attribute__((noreturn));
static void fail_with(enum frame_exit_kind kind, struct fault *f)
{
	fail(kind, "%s", fault_message(f));
}

static void fail_errno(enum frame_exit_kind kind, const char *fmt, ...) PRINTF(2, 3)
	__attribute__((noreturn));
static void fail_errno(enum frame_exit_kind kind, const char *fmt, ...)
{
	int number = errno;
	AUTO_FREE char *what = NULL;
	va_list ap;

	va_start(ap, fmt);
	what = xvasprintf(fmt, ap);
	va_end(ap);
	errno = number;
	fail_with(kind, fault_sys(F_SYS, "%s", what));
}

/* Set "K=V", in the place of an earlier value of K. */
static void set_env(struct strings *env, const char *pair)
{
	size_t key = strcspn(pair, "=") + 1;

	for (size_t i = 0; i < env->n; i++) {
		if (!strncmp(env->v[i], pair, key)) {
			free(env->v[i]);
			env->v[i] = xstrdup(pair);
			return;
		}
	}
	strings_add(env, pair);
}

static void set_env_pair(struct strings *env, const char *key, const char *value)
{
	AUTO_FREE char *pair = xasprintf("%s=%s", key, value);

	set_env(env, pair);
}

static const char *get_env(const struct strings *env, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < env->n; i++)
		if (!strncmp(env->v[i], key, len) && env->v[i][len] == '=')
			return env->v[i] + len + 1;
	return NULL;
}

static void make_env(const struct frame_exec *e, const struct seed *seed, const struct user *u,
		     struct strings *env)
{
	set_env(env, "PATH=" DEFAULT_PATH);
	set_env_pair(env, "HOME", u->home);
	if (u->name) {
		set_env_pair(env, "USER", u->name);
		set_env_pair(env, "LOGNAME", u->name);
	}
	if (u->shell)
		set_env_pair(env, "SHELL", u->shell);
	if (e->tty)
		set_env(env, "TERM=xterm");
	for (size_t i = 0; i < seed->env.n; i++)
		set_env(env, seed->env.v[i]);
	for (size_t i = 0; i < e->env.n; i++)
		set_env(env, e->env.v[i]);
}

static void become(const struct user *u)
{
	if (setgroups(u->n_groups, u->groups))
		fail_errno(FRAME_FAILED, "setting the command's groups");
	if (setgid(u->gid) || setuid(u->uid))
		fail_errno(FRAME_FAILED, "becoming the command's user");
}

static void enter(const struct frame_exec *e, const struct seed *seed, const struct user *u)
{
	if (e->cwd) {
		if (chdir(e->cwd))
			fail_errno(FRAME_FAILED, "working directory '%s'", e->cwd);
		return;
	}
	/* Nobody asked for these by name, so a missing one is no reason not to run. */
	if (seed->working_dir && !chdir(seed->working_dir))
		return;
	if (chdir(u->home) && chdir("/"))
		fail_errno(FRAME_FAILED, "working directory '/'");
}

/* Does the file look like a text, so that a shell could run it? */
static bool is_text(const char *path)
{
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	char head[256];
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));

	return n >= 0 && !memchr(head, 0, (size_t)n);
}

/* execve() with what execvp() does for a script that has no #! line. */
static void run_file(const char *path, char **argv, char **env)
{
	execve(path, argv, env);
	if (errno == ENOEXEC && is_text(path)) {
		struct strings with_shell = { 0 };

		strings_add(&with_shell, "/bin/sh");
		strings_add(&with_shell, path);
		for (size_t i = 1; argv[0] && argv[i]; i++)
			strings_add(&with_shell, argv[i]);
		execve("/bin/sh", with_shell.v, env);
		strings_release(&with_shell);
		errno = ENOEXEC;
	}
}

static void explain(const char *path) __attribute__((noreturn));
static void explain(const char *path)
{
	int number = errno;

	if ((number == ENOENT || number == ENOTDIR) && access(path, F_OK))
		fail_errno(FRAME_NOT_FOUND, "'%s'", path);
	if (number == ENOENT)
		fail(FRAME_NOT_EXECUTABLE, "'%s' needs an interpreter or loader that does not "
		     "exist in the machine", path);
	if (number == ENOEXEC)
		fail(FRAME_NOT_EXECUTABLE, "'%s' is no program for this machine", path);
	errno = number;
	fail_errno(FRAME_NOT_EXECUTABLE, "'%s'", path);
}

static void run_from_path(char **argv, const struct strings *env)
{
	const char *path = get_env(env, "PATH");
	AUTO_FREE char *denied = NULL;
	int denied_errno = 0;
	AUTO_FREE char *copy = xstrdup(path ? path : DEFAULT_PATH);
	char *rest = copy;

	for (char *dir = strsep(&rest, ":"); dir; dir = strsep(&rest, ":")) {
		AUTO_FREE char *file = xasprintf("%s/%s", *dir ? dir : ".", argv[0]);

		run_file(file, argv, env->v);
		if ((errno == ENOENT || errno == ENOTDIR) && access(file, F_OK))
			continue;
		if (!denied) {
			denied_errno = errno;
			denied = steal_ptr(&file);
		}
	}
	if (denied) {
		errno = denied_errno;
		explain(denied);
	}
	fail(FRAME_NOT_FOUND, "'%s' was not found in the machine (PATH is %s)", argv[0],
	     path ? path : DEFAULT_PATH);
}

/* The agent's own file is reached even where the user has hidden /run. */
static void run_builtin(const struct strings *argv, const struct strings *env)
{
	struct strings whole = { 0 };

	strings_add(&whole, "banger-agent");
	strings_add(&whole, "builtin");
	for (size_t i = 0; i < argv->n; i++)
		strings_add(&whole, argv->v[i]);
	execve("/proc/self/exe", whole.v, env->v);
	fail_errno(FRAME_FAILED, "starting a part of the agent");
}

static void run_shell(const struct user *u, const struct strings *env)
{
	const char *candidates[] = { u->shell ? u->shell : "/bin/sh", "/bin/sh" };

	for (size_t i = 0; i < ARRAY_LEN(candidates); i++) {
		const char *slash = strrchr(candidates[i], '/');
		AUTO_FREE char *dashed = xasprintf("-%s", slash ? slash + 1 : candidates[i]);
		char *argv[] = { dashed, NULL };

		execve(candidates[i], argv, env->v);
	}
	if (!strcmp(candidates[0], candidates[1]))
		fail(FRAME_NOT_FOUND, "the machine has no shell: '/bin/sh' cannot be run");
	fail(FRAME_NOT_FOUND, "the machine has no shell: neither '%s' nor '/bin/sh' can be run",
	     candidates[0]);
}

static void wire(const struct child_io *io, const struct user *u)
{
	AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int in = io->in >= 0 ? io->in : null;

	setsid();
	if (io->tty) {
		if (fchown(io->in, u->uid, 5) || fchmod(io->in, 0620))
			fail_errno(FRAME_FAILED, "giving the terminal to the user");
		if (ioctl(io->in, TIOCSCTTY, 0))
			fail_errno(FRAME_FAILED, "taking the terminal");
	}
	if (dup2(in, 0) < 0 || dup2(io->tty ? in : io->out, 1) < 0 ||
	    dup2(io->tty ? in : io->err, 2) < 0)
		fail_errno(FRAME_FAILED, "placing the command's streams");
}

static void reset(void)
{
	AUTO_FD score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	struct sigaction normal = { .sa_handler = SIG_DFL };
	ssize_t ignored;
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		sigaction(i, &normal, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	/* The agent is the last to be killed for memory; what it starts is not. */
	ignored = score < 0 ? 0 : write(score, "0", 1);
	(void)ignored;
}

static void child(const struct frame_exec *e, const struct seed *seed, const struct child_io *io)
	__attribute__((noreturn));
static void child(const struct frame_exec *e, const struct seed *seed, const struct child_io *io)
{
	struct strings env = { 0 };
	struct fault *f;
	struct user u;

	reset();
	f = user_find(e->user, &u);
	if (f)
		fail_with(FRAME_FAILED, f);
	make_env(e, seed, &u, &env);
	wire(io, &u);
	become(&u);
	enter(e, seed, &u);
	if (!e->argv.n)
		run_shell(&u, &env);
	if (e->builtin)
		run_builtin(&e->argv, &env);
	if (!*e->argv.v[0])
		fail(FRAME_NOT_FOUND, "a command's name cannot be empty");
	if (strchr(e->argv.v[0], '/'))
		run_file(e->argv.v[0], e->argv.v, env.v);
	else
		run_from_path(e->argv.v, &env);
	explain(e->argv.v[0]);
}

/* --------------------------------------------------------------------------------- in the agent */

struct fault *child_start(const struct frame_exec *e, const struct seed *seed,
			  const struct child_io *io, pid_t *pid, int *report)
{
	int ends[2];
	pid_t got;

	if (pipe2(ends, O_CLOEXEC))
		return fault_sys(F_SYS, "making a pipe");
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	got = fork();
	if (!got) {
		report_fd = ends[1];
		child(e, seed, io);
	}
	close(ends[1]);
	if (got < 0) {
		fd_close(ends[0]);
		return fault_sys(F_SYS, "starting a process");
	}
	*pid = got;
	*report = ends[0];
	return NULL;
}
