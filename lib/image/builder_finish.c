/* SPDX-License-Identifier: MIT */
/* builder_finish.c - the last act of an image: merging, and what is worth knowing about it. */
#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

#include "image/builder_internal.h"

#define OS_WORD_BYTES 64u

/* The inode that @path leads to, 0 when there is none or when it is no file. */
static struct fault *file_at(struct image_builder *b, const char *path, uint32_t *inode)
{
	uint32_t event = MERGE_NONE;
	struct fault *f = merge_find(b->m, path, &event);

	*inode = 0;
	/* A loop of links that nothing uses is the image's own affair. */
	if (f && fault_kind(f) == F_CORRUPT) {
		fault_free(f);
		return NULL;
	}
	TRY(f);
	if (event < MERGE_IMPLIED && b->m->events[event].kind == MERGE_FILE)
		*inode = b->m->events[event].inode;
	return NULL;
}

/* The value of @key in os-release's shell-like lines, empty when absent; only harmless letters. */
static void os_value(const char *text, const char *key, char value[OS_WORD_BYTES])
{
	size_t len = strlen(key), n = 0;

	value[0] = 0;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) || line[len] != '=')
			continue;
		for (const char *p = line + len + 1; *p && *p != '\n' && n < OS_WORD_BYTES - 1; p++)
			if (isalnum((unsigned char)*p) || strchr("._-+~", *p))
				value[n++] = *p;
		value[n] = 0;
		return;
	}
}

static struct fault *find_os(struct image_builder *b, char **os)
{
	char id[OS_WORD_BYTES], version[OS_WORD_BYTES];
	AUTO_BUF text = BUF_INIT;
	uint32_t inode;

	TRY(file_at(b, "etc/os-release", &inode));
	if (!inode)
		TRY(file_at(b, "usr/lib/os-release", &inode));
	if (!inode)
		return NULL;
	TRY(ext4_read_start(b->w, inode, &text));
	os_value(text.data, "ID", id);
	os_value(text.data, "VERSION_ID", version);
	if (*id)
		*os = *version ? xasprintf("%s %s", id, version) : xstrdup(id);
	return NULL;
}

static struct fault *has_any(struct image_builder *b, const char *const *paths, bool *has)
{
	for (; *paths && !*has; paths++) {
		uint32_t inode;

		TRY(file_at(b, *paths, &inode));
		*has = inode != 0;
	}
	return NULL;
}

static struct fault *find_facts(struct image_builder *b, struct image_summary *s)
{
	static const char *const passwd[] = {"etc/passwd", NULL};
	static const char *const shell[] = {"bin/sh", NULL};
	static const char *const init[] = {"sbin/init", "lib/systemd/systemd",
					   "usr/lib/systemd/systemd", NULL};

	TRY(find_os(b, &s->os));
	TRY(has_any(b, passwd, &s->has_passwd));
	TRY(has_any(b, shell, &s->has_shell));
	return has_any(b, init, &s->has_init);
}

static struct fault *finish(struct image_builder *b, struct image_summary *s)
{
	/* Its marks are of the reading half. */
	ext4_writer_make_room(b->w, NULL, NULL);
	TRY(merge_replay(b->m));
	TRY(find_facts(b, s));
	TRY(merge_write(b->m, &s->entries));
	s->size_bytes = b->size_bytes / 4096 * 4096;
	s->content_bytes = b->file_bytes - b->m->dropped_bytes;
	return ext4_writer_finish(b->w);
}

struct fault *image_builder_finish(struct image_builder *b, struct image_summary *summary)
{
	struct image_summary s = {0};
	struct fault *f = builder_fault(b, finish(b, &s));

	if (f)
		image_summary_release(&s);
	else
		*summary = s;
	return f;
}

void image_summary_release(struct image_summary *summary)
{
	free(summary->os);
	*summary = (struct image_summary){0};
}
