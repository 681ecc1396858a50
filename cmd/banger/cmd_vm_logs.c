/* SPDX-License-Identifier: MIT */
/* cmd_vm_logs.c - 'vm logs': takes no lock and writes nothing. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "banger/commands.h"
#include "banger/output.h"
#include "base/cancel.h"
#include "base/file.h"
#include "vm/vm.h"

#define FOLLOW_MS 200

/*
 * A guest's bytes on their way to the user's terminal.  Escape sequences could retitle it, write to
 * its clipboard or make it answer as if the user had typed, so only colours pass; other control
 * characters are made visible.
 */
struct screen {
	bool guarded;	  /* standard output is a terminal */
	char held[32];	  /* the beginning of what may be a colour, or of a two-byte character */
	size_t n_held;
	bool coloured;
};

static void show_plain(char c)
{
	unsigned char byte = (unsigned char)c;

	if (byte == '\n' || byte == '\t' || byte == '\r' || (byte >= ' ' && byte != 0x7f))
		putchar(byte);
	else
		printf("^%c", byte ^ 0x40);
}

static void show_held(struct screen *s)
{
	for (size_t i = 0; i < s->n_held; i++)
		show_plain(s->held[i]);
	s->n_held = 0;
}

/* Could @c follow what is held?  Sets *@whole when it completes it. */
static bool goes_on(const struct screen *s, char c, bool *whole)
{
	*whole = false;
	if (s->held[0] != '\033' || s->n_held == sizeof(s->held))
		return false;
	if (s->n_held == 1)
		return c == '[';
	*whole = c == 'm';
	return *whole || (c >= '0' && c <= ';');
}

static void show(struct screen *s, char c)
{
	bool whole;

	/* U+0080 to U+009F are control characters too: two bytes, C2 and the character. */
	if (s->n_held && s->held[0] == '\xc2') {
		bool control = (c & 0xe0) == 0x80;

		if (control)
			printf("\\x%02x", (unsigned char)c);
		else
			putchar('\xc2');
		s->n_held = 0;
		if (control)
			return;
	} else if (s->n_held && goes_on(s, c, &whole)) {
		s->held[s->n_held++] = c;
		if (whole) {
			fwrite(s->held, 1, s->n_held, stdout);
			s->coloured = true;
			s->n_held = 0;
		}
		return;
	}
	show_held(s);
	if (c == '\033' || c == '\xc2')
		s->held[s->n_held++] = c;
	else
		show_plain(c);
}

static void show_all(struct screen *s, const char *data, size_t len)
{
	if (s->guarded)
		for (size_t i = 0; i < len; i++)
			show(s, data[i]);
	else
		fwrite(data, 1, len, stdout);
}

static void screen_end(struct screen *s)
{
	show_held(s);
	if (s->coloured)
		fputs("\033[0m", stdout);
}

/* The log was begun anew below our feet: by a restart. */
static void follow_truncation(int fd)
{
	struct stat st;
	off_t at = lseek(fd, 0, SEEK_CUR);

	if (!fstat(fd, &st) && st.st_size < at)
		lseek(fd, 0, SEEK_SET);
}

/* Print from @fd's offset to its end. */
static struct fault *print_rest(struct screen *s, int fd)
{
	char chunk[16384];

	follow_truncation(fd);
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_sys(F_SYS, "reading the log");
		show_all(s, chunk, n > 0 ? (size_t)n : 0);
		if (ferror(stdout) || (n == 0 && fflush(stdout)))
			return output_write_fault();
		if (n == 0)
			return NULL;
	}
}

/* What is read: the console has an older and a newer part (vm/console.h), the VMM's log one. */
struct log {
	const struct vm *vm;
	const char *file;
	int fd; /* owned */
};

