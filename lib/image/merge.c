/* SPDX-License-Identifier: MIT */
/* merge.c - the tree of literal paths, and the events of the layers. */
#include "image/merge.h"

#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/text.h"

#define NEVER	       UINT16_MAX
#define WORK_PER_ENTRY 256u
#define SHOWN_BYTES    200u

struct merge *merge_new(struct ext4_writer *w, uint32_t max_entries)
{
	struct merge *m = xcalloc(1, sizeof(*m));

	m->w = w;
	m->max_nodes = max_entries;
	m->max_work = (uint64_t)max_entries * WORK_PER_ENTRY;
	if (getrandom(&m->hash_seed, sizeof(m->hash_seed), 0) != sizeof(m->hash_seed))
		abort();
	m->room_nodes = 1024;
	m->nodes = xrealloc_array(NULL, m->room_nodes, sizeof(*m->nodes));
	m->names_room = 16384;
	m->names = xmalloc(m->names_room);
	m->names[0] = 0;
	m->names_len = 1;
	m->nodes[MERGE_ROOT] = (struct merge_node){
		.parent = MERGE_ROOT,
		.sibling = MERGE_NONE,
		.child = MERGE_NONE,
		.same_hash = MERGE_NONE,
		.hidden_from = NEVER,
		.opaque_from = NEVER,
		.dir_from = NEVER,
		.explicit_dir = NEVER,
	};
	m->n_nodes = 1;
	m->n_buckets = 1024;
	m->buckets = xrealloc_array(NULL, m->n_buckets, sizeof(*m->buckets));
	memset(m->buckets, 0xff, m->n_buckets * sizeof(*m->buckets));
	return m;
}

void merge_free(struct merge *m)
{
	if (!m)
		return;
	free(m->nodes);
	free(m->events);
	free(m->layer_start);
	free(m->names);
	free(m->buckets);
	free(m);
}

struct fault *merge_work(struct merge *m, uint64_t steps)
{
	m->work += steps;
	if (m->work > m->max_work)
		return fault_new(F_CORRUPT, "the layers are made so that merging them never ends");
	return NULL;
}

const char *merge_name(const struct merge *m, uint32_t node, size_t *len)
{
	const char *name = m->names + m->nodes[node].name;

	*len = (uint8_t)name[0];
	return name + 1;
}

void merge_add_path(const struct merge *m, uint32_t node, struct buf *out)
{
	size_t len;
	const char *name = merge_name(m, node, &len);

	if (node == MERGE_ROOT)
		return;
	merge_add_path(m, m->nodes[node].parent, out);
	if (out->len && out->data[out->len - 1] != '\'')
		buf_addc(out, '/');
	text_add_printable(out, name, len);
}

/* -- nodes -- */

