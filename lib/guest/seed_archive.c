/* SPDX-License-Identifier: MIT */
/* seed_archive.c - the host's half of seed.h; it carries the agent's program. */
#include <string.h>
#include <sys/stat.h>

#include "base/cpio.h"
#include "guest/seed.h"

extern const char agent_image[], agent_image_end[];

static void add_parent(struct buf *archive, const char *path)
{
	const char *slash = strchr(path, '/');
	AUTO_FREE char *parent = xstrndup(path, slash ? (size_t)(slash - path) : 0);

	if (*parent)
		cpio_add(archive, parent, S_IFDIR | 0700, NULL, 0);
}

static void add_files(const struct records *files, struct buf *out)
{
	const struct seed_archive_file *list = files->v;

	cpio_add(out, SEED_SYNC_DIR, S_IFDIR | 0700, NULL, 0);
	for (size_t i = 0; i < files->n; i++) {
		AUTO_FREE char *path = xasprintf(SEED_SYNC_DIR "/%s", list[i].name);

		cpio_add(out, path, S_IFREG | 0600, list[i].content.data, list[i].content.len);
	}
}

void seed_files_release(struct records *files)
{
	struct seed_archive_file *list = files->v;

	for (size_t i = 0; i < files->n; i++) {
		free(list[i].name);
		buf_release(&list[i].content);
	}
	free(files->v);
	*files = (struct records){ 0 };
}

void seed_archive(const struct seed *seed, const struct records *files, struct buf *out)
{
	AUTO_BUF json = BUF_INIT;

	record_write(&seed_type, seed, &json);
	cpio_add(out, "init", S_IFREG | 0755, agent_image,
		 (size_t)(agent_image_end - agent_image));
	add_parent(out, SEED_FILE);
	cpio_add(out, SEED_FILE, S_IFREG | 0600, json.data, json.len);
	if (files && files->n)
		add_files(files, out);
	cpio_end(out);
}
