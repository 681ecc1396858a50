/* SPDX-License-Identifier: MIT */
/* deb.c - any bytes as a Debian package: whatever is in it stays below the working directory. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "kernel/parts.h"

static char top_path[] = "/tmp/banger-fuzz-deb-XXXXXX";
static int top = -1;

static void remove_top(void)
{
	fault_free(tree_remove(AT_FDCWD, top_path));
}

static void open_top(void)
{
	AUTO_FAULT f = mkdtemp(top_path) ? dir_open(AT_FDCWD, top_path, &top) : NULL;

	if (f || top < 0)
		abort();
	atexit(remove_top);
}

/* Nothing but the working directory itself may have appeared. */
static void check_top(void)
{
	struct strings names = { 0 };
	AUTO_FAULT f = dir_names(top, "top", &names);

	if (f || names.n != 1 || strcmp(names.v[0], "work"))
		abort();
	strings_release(&names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FD in = memfd_create("in", MFD_CLOEXEC);
	AUTO_FD work = -1;
	AUTO_FREE char *release = NULL;
	AUTO_PARTS parts;

	if (top < 0)
		open_top();

	AUTO_FAULT written = file_write_all(in, data, size, "fuzz");
	AUTO_FAULT made = dir_make(top, "work", 0700, &work);

	if (written || made)
		abort();
	parts_init(&parts, work, "fuzz", NULL);

	fault_free(gather_deb(&parts, in));

	AUTO_FAULT g = peek_deb(in, "fuzz", &release);

	check_top();
	if (!g && !release_is_valid(release))
		abort();

	AUTO_FAULT gone = tree_remove(top, "work");

	if (gone)
		abort();
	return 0;
}
