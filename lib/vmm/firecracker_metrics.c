/* SPDX-License-Identifier: MIT */
/* firecracker_metrics.c - what a Firecracker process counts. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "store/vm_store.h"
#include "vmm/firecracker.h"

#define READ_MAX_BYTES (64 << 20) /* at a time */
#define FOLD_BYTES     (1 << 20)
#define TOTAL_MAX      4096
#define BLOCK	       4096

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

/* What was folded already.  @offset: where in the metrics file the rest begins. */
static struct fault *read_total(int vm_dir, uint64_t *offset, struct vmm_stats *out)
{
	AUTO_BUF text = BUF_INIT;
	struct json_doc *doc = NULL;
	struct fault *f = file_read(vm_dir, VM_METRICS_TOTAL_FILE, TOTAL_MAX, &text);

	*offset = 0;
	if (f && fault_kind(f) == F_NOT_FOUND) {
		fault_free(f);
		return NULL;
	}
	if (!f)
		f = json_parse(text.data, text.len, VM_METRICS_TOTAL_FILE, &doc);
	if (f)
		return f;
	if (!json_get_u64(json_root(doc), "offset", offset) || *offset > INT64_MAX)
		f = fault_new(F_CORRUPT, "'" VM_METRICS_TOTAL_FILE "' has no offset");
	json_free(doc);
	if (!f)
		add_line(text.data, text.len, out);
	return f;
}

/* Add the whole lines from @offset on, which moves behind them. */
static struct fault *add_rest(FILE *file, uint64_t *offset, struct vmm_stats *out)
{
	uint64_t limit = *offset + READ_MAX_BYTES;
	char *line = NULL;
	size_t room = 0;
	ssize_t n = 0;

	if (fseeko(file, (off_t)*offset, SEEK_SET) < 0)
		return fault_sys(F_SYS, "reading '" VM_METRICS_FILE "'");
	while (*offset < limit && (n = getline(&line, &room, file)) > 0 && line[n - 1] == '\n') {
		add_line(line, (size_t)n, out);
		*offset += (uint64_t)n;
	}
	free(line);
	return NULL;
}

/* @before: where the part begins that was not folded before. */
static struct fault *read_all(int vm_dir, FILE *file, uint64_t *before, uint64_t *after,
			      struct vmm_stats *out)
{
	struct stat st;

	TRY(read_total(vm_dir, before, out));
	*after = *before;
	if (fstat(fileno(file), &st) < 0)
		return fault_sys(F_SYS, "looking at '" VM_METRICS_FILE "'");
	if (st.st_size - (off_t)*before > READ_MAX_BYTES)
		return fault_new(F_UNSUPPORTED, "'" VM_METRICS_FILE "' has grown too long to be summed");
	return add_rest(file, after, out);
}

static FILE *open_metrics(int vm_dir, int flags)
{
	int fd = openat(vm_dir, VM_METRICS_FILE, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, flags == O_RDONLY ? "r" : "r+");

	if (!file)
		fd_close(fd);
	return file;
}

struct fault *fc_metrics_read(int vm_dir, struct vmm_stats *out)
{
	AUTO_FILE file = open_metrics(vm_dir, O_RDONLY);
	uint64_t before, after;

	if (!file)
		return fault_sys(F_SYS, "opening '" VM_METRICS_FILE "'");
	return read_all(vm_dir, file, &before, &after, out);
}

static struct fault *write_total(int vm_dir, uint64_t offset, const struct vmm_stats *total)
{
	AUTO_BUF text = BUF_INIT;

	buf_addf(&text, "{\"offset\":%llu", (unsigned long long)offset);
	for (size_t i = 0; i < total->n_blocks; i++) {
		const struct vmm_block *b = &total->blocks[i];

		buf_addf(&text, ",\"block_disk%zu\":{\"read_bytes\":%llu,\"write_bytes\":%llu,"
			 "\"read_count\":%llu,\"write_count\":%llu}", i,
			 (unsigned long long)b->read_bytes, (unsigned long long)b->write_bytes,
			 (unsigned long long)b->reads, (unsigned long long)b->writes);
	}
	buf_adds(&text, "}\n");
	return file_write_volatile(vm_dir, VM_METRICS_TOTAL_FILE, text.data, text.len, 0600);
}

/*
 * Firecracker writes at its own position, so the file cannot be cut: what was folded becomes a hole.
 * Only what the fold before this one had, as somebody may be reading with the old offset.
 */
struct fault *fc_metrics_fold(int vm_dir)
{
	AUTO_FILE file = open_metrics(vm_dir, O_RDWR);
	struct vmm_stats total = { .n_blocks = 0 };
	uint64_t before, after;
	off_t hole;

	if (!file)
		return errno == ENOENT ? NULL : fault_sys(F_SYS, "opening '" VM_METRICS_FILE "'");
	TRY(read_all(vm_dir, file, &before, &after, &total));
	if (after - before < FOLD_BYTES)
		return NULL;
	TRY(write_total(vm_dir, after, &total));
	hole = (off_t)before / BLOCK * BLOCK;
	if (hole && fallocate(fileno(file), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, hole) < 0)
		return fault_sys(F_SYS, "shortening '" VM_METRICS_FILE "'");
	return NULL;
}