static uint32_t bucket_of(const struct merge *m, uint32_t parent, const char *name, size_t len)
{
	uint64_t h = m->hash_seed ^ parent, word;

	for (; len >= 8; name += 8, len -= 8) {
		memcpy(&word, name, 8);
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	word = len;
	memcpy(&word, name, len);
	word ^= (uint64_t)len << 56;
	h = (h ^ word) * UINT64_C(0xbf58476d1ce4e5b9);
	h ^= h >> 32;
	h *= UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(h >> 32) & (m->n_buckets - 1);
}

uint32_t merge_lookup(struct merge *m, uint32_t parent, const char *name, size_t len)
{
	uint32_t i = m->buckets[bucket_of(m, parent, name, len)];

	for (; i != MERGE_NONE; i = m->nodes[i].same_hash) {
		const char *other = m->names + m->nodes[i].name;

		if (m->nodes[i].parent == parent && (uint8_t)other[0] == len &&
		    !memcmp(other + 1, name, len))
			return i;
	}
	return MERGE_NONE;
}

static void grow_buckets(struct merge *m)
{
	m->n_buckets *= 2;
	m->buckets = xrealloc_array(m->buckets, m->n_buckets, sizeof(*m->buckets));
	memset(m->buckets, 0xff, m->n_buckets * sizeof(*m->buckets));
	for (uint32_t i = 1; i < m->n_nodes; i++) {
		size_t len;
		const char *name = merge_name(m, i, &len);
		uint32_t b = bucket_of(m, m->nodes[i].parent, name, len);

		m->nodes[i].same_hash = m->buckets[b];
		m->buckets[b] = i;
	}
}

static uint32_t add_name(struct merge *m, const char *name, size_t len)
{
	size_t at = m->names_len;

	if (at + len + 1 > m->names_room) {
		m->names_room *= 2;
		m->names = xrealloc_array(m->names, m->names_room, 1);
	}
	m->names[at] = (char)(uint8_t)len;
	memcpy(m->names + at + 1, name, len);
	m->names_len += len + 1;
	return (uint32_t)at;
}

static uint32_t add_node(struct merge *m, uint32_t parent, const char *name, size_t len)
{
	uint32_t i = m->n_nodes, b;

	if (i == m->room_nodes) {
		m->room_nodes *= 2;
		m->nodes = xrealloc_array(m->nodes, m->room_nodes, sizeof(*m->nodes));
	}
	if (i >= m->n_buckets)
		grow_buckets(m); /* of the nodes that there are: the new one is none yet */
	m->n_nodes++;
	b = bucket_of(m, parent, name, len);
	m->nodes[i] = (struct merge_node){
		.parent = parent,
		.sibling = m->nodes[parent].child,
		.child = MERGE_NONE,
		.same_hash = m->buckets[b],
		.name = add_name(m, name, len),
		.hidden_from = NEVER,
		.opaque_from = NEVER,
		.dir_from = NEVER,
		.explicit_dir = NEVER,
	};
	m->nodes[parent].child = i;
	m->buckets[b] = i;
	return i;
}

struct fault *merge_child(struct merge *m, uint32_t parent, const char *name, size_t len,
			  uint32_t *node)
{
	uint32_t i = merge_lookup(m, parent, name, len);

	if (i == MERGE_NONE) {
		if (m->n_nodes > m->max_nodes)
			return fault_new(F_CORRUPT,
					 "the image has more than %u files and directories",
					 m->max_nodes);
		i = add_node(m, parent, name, len);
	}
	*node = i;
	return NULL;
}

static struct fault *bad_path(const char *path, const char *why)
{
	AUTO_BUF shown = BUF_INIT;
	size_t len = strnlen(path, SHOWN_BYTES);

	text_add_printable(&shown, path, len);
	return fault_new(F_CORRUPT, "the path '%s%s' %s", shown.data, path[len] ? "..." : "", why);
}

struct fault *merge_path(struct merge *m, const char *path, uint32_t *node)
{
	const char *p = path;
	uint32_t at = MERGE_ROOT;

	if (!*path)
		return fault_new(F_CORRUPT, "a path is empty");
	if (strlen(path) > MERGE_PATH_BYTES)
		return bad_path(path, "is longer than 4095 bytes");
	while (*p) {
		size_t len = strcspn(p, "/");

		if (len == 2 && p[0] == '.' && p[1] == '.')
			return bad_path(path, "leads out of its directory with '..'");
		if (len > EXT4_NAME_BYTES_MAX)
			return bad_path(path, "has a name that is longer than 255 bytes");
		if (len && !(len == 1 && p[0] == '.'))
			TRY(merge_child(m, at, p, len, &at));
		p += len;
		p += *p == '/';
	}
	*node = at;
	return NULL;
}

/* -- events -- */

struct fault *merge_layer(struct merge *m)
{
	if (m->n_layers == MERGE_LAYERS_MAX)
		return fault_new(F_CORRUPT, "the image has more than %u layers", MERGE_LAYERS_MAX);
	m->layer_start = xrealloc_array(m->layer_start, m->n_layers + 1, sizeof(uint32_t));
	m->layer_start[m->n_layers++] = m->n_events;
	return NULL;
}

/* Is @node's literal path its real one?  Yes when its layer has each parent as a directory. */
static bool is_literal(const struct merge *m, uint32_t node)
{
	uint32_t parent = m->nodes[node].parent;

	return parent == MERGE_ROOT || m->nodes[parent].explicit_dir == m->n_layers - 1;
}

/* What lower layers need to know.  Layers only ever grow, so the first mark stays. */
static void mark(struct merge *m, uint32_t node, enum merge_kind kind)
{
	struct merge_node *n = &m->nodes[node];
	uint16_t layer = (uint16_t)(m->n_layers - 1);

	if (!is_literal(m, node))
		return;
	if (kind == MERGE_DIR)
		n->explicit_dir = layer;
	if (kind == MERGE_DIR && n->dir_from == NEVER)
		n->dir_from = layer;
	else if (kind == MERGE_OPAQUE && n->opaque_from == NEVER)
		n->opaque_from = layer;
	else if (kind != MERGE_DIR && kind != MERGE_OPAQUE && n->hidden_from == NEVER)
		n->hidden_from = layer;
}

uint32_t merge_append(struct merge *m, const struct merge_event *e)
{
	if (m->n_events == m->room_events) {
		m->room_events = m->room_events ? 2 * m->room_events : 1024;
		m->events = xrealloc_array(m->events, m->room_events, sizeof(*m->events));
	}
	m->events[m->n_events] = *e;
	return m->n_events++;
}

void merge_add(struct merge *m, uint32_t node, enum merge_kind kind, uint8_t type, uint32_t inode)
{
	struct merge_event e = {
		.node = node,
		.inode = inode,
		.layer = (uint16_t)(m->n_layers - 1),
		.kind = kind & 0x7f,
		.literal = is_literal(m, node),
		.type = type,
	};

	merge_append(m, &e);
	mark(m, node, kind);
}

/* Is something of @layer at @node hidden, by its literal path? */
static bool hidden_in(const struct merge *m, uint32_t node, uint32_t layer)
{
	const struct merge_node *n = &m->nodes[node];

	if (n->hidden_from < layer || n->dir_from < layer)
		return true;
	while (node != MERGE_ROOT) {
		node = n->parent;
		n = &m->nodes[node];
		if (n->hidden_from < layer || n->opaque_from < layer)
			return true;
	}
	return false;
}

bool merge_hidden(const struct merge *m, uint32_t node)
{
	return is_literal(m, node) && hidden_in(m, node, m->n_layers - 1);
}

/* -- making room -- */

static uint32_t name_bit(const struct merge *m, uint32_t node)
{
	size_t len;
	const char *name = merge_name(m, node, &len);
	uint64_t h = m->hash_seed;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3);
	return (uint32_t)(h >> 40) & 0xffff;
}