static struct fault *open_file(const struct log *log, const char *file, int *fd)
{
	*fd = openat(log->vm->dir.fd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (*fd < 0 && errno != ENOENT)
		return fault_sys(F_SYS, "opening the log of VM '%s'", log->vm->dir.name);
	/* A long log of the VMM begins with a hole (vmm/vmm.h). */
	if (*fd >= 0 && lseek(*fd, 0, SEEK_DATA) < 0)
		lseek(*fd, 0, SEEK_SET);
	return NULL;
}

static bool same_file(int a, int b)
{
	struct stat one, other;

	return !fstat(a, &one) && !fstat(b, &other) && one.st_ino == other.st_ino;
}

static struct fault *log_open(struct log *log, bool vmm)
{
	log->file = vmm ? VM_LOG_FILE : VM_CONSOLE_FILE;
	TRY(open_file(log, log->file, &log->fd));
	if (log->fd < 0)
		return fault_hint(fault_new(F_NOT_FOUND, "VM '%s' has no log: it was never started",
					    log->vm->dir.name),
				  "Start it with: banger vm start %s", log->vm->dir.name);
	return NULL;
}

/* The newer part becomes the older one at any moment: when that has happened it is read as such. */
static struct fault *print_older(struct screen *s, struct log *log)
{
	AUTO_FD older = -1;

	TRY(open_file(log, VM_CONSOLE_OLD_FILE, &older));
	return older >= 0 && !same_file(older, log->fd) ? print_rest(s, older) : NULL;
}

/* Print what is there, and go on in a newer part when there is one. */
static struct fault *print_newer(struct screen *s, struct log *log)
{
	AUTO_FD newer = -1;

	TRY(open_file(log, log->file, &newer));
	TRY(print_rest(s, log->fd));
	if (newer < 0 || same_file(newer, log->fd))
		return NULL;
	close(log->fd);
	log->fd = steal_fd(&newer);
	return print_rest(s, log->fd);
}

/* Until the VM is stopped or a signal arrives. */
static struct fault *follow(struct screen *s, struct log *log)
{
	for (;;) {
		struct pollfd stop = { .fd = cancel_fd(), .events = POLLIN };
		bool running = vm_state(log->vm) == VM_RUNNING;

		TRY(print_newer(s, log));
		if (!running || cancel_signal())
			return cancel_check();
		poll(&stop, 1, FOLLOW_MS);
	}
}

static struct fault *logs_run(struct invocation *inv)
{
	bool vmm = option_given(inv, "vmm");
	struct screen screen = { .guarded = isatty(STDOUT_FILENO) };
	AUTO_FREE char *name = NULL;
	AUTO_VM vm = VM_INIT;
	struct log log = { .vm = &vm, .fd = -1 };
	struct fault *f;

	TRY(vm_resolve(&inv->store, inv->operands.v[0], &name));
	TRY(vm_open(&inv->store, &inv->config, name, &vm));
	TRY(log_open(&log, vmm));
	f = vmm ? NULL : print_older(&screen, &log);
	if (!f)
		f = option_given(inv, "follow") ? follow(&screen, &log)
						: print_newer(&screen, &log);
	fd_close(log.fd);
	screen_end(&screen);
	return f;
}

static const struct option logs_options[] = {
	{ .letter = 'f', .name = "follow", .help = "go on printing until the VM stops" },
	{ .name = "vmm", .help = "the messages of the VMM instead of the guest's console" },
	{ 0 },
};

const struct command command_vm_logs = {
	.name = "vm logs",
	.summary = "print what a guest wrote to its console",
	.operands = "NAME",
	.description = "Prints the serial console of the VM's last start: the kernel, the init system, "
		       "and the output of an image's entry point. It is still there after the VM "
		       "stopped. The last 4 to 8 MiB are kept. On a terminal, control characters other than colours are made "
		       "visible; a pipe or file gets every byte.",
	.examples = "banger vm logs -f web\tfollow it",
	.options = logs_options,
	.min_operands = 1,
	.max_operands = 1,
	.complete = COMPLETE_VM,
	.flags = CMD_NEEDS_READ,
	.run = logs_run,
};
