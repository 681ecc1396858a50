/* SPDX-License-Identifier: MIT */
/* bzimage.c - any bytes as a bzImage or vmlinux: a kernel or a fault, within the size that was allowed. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "kernel/bzimage.h"
#include "kernel/features.h"

#define MAX_BYTES (4u << 20)

static void embedded_config(int fd)
{
	AUTO_BUF config = BUF_INIT;
	bool found;

	fault_free(features_embedded_config(fd, "fuzz", &config, &found));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FD in = memfd_create("in", MFD_CLOEXEC);
	AUTO_FD out = memfd_create("out", MFD_CLOEXEC);
	AUTO_FREE char *release = NULL, *inner = NULL;
	AUTO_FAULT written = file_write_all(in, data, size, "fuzz");
	struct vmlinux info;
	AUTO_FAULT f = bzimage_extract(in, out, "fuzz", MAX_BYTES, NULL, &info);
	struct stat st;

	fault_free(bzimage_release(in, "fuzz", &release));
	fault_free(vmlinux_release(out, "fuzz", &inner));
	if (written || fstat(out, &st) < 0 || st.st_size > MAX_BYTES)
		abort();
	if (!f && (uint64_t)st.st_size != info.bytes)
		abort();
	embedded_config(in);
	return 0;
}