/*
 * The last names of all hard link targets, as a Bloom filter of 2^16 bits: files of such a name are
 * kept wherever they are, and a false hit only keeps one more.
 */
static uint64_t *find_wanted(const struct merge *m)
{
	uint64_t *bits = xcalloc(0x10000 / 64, sizeof(*bits));

	for (uint32_t i = 0; i < m->n_events; i++) {
		if (m->events[i].kind == MERGE_LINK) {
			uint32_t bit = name_bit(m, m->events[i].inode);

			bits[bit / 64] |= UINT64_C(1) << (bit % 64);
		}
	}
	return bits;
}

static bool may_drop(const struct merge *m, const struct merge_event *e, const uint64_t *wanted)
{
	uint32_t bit;

	if (e->kind != MERGE_FILE || !e->inode || !e->literal || !hidden_in(m, e->node, e->layer))
		return false;
	bit = name_bit(m, e->node);
	return !(wanted[bit / 64] >> (bit % 64) & 1);
}

struct fault *merge_drop(struct merge *m, struct merge_event *e)
{
	uint64_t size = 0;

	if (e->kind == MERGE_FILE)
		TRY(ext4_size(m->w, e->inode, &size));
	TRY(ext4_drop(m->w, e->inode));
	m->dropped_bytes += size;
	e->inode = 0;
	return NULL;
}

struct fault *merge_make_room(struct merge *m, bool *dropped)
{
	AUTO_FREE uint64_t *wanted = find_wanted(m);

	*dropped = false;
	TRY(merge_work(m, m->n_events));
	for (uint32_t i = 0; i < m->n_events; i++) {
		struct merge_event *e = &m->events[i];

		if (!may_drop(m, e, wanted))
			continue;
		TRY(merge_drop(m, e));
		*dropped = true;
	}
	return NULL;
}
