/* SPDX-License-Identifier: MIT */
/* merge_write.c - the merged tree as directories of the file system. */
#include "image/merge.h"

#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"

#define NAMES_CAP UINT16_MAX

/* How many names each inode has, capped: ext4's own limit is lower than the cap. */
struct counts {
	uint16_t *names;
	uint32_t max;
};

static uint32_t next_alive(const struct merge *m, uint32_t node)
{
	while (node != MERGE_NONE && !merge_exists(m, node))
		node = m->nodes[node].sibling;
	return node;
}

/* The next existing directory in an order where parents come first; MERGE_NONE at the end. */
static uint32_t next_dir(const struct merge *m, uint32_t node)
{
	uint32_t next = next_alive(m, m->nodes[node].child);

	for (;;) {
		while (next != MERGE_NONE) {
			if (merge_is_dir(m, next))
				return next;
			next = next_alive(m, m->nodes[next].sibling);
		}
		if (node == MERGE_ROOT)
			return MERGE_NONE;
		next = next_alive(m, m->nodes[node].sibling);
		node = m->nodes[node].parent;
	}
}

static uint32_t inode_of(const struct merge *m, uint32_t node)
{
	return node == MERGE_ROOT ? EXT4_ROOT_INODE : m->events[m->nodes[node].current].inode;
}

/* A directory that no layer mentions gets an event after all, with the usual attributes. */
static struct fault *make_implied(struct merge *m, uint32_t node)
{
	struct ext4_attr attr = {.mode = S_IFDIR | 0755};
	struct merge_event e = {.node = node, .kind = MERGE_DIR, .type = ext4_dirent_type(S_IFDIR)};

	TRY(ext4_node(m->w, &attr, &e.inode));
	m->nodes[node].current = merge_append(m, &e);
	return NULL;
}

struct names {
	struct ext4_dirent *entries;
	size_t n, room;
};

static struct fault *gather(struct merge *m, uint32_t dir, struct names *out)
{
	out->n = 0;
	for (uint32_t c = next_alive(m, m->nodes[dir].child); c != MERGE_NONE;
	     c = next_alive(m, m->nodes[c].sibling)) {
		const struct merge_event *e;
		size_t len;
		const char *name = merge_name(m, c, &len);

		if (m->nodes[c].current == MERGE_IMPLIED)
			TRY(make_implied(m, c));
		if (out->n == out->room) {
			out->room = out->room ? 2 * out->room : 256;
			out->entries =
				xrealloc_array(out->entries, out->room, sizeof(*out->entries));
		}
		e = &m->events[m->nodes[c].current];
		out->entries[out->n++] = (struct ext4_dirent){
			.name = name,
			.inode = e->inode,
			.len = (uint8_t)len,
			.type = e->type,
		};
	}
	return NULL;
}

static struct fault *write_dirs(struct merge *m, uint64_t *entries)
{
	struct names names = {0};
	struct fault *f = NULL;

	for (uint32_t d = MERGE_ROOT; !f && d != MERGE_NONE; d = next_dir(m, d)) {
		f = cancel_check();
		if (!f)
			f = gather(m, d, &names);
		if (!f)
			f = ext4_dir_write(m->w, inode_of(m, d), inode_of(m, m->nodes[d].parent),
					   names.entries, names.n);
		*entries += names.n;
	}
	free(names.entries);
	return f;
}

/* -- link counts -- */

static struct counts count_names(const struct merge *m)
{
	struct counts c = {0};

	for (uint32_t i = 0; i < m->n_events; i++)
		if (m->events[i].kind <= MERGE_SYMLINK && m->events[i].inode > c.max)
			c.max = m->events[i].inode;
	c.names = xcalloc((size_t)c.max + 1, sizeof(*c.names));
	for (uint32_t n = next_alive(m, m->nodes[MERGE_ROOT].child), up; n != MERGE_NONE; n = up) {
		uint16_t *names =
			m->nodes[n].current == MERGE_IMPLIED ? NULL : &c.names[inode_of(m, n)];

		if (names && *names < NAMES_CAP)
			(*names)++;
		up = merge_is_dir(m, n) ? next_alive(m, m->nodes[n].child) : MERGE_NONE;
		while (up == MERGE_NONE && n != MERGE_ROOT) {
			up = next_alive(m, m->nodes[n].sibling);
			n = m->nodes[n].parent;
		}
	}
	return c;
}

static struct fault *at_path(struct merge *m, uint32_t node, struct fault *f)
{
	AUTO_BUF path = BUF_INIT;

	merge_add_path(m, node, &path);
	return fault_wrap(f, "'%s'", path.data);
}

static struct fault *settle(struct merge *m, struct counts *c)
{
	for (uint32_t i = 0; i < m->n_events; i++) {
		struct merge_event *e = &m->events[i];
		uint16_t *names = &c->names[e->kind <= MERGE_SYMLINK ? e->inode : 0];
		struct fault *f = NULL;

		/* Each inode once: its count is set to one when that is done. */
		if (e->kind > MERGE_SYMLINK || !e->inode || *names == 1)
			continue;
		if (*names)
			f = ext4_set_links(m->w, e->inode, *names);
		else
			f = merge_drop(m, e);
		if (f)
			return at_path(m, e->node, f);
		*names = 1;
	}
	return NULL;
}

struct fault *merge_write(struct merge *m, uint64_t *entries)
{
	struct counts c;
	struct fault *f;

	*entries = 0;
	c = count_names(m);
	f = settle(m, &c);
	free(c.names);
	return f ? f : write_dirs(m, entries);
}
