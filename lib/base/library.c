/* SPDX-License-Identifier: MIT */
#include "base/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

static struct fault *missing(const struct library *library)
{
	const char *why = dlerror();

	return fault_hint(fault_new(F_MISSING, "the library %s cannot be used: %s", library->file,
				    why ? why : "unknown reason"),
			  "Install the distribution's package that has it.");
}

static struct fault *load(struct library *library)
{
	void *handle = dlopen(library->file, RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		return missing(library);
	for (size_t i = 0; i < library->n_symbols; i++) {
		void *function = dlsym(handle, library->symbols[i].name);

		if (!function)
			return missing(library);
		/* ISO C has no cast from an object's pointer to a function's. */
		memcpy(library->symbols[i].slot, &function, sizeof(function));
	}
	return NULL;
}

struct fault *library_load(struct library *library)
{
	struct fault *f = NULL;

	pthread_mutex_lock(&loading);
	if (!library->loaded)
		f = load(library);
	library->loaded = !f;
	pthread_mutex_unlock(&loading);
	return f;
}
