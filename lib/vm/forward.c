/* SPDX-License-Identifier: MIT */
#include "vm/forward.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/text.h"
#include "host/spawn.h"
#include "vm/forward_address.h"

#define LOG_MAX	 (1024 * 1024) /* of a forwarder in the background: begun anew then */
#define ERROR_MS 200	       /* after an accept that failed for want of memory or descriptors */

struct forwarder {
	const struct vm *vm;
	const struct forward_listener *listener;
	char *program; /* ours */
	struct forward_address addresses[FORWARDS_MAX];
	int listeners[FORWARDS_MAX];
	size_t n;
	struct child carriers[FORWARD_CONNECTIONS]; /* pid 0 = free */
	size_t busy;
	bool told_full;
	int pidfd; /* of the VMM */
};

struct fault *forward_check(const struct strings *specs, bool any_port)
{
	struct forward_address seen[FORWARDS_MAX];

	if (specs->n > FORWARDS_MAX)
		return fault_new(F_INVALID, "more than %d ports cannot be forwarded", FORWARDS_MAX);
	for (size_t i = 0; i < specs->n; i++) {
		AUTO_FREE char *mine = NULL;

		TRY(forward_parse(specs->v[i], any_port, &seen[i]));
		mine = forward_text(&seen[i], -1);
		for (size_t k = 0; k < i; k++) {
			AUTO_FREE char *other = forward_text(&seen[k], -1);

			if (!strcmp(mine, other) && strcmp(strrchr(mine, ':'), ":0") != 0)
				return fault_new(F_INVALID, "%s is there twice", mine);
		}
	}
	return NULL;
}

/* All at once: two of them may be in each other's way. */
struct fault *forward_check_free(const struct strings *specs)
{
	int fds[FORWARDS_MAX];
	struct fault *f = NULL;
	size_t n = 0;

	while (!f && n < specs->n && n < FORWARDS_MAX) {
		struct forward_address a;

		fds[n] = -1;
		f = forward_parse(specs->v[n], true, &a);
		if (!f)
			f = forward_listen(&a, &fds[n]);
		n++;
	}
	while (n-- > 0)
		fd_close(fds[n]);
	return f;
}

/* ------------------------------------------------------------------------------------ connections */

static void tell(const struct forwarder *f, const char *sentence)
{
	if (f->listener->tell)
		f->listener->tell(f->listener->context, sentence);
}

static void tell_fault(const struct forwarder *f, struct fault *fault)
{
	tell(f, fault_message(fault));
	fault_free(fault);
}

static struct child *free_carrier(struct forwarder *f)
{
	size_t i = 0;

	while (f->carriers[i].pid)
		i++;
	return &f->carriers[i];
}

static void carry(struct forwarder *f, size_t which, int fd)
{
	AUTO_FREE char *port = xasprintf("%u", f->addresses[which].guest_port);
	const char *argv[] = { f->program, "vm", "proxy", "--state-dir", f->vm->store->path,
			       f->vm->dir.name, port, NULL };
	struct spawn s = { .argv = argv, .in = fd, .out = fd, .err = STDERR_FILENO,
			   .new_session = true };
	struct fault *fault = spawn_start(&s, free_carrier(f));

	if (fault)
		tell_fault(f, fault);
	else
		f->busy++;
}

static void take(struct forwarder *f, size_t which)
{
	AUTO_FD fd = accept4(f->listeners[which], NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0)
		carry(f, which, fd);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		poll(NULL, 0, ERROR_MS);
	if (f->busy < FORWARD_CONNECTIONS || f->told_full)
		return;
	f->told_full = true;
	tell(f, "as many connections are open as can be at once; further ones wait until one of them "
		"ends");
}

/* In the background nobody reads along, so the log must not grow for ever. */
static void bound_log(void)
{
	struct stat st;

	if (!fstat(STDERR_FILENO, &st) && S_ISREG(st.st_mode) && st.st_size > LOG_MAX &&
	    ftruncate(STDERR_FILENO, 0) < 0)
		return;
}

static struct fault *reap(struct forwarder *f, struct child *carrier)
{
	struct child_status ignored; /* it has told the reason itself */

