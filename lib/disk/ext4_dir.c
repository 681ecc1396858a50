/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  A directory that fits into one block is a plain list.  A larger one becomes
 * a hash tree (kernel documentation, filesystems/ext4, "Hash Tree Directories"): names sorted by
 * hash are packed into leaf blocks, whose first hashes stand in the root block, or in up to 507
 * index blocks below it.
 */
#include "disk/ext4_writer.h"

#include <sys/stat.h>

#define TAIL	   12u /* the checksum, dressed up as an unused entry */
#define LEAF_ROOM  (BLOCK - TAIL)
#define DOTS	   24u
#define ROOT_AT	   32u /* where index entries begin in the root block */
#define NODE_AT	   8u
#define ROOT_LIMIT ((BLOCK - ROOT_AT) / 8 - 1)
#define NODE_LIMIT ((BLOCK - NODE_AT) / 8 - 1)
#define TYPE_DIR   2u
#define TYPE_TAIL  0xdeu
#define HALF_MD4   1u

struct key {
	uint32_t hash, minor, entry;
};

/* One leaf: keys from @first on, @n of them; @hash as its index entry shows it. */
struct leaf {
	uint32_t first, n, hash;
};

struct dir {
	struct ext4_writer *w;
	uint32_t inode, parent;
	const struct ext4_dirent *entries;
	struct key *keys;    /* owned */
	struct leaf *leaves; /* owned */
	uint32_t n_leaves;
	uint32_t next_block; /* logical number of the next block to write */
};

static size_t entry_size(size_t name_len)
{
	return (8 + name_len + 3) & ~(size_t)3;
}

static uint8_t *put_entry(uint8_t *p, uint32_t inode, size_t rec_len, const char *name, size_t len,
			  uint8_t type)
{
	put32(p, inode);
	put16(p + 4, (uint32_t)rec_len);
	p[6] = (uint8_t)len;
	p[7] = type;
	memcpy(p + 8, name, len);
	return p + rec_len;
}

static void seal_leaf(struct ext4_writer *w, uint32_t inode, uint8_t *block)
{
	uint8_t *tail = block + LEAF_ROOM;
	uint32_t crc = ext4_crc32c(ext4_inode_seed(w, inode), block, LEAF_ROOM);

	put32(tail, 0);
	put16(tail + 4, TAIL);
	tail[6] = 0;
	tail[7] = TYPE_TAIL;
	put32(tail + 8, crc);
}

/* @at: where the index entries of @block begin; they are followed by the checksum. */
static void seal_index(struct ext4_writer *w, uint32_t inode, uint8_t *block, uint32_t at,
		       uint32_t limit, uint32_t count)
{
	uint8_t zero[8] = {0};
	uint32_t crc;

	put16(block + at, limit);
	put16(block + at + 2, count);
	crc = ext4_crc32c(ext4_inode_seed(w, inode), block, at + count * 8);
	crc = ext4_crc32c(crc, zero, sizeof(zero));
	put32(block + at + limit * 8 + 4, crc);
}

static struct fault *put_block(struct dir *d, const uint8_t *block)
{
	return ext4_stream_block(d->w, d->inode, d->next_block++, block);
}

/* -- a single block -- */

static struct fault *write_list(struct dir *d, size_t n)
{
	uint8_t block[BLOCK] = {0};
	uint8_t *p = put_entry(block, d->inode, 12, ".", 1, TYPE_DIR);
	uint8_t *last = p;

	p = put_entry(p, d->parent, 12, "..", 2, TYPE_DIR);
	for (size_t i = 0; i < n; i++) {
		const struct ext4_dirent *e = &d->entries[i];

		last = p;
		p = put_entry(p, e->inode, entry_size(e->len), e->name, e->len, e->type);
	}
	put16(last + 4, (uint32_t)(block + LEAF_ROOM - last));
	seal_leaf(d->w, d->inode, block);
	return put_block(d, block);
}

/* -- hash tree -- */

static int compare_keys(const void *left, const void *right)
{
	const struct key *a = left, *b = right;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if (a->minor != b->minor)
		return a->minor < b->minor ? -1 : 1;
	return a->entry < b->entry ? -1 : a->entry > b->entry;
}

static void sort_by_hash(struct dir *d, size_t n)
{
	d->keys = xrealloc_array(NULL, n, sizeof(*d->keys));
	for (size_t i = 0; i < n; i++) {
		struct key *k = &d->keys[i];

		k->entry = (uint32_t)i;
		k->hash = ext4_name_hash(d->w, d->entries[i].name, d->entries[i].len, &k->minor);
	}
	qsort(d->keys, n, sizeof(*d->keys), compare_keys);
}

