/* SPDX-License-Identifier: MIT */
/*
 * ssh_client.c - ssh ends with 255 for whatever goes wrong on its side, and also when the command did.
 * So it writes its own messages to a log of ours, with enough in it to tell the two apart.
 */
#include "guest/ssh_client.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/text.h"
#include "host/process.h"
#include "host/spawn.h"

#define LOG_MAX	      (1024 * 1024)
#define CONNECT_LIMIT "90" /* seconds until the guest's server has spoken */
#define SSH_FAILED    255
#define END_WAIT_MS   5000

/* ---------------------------------------------------------------------------------------- words */

void ssh_add_word(struct buf *b, const char *text)
{
	buf_addc(b, '\'');
	for (; *text; text++)
		if (*text == '\'')
			buf_adds(b, "'\\''");
		else
			buf_addc(b, *text);
	buf_addc(b, '\'');
}

void ssh_add_command(struct buf *b, const char *const *argv)
{
	for (size_t i = 0; argv[i]; i++) {
		if (i)
			buf_addc(b, ' ');
		ssh_add_word(b, argv[i]);
	}
}

static void add_percent(struct buf *b, const char *text)
{
	for (; *text; text++) {
		if (*text == '%')
			buf_addc(b, '%');
		buf_addc(b, *text);
	}
}

struct fault *ssh_add_path(struct buf *b, const char *path)
{
	if (strpbrk(path, "\"\\\r\n"))
		return fault_new(F_INVALID, "the path '%s' has a quote, a backslash or a line end in it, "
				 "which ssh's configuration cannot hold", path);
	buf_addc(b, '"');
	add_percent(b, path);
	buf_addc(b, '"');
	return NULL;
}

void ssh_add_proxy_command(struct buf *b, const char *program, const char *state_dir,
			   const char *vm, bool sudo)
{
	const char *const head[] = { program, "vm", "proxy", "--state-dir", state_dir, NULL };
	AUTO_BUF words = BUF_INIT;

	if (sudo)
		buf_adds(b, "sudo ");
	ssh_add_command(&words, head);
	add_percent(b, words.data);
	buf_addf(b, " %s", vm);
}

/* -------------------------------------------------------------------------------------- arguments */

static void add_option(struct strings *argv, const char *name, const char *value)
{
	AUTO_FREE char *text = xasprintf("-o%s=%s", name, value);

	strings_add(argv, text);
}

static struct fault *add_path_option(struct strings *argv, const char *name, const char *path)
{
	AUTO_BUF value = BUF_INIT;

	TRY(ssh_add_path(&value, path));
	add_option(argv, name, value.data);
	return NULL;
}

/*
 * The login shell may be any, so all that it has to do is to start sh with one word.  "exit $?" keeps sh
 * from leaving its place to the command: what kills that one is a status then, which ssh passes on.
 */
static void add_remote_command(struct strings *argv, const char *const *command)
{
	AUTO_BUF inner = BUF_INIT, outer = BUF_INIT;

	ssh_add_command(&inner, command);
	buf_adds(&inner, "; exit $?");
	buf_adds(&outer, "/bin/sh -c ");
	ssh_add_word(&outer, inner.data);
	strings_add(argv, outer.data);
}

static struct fault *fill(const struct ssh_client *c, const char *log, struct strings *argv)
{
	static const char *const fixed[][2] = {
		{ "StrictHostKeyChecking", "yes" }, { "GlobalKnownHostsFile", "/dev/null" },
		{ "UpdateHostKeys", "no" }, { "CheckHostIP", "no" },
		{ "HostKeyAlgorithms", "ssh-ed25519" }, { "IdentitiesOnly", "yes" },
		{ "PreferredAuthentications", "publickey" }, { "ConnectTimeout", CONNECT_LIMIT },
		{ "LogLevel", "DEBUG1" },
	};
	AUTO_FREE char *host = xasprintf("%s.vm", c->vm);
	AUTO_BUF proxy = BUF_INIT;

	strings_add(argv, "ssh");
	strings_add(argv, "-F");
	strings_add(argv, "/dev/null");
	strings_add(argv, "-E");
	strings_add(argv, log);
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		add_option(argv, fixed[i][0], fixed[i][1]);
	ssh_add_proxy_command(&proxy, c->program, c->state_dir, c->vm, false);
	add_option(argv, "ProxyCommand", proxy.data);
	TRY(add_path_option(argv, "UserKnownHostsFile", c->known_hosts));
	TRY(add_path_option(argv, "IdentityFile", c->key_path));
	add_option(argv, "User", c->user);
	if (c->tty || c->argv)
		strings_add(argv, c->tty ? "-tt" : "-T");
	strings_add(argv, "--");
	strings_add(argv, host);
	if (c->argv)
		add_remote_command(argv, c->argv);
	return NULL;
}

