/* SPDX-License-Identifier: MIT */
#include "vmm/vmm.h"

#include <string.h>

static const struct vmm_driver *const drivers[] = { &vmm_qemu };

void vmm_choice_release(struct vmm_choice *choice)
{
	free(choice->program);
	free(choice->note);
	*choice = (struct vmm_choice){ 0 };
}

struct fault *vmm_choose(const char *wanted, const struct config *config,
			 struct vmm_choice *choice)
{
	struct fault *f = NULL;

	*choice = (struct vmm_choice){ 0 };
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		struct fault *refusal;

		if (strcmp(wanted, "auto") && strcmp(wanted, drivers[i]->name))
			continue;
		refusal = drivers[i]->probe(config, choice);
		if (!refusal) {
			fault_free(f);
			choice->driver = drivers[i];
			return NULL;
		}
		f = fault_attach(f, refusal);
	}
	return f ? f : fault_new(F_INVALID, "there is no VMM '%s'; known are: %s", wanted, VMM_WORDS);
}

const struct vmm_driver *vmm_find(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_LEN(drivers); i++)
		if (!strcmp(name, drivers[i]->name))
			return drivers[i];
	return drivers[0];
}
