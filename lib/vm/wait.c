/* SPDX-License-Identifier: MIT */
#include "vm/wait.h"

#include <poll.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/text.h"
#include "vm/ports.h"

#define STEP_MS	 100
#define ROUND_MS 5000 /* for one look into the guest */

struct fault *vm_condition_from(const char *text, struct vm_condition *out)
{
	static const char *const words[] = { "running", "stopped", "agent", "ssh" };
	uint64_t port = 0;

	for (unsigned int i = 0; i < ARRAY_LEN(words); i++)
		if (!strcmp(text, words[i])) {
			*out = (struct vm_condition){ .kind = i };
			return NULL;
		}
	if (strncmp(text, "port:", 5) != 0)
		return fault_new(F_INVALID, "'%.32s' cannot be waited for: use running, stopped, "
				 "agent, ssh or port:N", text);
	TRY(text_parse_count(text + 5, "the port to wait for", 1, 65535, &port));
	*out = (struct vm_condition){ .kind = WAIT_PORT, .port = (unsigned int)port };
	return NULL;
}

/* Somebody works on the VM: its state is about to change. */
static bool is_worked_on(const struct vm *vm)
{
	struct vm_op op = { 0 };
	AUTO_FAULT none = vm_op_read(&vm->dir, &op);
	AUTO_FD alive = -1;

	if (!none)
		fault_free(process_open(&op.by, &alive));
	record_release(&vm_op_type, &op);
	return alive >= 0;
}

static struct fault *ask_guest(struct vm *vm, const struct vm_condition *c, int wait_ms, bool *met)
{
	AUTO_BUF banner = BUF_INIT;
	struct guest *g = NULL;
	struct fault *f = vm_reach(vm, wait_ms, &g);

	if (!f && c->kind == WAIT_AGENT)
		*met = true;
	else if (!f && c->kind == WAIT_PORT)
		f = guest_listens(g, c->port, wait_ms, met);
	else if (!f)
		f = guest_probe(g, 22, NULL, 0, wait_ms, &banner);
	if (!f && c->kind == WAIT_SSH)
		*met = !strncmp(banner.data, "SSH-", 4);
	guest_close(g);
	return f;
}

/* One look.  What may still become true is no fault. */
static struct fault *look(struct vm *vm, const struct vm_condition *c, int left_ms, bool *met)
{
	struct fault *f;

	*met = false;
	if (c->kind == WAIT_RUNNING || c->kind == WAIT_STOPPED) {
		*met = (vm_state(vm) == VM_RUNNING) == (c->kind == WAIT_RUNNING);
		return NULL;
	}
	f = ask_guest(vm, c, left_ms < 0 || left_ms > ROUND_MS ? ROUND_MS : left_ms + 1, met);
	if (f && (fault_kind(f) == F_TIMEOUT || fault_kind(f) == F_GUEST ||
		  fault_kind(f) == F_BUSY || (fault_kind(f) == F_STATE && is_worked_on(vm)))) {
		fault_free(f);
		f = NULL;
	}
	return f;
}

static struct fault *look_at(const struct store *s, const struct config *config, const char *name,
			     const struct vm_condition *c, int left_ms, bool *met)
{
	AUTO_VM vm = VM_INIT;
	struct fault *f = vm_open(s, config, name, &vm);

	if (f && fault_kind(f) == F_NOT_FOUND && c->kind == WAIT_STOPPED) {
		fault_free(f);
		*met = true;
		return NULL;
	}
	return f ? f : look(&vm, c, left_ms, met);
}

struct fault *vm_wait_for(const struct store *s, const struct config *config, const char *name,
			  const struct vm_condition *condition, const char *text, int wait_ms)
{
	int64_t deadline = clock_deadline(wait_ms);
	bool met = false;

	for (;;) {
		struct pollfd stop = { .fd = cancel_fd(), .events = POLLIN };
		int left = clock_left(deadline);

		TRY(look_at(s, config, name, condition, left, &met));
		if (met)
			return NULL;
		if (clock_left(deadline) == 0)
			return fault_hint(fault_new(F_TIMEOUT, "VM '%s' was not '%s' in time", name,
						    text),
					  "See what the guest printed with: banger vm logs %s", name);
		poll(&stop, 1, STEP_MS);
		TRY(cancel_check());
	}
}