/* ----------------------------------------------------------------------------------- what it said */

/* The last line that is no debugging, printable; owned; NULL = none. */
static char *last_words(const struct buf *log)
{
	const char *found = NULL, *end = log->data + log->len;
	AUTO_BUF line = BUF_INIT;

	for (const char *at = log->data; at < end; at++) {
		if (strncmp(at, "debug", 5) != 0 && !strchr("\r\n", *at))
			found = at;
		at = memchr(at, '\n', (size_t)(end - at));
		if (!at)
			break;
	}
	if (!found)
		return NULL;
	text_add_printable(&line, found, strcspn(found, "\r\n"));
	return buf_steal(&line);
}

static struct fault *explain(const struct ssh_client *c, const struct buf *log)
{
	AUTO_FREE char *words = last_words(log);

	if (strstr(log->data, "IDENTIFICATION HAS CHANGED") ||
	    strstr(log->data, "Host key verification failed"))
		return fault_hint(fault_new(F_GUEST, "VM '%s' shows another ssh host key than the one "
					    "that banger made for it: it was replaced in the guest, and "
					    "nothing was sent to it", c->vm),
				  "A restart gives it its own key again: banger vm restart %s", c->vm);
	if (strstr(log->data, "Permission denied"))
		return fault_hint(fault_new(F_DENIED, "VM '%s' does not let user '%s' in with the key "
					    "'%s'", c->vm, c->user, c->key_path),
				  "Without ssh: banger vm exec -it %s", c->vm);
	if (strstr(log->data, "timed out"))
		return fault_new(F_TIMEOUT, "VM '%s': its ssh server did not answer in time", c->vm);
	return fault_hint(fault_new(F_GUEST, "VM '%s': the ssh connection ended: %s", c->vm,
				    words ? words : "ssh does not say why"),
			  "See what the guest printed with: banger vm logs %s", c->vm);
}

/* 255 is also what a command may end with: then its status has arrived, and ssh has told its log. */
static struct fault *judge(const struct ssh_client *c, const struct child_status *end, int log_fd,
			   int *status)
{
	AUTO_BUF log = BUF_INIT;

	*status = end->end == CHILD_SIGNALLED ? 128 + end->code : end->code;
	if (end->end == CHILD_SIGNALLED || end->code != SSH_FAILED)
		return NULL;
	if (lseek(log_fd, 0, SEEK_SET) < 0)
		return fault_sys(F_SYS, "reading what ssh said");
	TRY(file_read_fd(log_fd, LOG_MAX, "what ssh said", &log));
	return strstr(log.data, "rtype exit-status") ? NULL : explain(c, &log);
}

/* --------------------------------------------------------------------------------------- running */

/* A signal is for ssh, which tells the guest as far as it can; then we wait for its end. */
static struct fault *wait_for(struct child *child, struct child_status *end)
{
	struct fault *f = child_wait(child, -1, end);

	if (!f || fault_kind(f) != F_CANCELLED)
		return f;
	cancel_hold();
	f = fault_attach(f, process_kill(child->pidfd, cancel_signal()));
	f = fault_attach(f, child_wait(child, END_WAIT_MS, end));
	cancel_release();
	return f;
}

struct fault *ssh_client_run(const struct ssh_client *c, int *status)
{
	AUTO_FD log = memfd_create("ssh-log", MFD_CLOEXEC);
	AUTO_FREE char *path = process_fd_path(log);
	struct child_status end = { CHILD_EXITED, 0 };
	struct child child = CHILD_INIT;
	struct strings argv = { 0 };
	struct spawn s = { .in = STDIN_FILENO, .out = STDOUT_FILENO, .err = STDERR_FILENO };
	struct fault *f = NULL;

	if (log < 0)
		return fault_sys(F_SYS, "making a file for what ssh says");
	f = fill(c, path, &argv);
	s.argv = (const char *const *)argv.v;
	if (!f)
		f = spawn_start(&s, &child);
	if (f && fault_kind(f) == F_MISSING)
		f = fault_hint(f, "Install it: apt-get install openssh-client");
	if (!f)
		f = wait_for(&child, &end);
	child_kill(&child); /* nothing to do when it has ended */
	strings_release(&argv);
	return f ? f : judge(c, &end, log, status);
}
