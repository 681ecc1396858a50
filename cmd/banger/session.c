/* SPDX-License-Identifier: MIT */
#include "banger/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>

struct fault *session_from(const struct invocation *inv, struct session *s)
{
	bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	bool shell = !inv->n_rest;
	size_t n;

	*s = (struct session){
		.argv = shell ? NULL : (const char *const *)inv->rest,
		.user = option_value(inv, "user"),
		.cwd = option_value(inv, "workdir"),
		.input = option_given(inv, "interactive") || shell,
		.tty = option_given(inv, "tty") || (shell && terminal),
		.timeout_ms = (int64_t)option_number(inv, "timeout", 0),
	};
	if (shell && !terminal && !option_given(inv, "interactive"))
		return fault_hint(fault_new(F_USAGE, "there is no command, and no terminal for a shell"),
				  "Give a command after '--', or -i to feed a shell from standard "
				  "input.");
	if (s->cwd && s->cwd[0] != '/')
		return fault_new(F_USAGE, "--workdir: '%s' is not an absolute path of the guest",
				 s->cwd);
	if (s->user && !*s->user)
		return fault_new(F_USAGE, "--user: a user's name or number is needed");
	s->env = option_values(inv, "env", &n);
	for (size_t i = 0; i < n; i++)
		if (!strchr(s->env[i], '=') || s->env[i][0] == '=') {
			struct fault *f = fault_new(F_USAGE, "--env '%.64s' is not KEY=VALUE",
						    s->env[i]);

			session_release(s);
			return f;
		}
	s->env = xrealloc_array(s->env, n + 1, sizeof(*s->env));
	s->env[n] = NULL;
	return NULL;
}

void session_release(struct session *s)
{
	free(s->env);
	*s = (struct session){ 0 };
}

/* ------------------------------------------------------------------------------- the terminal */

static int resize_event = -1;

static void note_resize(int number)
{
	int saved = errno;
	uint64_t one = 1;
	ssize_t ignored = write(resize_event, &one, sizeof(one));

	(void)number;
	(void)ignored;
	errno = saved;
}

static void watch_resize(void)
{
	struct sigaction action = { .sa_handler = note_resize, .sa_flags = SA_RESTART };

	sigemptyset(&action.sa_mask);
	resize_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (resize_event >= 0)
		sigaction(SIGWINCH, &action, NULL);
}

static void unwatch_resize(void)
{
	signal(SIGWINCH, SIG_DFL);
	fd_close(resize_event);
	resize_event = -1;
}

/* Asked after each resize event; also clears it. */
static void terminal_size(void *context, uint16_t *rows, uint16_t *columns)
{
	struct winsize size = { 0 };
	uint64_t count;

	(void)context;
	if (resize_event >= 0 && read(resize_event, &count, sizeof(count)) < 0)
		errno = 0; /* nothing was pending: fine */
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col) {
		size.ws_row = 24;
		size.ws_col = 80;
	}
	*rows = size.ws_row;
	*columns = size.ws_col;
}

static bool make_raw(struct termios *saved)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, saved) < 0)
		return false;
	raw = *saved;
	cfmakeraw(&raw);
	return tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

/* ------------------------------------------------------------------------------------ running */

static const char *const login_shell[] = { NULL };

struct fault *session_run(const struct session *s, struct guest *guest,
			  struct guest_status *status)
{
	struct guest_exec e = {
		.argv = s->argv ? s->argv : login_shell,
		.env = s->env,
		.user = s->user,
		.cwd = s->cwd,
		.tty = s->tty,
		.in = s->input ? STDIN_FILENO : -1,
		.out = STDOUT_FILENO,
		.err = STDERR_FILENO,
		.resize_fd = -1,
		.timeout_ms = s->timeout_ms,
	};
	struct termios saved;
	bool raw = false;
	struct fault *f;

	fflush(stdout);
	if (s->tty) {
		watch_resize();
		e.resize_fd = resize_event;
		e.size = terminal_size;
		terminal_size(NULL, &e.rows, &e.columns);
		raw = s->input && make_raw(&saved);
	}
	f = guest_exec_run(guest, &e, status);
	if (raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	if (s->tty)
		unwatch_resize();
	return f;
}

int session_status(const struct invocation *inv, const struct session *s,
		   struct guest_status *status)
{
	int code = guest_exit_code(status);
	const char *what = s->argv ? s->argv[0] : "the login shell";
	AUTO_FAULT f = NULL;

	if (status->how == GUEST_TIMED_OUT)
		f = fault_new(F_TIMEOUT, "'%s' did not end within its time limit and was killed",
			      what);
	else if (status->how == GUEST_NOT_FOUND)
		f = fault_new(F_GUEST, "'%s' was not found in the guest", what);
	else if (status->how == GUEST_NOT_EXECUTABLE)
		f = fault_new(F_GUEST, "'%s' cannot be executed in the guest", what);
	else if (status->how == GUEST_FAILED)
		f = fault_new(F_GUEST, "the guest could not run '%s'", what);
	if (f && status->message)
		f = fault_attach(steal_ptr(&f), fault_new(F_GUEST, "the guest said: %s",
							  status->message));
	if (f)
		print_fault(inv, f);
	free(status->message);
	status->message = NULL;
	return code;
}
