/* SPDX-License-Identifier: MIT */
/* firecracker_metrics.c - what a Firecracker process counts. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/text.h"
#include "vmm/firecracker.h"

#define FILE_MAX_BYTES (64 << 20) /* some days' worth */

static void add_member(struct json section, const char *key, uint64_t *sum)
{
	uint64_t value;

	if (json_get_u64(section, key, &value))
		*sum += value;
}

static void add_line(const char *line, size_t len, struct vmm_stats *out)
{
	struct json_doc *doc = NULL;
	AUTO_FAULT broken = json_parse(line, len, "metrics", &doc);

	for (size_t i = 0; !broken && i < VMM_DISKS_MAX; i++) {
		AUTO_FREE char *name = xasprintf("block_disk%zu", i);
		struct vmm_block *b = &out->blocks[i];
		struct json section;

		if (!json_get(json_root(doc), name, &section))
			continue;
		if (out->n_blocks <= i)
			out->n_blocks = i + 1;
		snprintf(b->device, sizeof(b->device), "disk%zu", i);
		add_member(section, "read_bytes", &b->read_bytes);
		add_member(section, "write_bytes", &b->write_bytes);
		add_member(section, "read_count", &b->reads);
		add_member(section, "write_count", &b->writes);
	}
	json_free(doc);
}

struct fault *fc_metrics_read(const char *path, struct vmm_stats *out)
{
	AUTO_FILE file = fopen(path, "re");
	struct stat st;
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	if (!file || fstat(fileno(file), &st) < 0)
		return fault_sys(F_SYS, "opening '%s'", path);
	if (st.st_size > FILE_MAX_BYTES)
		return fault_new(F_UNSUPPORTED, "'%s' has grown too long to be summed", path);
	while ((n = getline(&line, &room, file)) > 0)
		if (line[n - 1] == '\n')
			add_line(line, (size_t)n, out);
	free(line);
	return NULL;
}
