/* SPDX-License-Identifier: MIT */
#include "vm/proxy.h"

#include <string.h>

#include "base/text.h"
#include "guest/ssh_server.h"

#define ASK_LIMIT_MS 60000

static struct fault *no_server(const struct vm *vm)
{
	return fault_hint(fault_new(F_UNSUPPORTED, "VM '%s' has no ssh server in it", vm->dir.name),
			  "A shell without ssh: banger vm exec -it %s", vm->dir.name);
}

/* What the part of the agent said, on one line and printable; owned. */
static char *reason(const struct buf *text)
{
	AUTO_BUF line = BUF_INIT;

	text_add_printable(&line, text->data, strcspn(text->data, "\r\n"));
	return buf_steal(&line);
}

static struct fault *judge(const struct vm *vm, const struct guest_status *status,
			   const struct buf *err)
{
	AUTO_FREE char *why = reason(err);

	if (status->how == GUEST_EXITED && !status->code)
		return NULL;
	/* So sshd ends when its client has gone; what there was to say went through the stream. */
	if (status->how == GUEST_SIGNALLED ||
	    (status->how == GUEST_EXITED && status->code == 255 && !*why))
		return NULL;
	if (status->how == GUEST_EXITED && status->code == SSH_SERVER_NONE)
		return no_server(vm);
	if (status->how == GUEST_TIMED_OUT)
		return fault_new(F_TIMEOUT, "VM '%s': its agent did not answer in time", vm->dir.name);
	/* The words of cmd/banger-agent/builtin.c: a program that is not found ends so, too. */
	if (status->how == GUEST_EXITED && status->code == 127 && strstr(why, "does not know"))
		return fault_hint(fault_new(F_UNSUPPORTED, "VM '%s': its agent is that of an older "
					    "banger", vm->dir.name),
				  "Restart it: banger vm restart %s", vm->dir.name);
	if (status->how == GUEST_EXITED && *why)
		return fault_new(F_GUEST, "VM '%s': %s", vm->dir.name, why);
	return fault_new(F_GUEST, "VM '%s': the connection inside it ended with status %d",
			 vm->dir.name, guest_exit_code(status));
}

static struct fault *run(struct vm *vm, struct guest_exec *e, int wait_ms)
{
	struct guest_status status = { 0 };
	struct guest *guest = NULL;
	AUTO_BUF err = BUF_INIT;
	struct fault *f;

	TRY(vm_connect(vm, wait_ms, &guest));
	e->builtin = true;
	e->err = e->resize_fd = -1;
	e->err_text = &err;
	e->signals_end = true;
	f = guest_exec_run(guest, e, &status);
	guest_close(guest);
	if (!f)
		f = judge(vm, &status, &err);
	free(status.message);
	return f;
}

struct fault *vm_proxy(struct vm *vm, unsigned int port, const char *key, int in, int out,
		       int wait_ms)
{
	AUTO_FREE char *number = xasprintf("%u", port);
	const char *connect[] = { "connect", number, NULL };
	const char *ssh[] = { SSH_SERVER, key, NULL };
	struct guest_exec e = { .argv = port == PROXY_SSH ? ssh : connect, .in = in, .out = out };

	return run(vm, &e, wait_ms);
}

struct fault *vm_proxy_ask(struct vm *vm, int wait_ms)
{
	static const char *const argv[] = { SSH_SERVER, SSH_SERVER_ASK, NULL };
	struct guest_exec e = { .argv = argv, .in = -1, .out = -1, .timeout_ms = ASK_LIMIT_MS };

	return run(vm, &e, wait_ms);
}
