/* SPDX-License-Identifier: MIT */
/* wait.h - waiting until a VM is as somebody wants it.  For observers: no locks. */
#ifndef BANGER_VM_WAIT_H
#define BANGER_VM_WAIT_H

#include "vm/vm.h"

struct vm_condition {
	enum { WAIT_RUNNING, WAIT_STOPPED, WAIT_AGENT, WAIT_SSH, WAIT_PORT } kind;
	unsigned int port; /* WAIT_PORT */
};

/* vm_condition_from() - "running", "stopped", "agent", "ssh", "port:8080".  F_INVALID. */
struct fault *vm_condition_from(const char *text, struct vm_condition *out) MUST_CHECK;

/*
 * vm_wait_for() - look again and again until the VM @name is so.  A VM that was removed meanwhile is
 * stopped, too.  @text: the condition, for messages.
 * Return: NULL; F_TIMEOUT after @wait_ms; F_STATE when it does not run, and so cannot answer, and
 * nobody is starting it; F_NOT_FOUND; F_CANCELLED.
 */
struct fault *vm_wait_for(const struct store *s, const struct config *config, const char *name,
			  const struct vm_condition *condition, const char *text,
			  int wait_ms) MUST_CHECK;

#endif
