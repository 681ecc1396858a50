/* SPDX-License-Identifier: MIT */
/* Everything that parses foreign bytes of an image archive: its four documents and its tar headers.
 * The first byte chooses. */
#include <stdint.h>
#include <sys/mman.h>

#include "base/file.h"
#include "image/oci.h"
#include "image/tar_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fuzz_tar(const char *text, size_t len)
{
	AUTO_FD fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct tar_index index;
	AUTO_FAULT f = file_write_all(fd, text, len, "fuzz");

	if (f)
		return;
	f = tar_index_read(fd, "fuzz", NULL, &index);
	(void)tar_index_find(&index, "manifest.json");
	tar_index_release(&index);
}

static void fuzz_index(const char *text, size_t len)
{
	struct oci_index index;
	fault_free(oci_index_parse(text, len, "fuzz", &index));

	oci_index_release(&index);
}

static void fuzz_manifest(const char *text, size_t len)
{
	struct oci_manifest manifest;
	fault_free(oci_manifest_parse(text, len, "fuzz", &manifest));

	oci_manifest_release(&manifest);
}

static void fuzz_config(const char *text, size_t len)
{
	struct oci_config config;
	fault_free(oci_config_parse(text, len, "fuzz", 1, &config));

	oci_config_release(&config);
}

static void fuzz_saved(const char *text, size_t len)
{
	struct records saved;
	fault_free(oci_saved_parse(text, len, "fuzz", &saved));

	oci_saved_release(&saved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const targets[])(const char *text, size_t len) = {
		fuzz_index, fuzz_manifest, fuzz_config, fuzz_saved, fuzz_tar,
	};

	if (len)
		targets[data[0] % ARRAY_LEN(targets)]((const char *)data + 1, len - 1);
	return 0;
}