/* Cuts the sorted names into leaves. */
static void pack_leaves(struct dir *d, size_t n)
{
	size_t room = 0, capacity = 64;

	d->leaves = xrealloc_array(NULL, capacity, sizeof(*d->leaves));
	for (size_t i = 0; i < n; i++) {
		size_t need = entry_size(d->entries[d->keys[i].entry].len);

		if (!i || need > room) {
			uint32_t hash = i ? d->keys[i].hash : 0;

			/* Bit 0: names of this hash are in the leaf before, too. */
			if (i && d->keys[i - 1].hash == hash)
				hash |= 1;
			if (d->n_leaves == capacity) {
				capacity *= 2;
				d->leaves = xrealloc_array(d->leaves, capacity, sizeof(*d->leaves));
			}
			d->leaves[d->n_leaves++] = (struct leaf){(uint32_t)i, 0, hash};
			room = LEAF_ROOM;
		}
		room -= need;
		d->leaves[d->n_leaves - 1].n++;
	}
}

static struct fault *write_leaf(struct dir *d, const struct leaf *l)
{
	uint8_t block[BLOCK] = {0};
	uint8_t *p = block, *last = block;

	for (uint32_t i = 0; i < l->n; i++) {
		const struct ext4_dirent *e = &d->entries[d->keys[l->first + i].entry];

		last = p;
		p = put_entry(p, e->inode, entry_size(e->len), e->name, e->len, e->type);
	}
	put16(last + 4, (uint32_t)(block + LEAF_ROOM - last));
	seal_leaf(d->w, d->inode, block);
	return put_block(d, block);
}

static void put_index(uint8_t *block, uint32_t at, uint32_t i, uint32_t hash, uint32_t to)
{
	/* The first entry's hash field holds limit and count. */
	if (i)
		put32(block + at + i * 8, hash);
	put32(block + at + i * 8 + 4, to);
}

static struct fault *write_root(struct dir *d, uint32_t nodes)
{
	uint8_t block[BLOCK] = {0};
	uint32_t count = nodes ? nodes : d->n_leaves;

	put_entry(block, d->inode, 12, ".", 1, TYPE_DIR);
	put_entry(block + 12, d->parent, BLOCK - 12, "..", 2, TYPE_DIR);
	block[DOTS + 4] = HALF_MD4;
	block[DOTS + 5] = 8;
	block[DOTS + 6] = nodes ? 1 : 0;
	for (uint32_t i = 0; i < count; i++)
		put_index(block, ROOT_AT, i, d->leaves[nodes ? i * NODE_LIMIT : i].hash, 1 + i);
	seal_index(d->w, d->inode, block, ROOT_AT, ROOT_LIMIT, count);
	return put_block(d, block);
}

static struct fault *write_node(struct dir *d, uint32_t node, uint32_t nodes)
{
	uint8_t block[BLOCK] = {0};
	uint32_t first = node * NODE_LIMIT, count = d->n_leaves - first;

	if (count > NODE_LIMIT)
		count = NODE_LIMIT;
	put16(block + 4, BLOCK);
	for (uint32_t i = 0; i < count; i++)
		put_index(block, NODE_AT, i, d->leaves[first + i].hash, 1 + nodes + first + i);
	seal_index(d->w, d->inode, block, NODE_AT, NODE_LIMIT, count);
	return put_block(d, block);
}

static struct fault *write_tree(struct dir *d, size_t n)
{
	uint32_t nodes = 0;

	sort_by_hash(d, n);
	pack_leaves(d, n);
	if (d->n_leaves > ROOT_LIMIT)
		nodes = (d->n_leaves + NODE_LIMIT - 1) / NODE_LIMIT;
	if (nodes > ROOT_LIMIT)
		return fault_new(F_INVALID, "a directory with %zu names is too large for ext4", n);
	TRY(write_root(d, nodes));
	for (uint32_t i = 0; i < nodes; i++)
		TRY(write_node(d, i, nodes));
	for (uint32_t i = 0; i < d->n_leaves; i++)
		TRY(write_leaf(d, &d->leaves[i]));
	return NULL;
}

/* -- the directory's inode -- */

static struct fault *store(struct dir *d, uint32_t subdirs, bool indexed)
{
	uint8_t raw[INODE_SIZE];
	uint32_t links = subdirs + 2;

	TRY(ext4_inode_load(d->w, d->inode, raw));
	TRY(ext4_stream_end(d->w, d->inode, raw));
	ext4_inode_set_size(raw, (uint64_t)d->next_block * BLOCK);
	if (indexed)
		put32(raw + I_FLAGS, get32(raw + I_FLAGS) | I_FLAG_INDEX);
	/* One means "too many to count". */
	put16(raw + I_LINKS, links > LINKS_MAX ? 1 : links);
	return ext4_inode_store(d->w, d->inode, raw);
}

struct fault *ext4_dir_write(struct ext4_writer *w, uint32_t inode, uint32_t parent,
			     const struct ext4_dirent *entries, size_t n)
{
	struct dir d = {.w = w, .inode = inode, .parent = parent, .entries = entries};
	size_t bytes = DOTS;
	uint32_t subdirs = 0;
	struct fault *f;

	for (size_t i = 0; i < n; i++) {
		bytes += entry_size(entries[i].len);
		subdirs += entries[i].type == TYPE_DIR;
	}
	ext4_stream_begin(w);
	f = bytes <= LEAF_ROOM ? write_list(&d, n) : write_tree(&d, n);
	free(d.keys);
	free(d.leaves);
	return f ? f : store(&d, subdirs, bytes > LEAF_ROOM);
}
