/* SPDX-License-Identifier: MIT */
/* vm_select.h - --filter, --since and --label: which VMs a command is about. */
#ifndef BANGER_CMD_VM_SELECT_H
#define BANGER_CMD_VM_SELECT_H

#include "banger/command.h"
#include "vm/vm.h"

struct vm_select {
	struct strings states, images; /* one of them must fit; none = any */
	struct strings labels;	       /* all must fit: "K=V" or "K" */
	time_t since;		       /* made then or later; 0 = whenever */
};

/* vm_select_from() - read the options of an invocation that has them.  F_USAGE. */
struct fault *vm_select_from(const struct invocation *inv, struct vm_select *s) MUST_CHECK;
void vm_select_release(struct vm_select *s);
bool vm_select_fits(const struct vm_select *s, const char *state, const struct vm_spec *spec);

#define VM_SELECT_OPTIONS                                                                          \
	{ .letter = 'f', .name = "filter", .value = "KEY=VALUE", .repeat = true,                   \
	  .help = "only VMs with state=STATE, image=IMAGE, label=KEY or label=KEY=VALUE; several, "  \
		  "separated by commas, must all fit, but any one of several states or images" },    \
	{ .name = "since", .value = "DURATION", .type = OPTION_DURATION,                           \
	  .help = "only VMs that were made in this last time" }

#endif