	TRY(child_wait(carrier, 0, &ignored));
	if (!carrier->pid && !--f->busy)
		f->told_full = false;
	bound_log();
	return NULL;
}

/* ------------------------------------------------------------------------------------------- loop */

enum { CANCEL, VMM, FIRST };
#define SLOTS (FIRST + FORWARDS_MAX + FORWARD_CONNECTIONS)

static struct fault *turn(struct forwarder *f, bool *over)
{
	bool room = f->busy < FORWARD_CONNECTIONS;
	struct pollfd fds[SLOTS] = { { cancel_fd(), POLLIN, 0 }, { f->pidfd, POLLIN, 0 } };
	struct pollfd *carriers = fds + FIRST + f->n;

	for (size_t i = 0; i < f->n; i++)
		fds[FIRST + i] = (struct pollfd){ room ? f->listeners[i] : -1, POLLIN, 0 };
	for (size_t i = 0; i < FORWARD_CONNECTIONS; i++)
		carriers[i] = (struct pollfd){ f->carriers[i].pid ? f->carriers[i].pidfd : -1, POLLIN,
					       0 };
	if (poll(fds, FIRST + f->n + FORWARD_CONNECTIONS, -1) < 0 && errno != EINTR)
		return fault_sys(F_SYS, "waiting for connections");
	TRY(cancel_check());
	*over = fds[VMM].revents != 0;
	for (size_t i = 0; i < FORWARD_CONNECTIONS; i++)
		if (carriers[i].fd >= 0 && carriers[i].revents)
			TRY(reap(f, &f->carriers[i]));
	for (size_t i = 0; i < f->n && f->busy < FORWARD_CONNECTIONS; i++)
		if (fds[FIRST + i].revents)
			take(f, i);
	return NULL;
}

static struct fault *listen_all(struct forwarder *f, const struct strings *specs)
{
	for (size_t i = 0; i < specs->n; i++) {
		TRY(forward_parse(specs->v[i], true, &f->addresses[i]));
		TRY(forward_listen(&f->addresses[i], &f->listeners[i]));
		f->n++;
	}
	return NULL;
}

static struct fault *announce(const struct forwarder *f)
{
	struct strings lines = { 0 };
	struct fault *fault;

	for (size_t i = 0; i < f->n; i++) {
		AUTO_FREE char *host = forward_text(&f->addresses[i], f->listeners[i]);
		AUTO_FREE char *line = xasprintf("%s -> %s:%u", host, f->vm->dir.name,
						 f->addresses[i].guest_port);

		strings_add(&lines, line);
	}
	fault = f->listener->ready(f->listener->context, &lines);
	strings_release(&lines);
	return fault;
}

static struct fault *watch_vmm(struct forwarder *f)
{
	struct process_id id;
	struct fault *fault;
	bool running;

	TRY(vm_find_process(f->vm, &running, &id));
	if (running) {
		fault = process_open(&id, &f->pidfd);
		process_id_release(&id);
		TRY(fault);
	}
	if (f->pidfd >= 0)
		return NULL;
	return fault_hint(fault_new(F_STATE, "VM '%s' is not running", f->vm->dir.name),
			  "Start it with: banger vm start %s", f->vm->dir.name);
}

static struct fault *serve(struct forwarder *f, const struct strings *specs)
{
	bool over = false;

	TRY(watch_vmm(f));
	TRY(listen_all(f, specs));
	TRY(announce(f));
	while (!over)
		TRY(turn(f, &over));
	return NULL;
}

struct fault *forward_serve(const struct vm *vm, const struct strings *specs,
			    const struct forward_listener *listener)
{
	struct forwarder f = { .vm = vm, .listener = listener, .program = process_program(),
			       .pidfd = -1 };
	struct fault *fault = forward_check(specs, true);

	if (!fault)
		fault = serve(&f, specs);
	for (size_t i = 0; i < FORWARD_CONNECTIONS; i++)
		child_kill(&f.carriers[i]);
	for (size_t i = 0; i < f.n; i++)
		fd_close(f.listeners[i]);
	fd_close(f.pidfd);
	free(f.program);
	return fault;
}
