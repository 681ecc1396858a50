/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  Data goes through one buffer of contiguous blocks: since blocks are handed
 * out in ascending order, many small files share one write.  Extents are merged as they come; 340
 * of them fill a leaf of the extent tree, which is written at once, so that even a file made of
 * holes needs little memory.
 */
#include "disk/ext4_writer.h"

#include <sys/stat.h>

#define EXTENT_MAGIC	  0xf30au
#define EXTENT_BLOCKS_MAX 32768u
#define IN_INODE	  4u
#define TREE_TAIL	  (12 + TREE_ENTRIES * 12)

/* -- the output buffer -- */

struct fault *ext4_out_flush(struct ext4_writer *w)
{
	uint32_t n = w->out_count;

	if (!n)
		return NULL;
	w->out_count = 0;
	return ext4_pwrite(w, w->out, (size_t)n * BLOCK, w->out_start * BLOCK);
}

struct fault *ext4_block_put(struct ext4_writer *w, uint64_t block, const void *data)
{
	if (w->out_count == OUT_BLOCKS || block != w->out_start + w->out_count)
		TRY(ext4_out_flush(w));
	if (!w->out_count)
		w->out_start = block;
	memcpy(w->out + (size_t)w->out_count * BLOCK, data, BLOCK);
	w->out_count++;
	return NULL;
}

/* -- extents -- */

static void put_header(uint8_t *node, uint32_t entries, uint32_t max, uint32_t depth)
{
	put16(node, EXTENT_MAGIC);
	put16(node + 2, entries);
	put16(node + 4, max);
	put16(node + 6, depth);
	put32(node + 8, 0);
}

static void put_extent(uint8_t *e, const struct extent *x)
{
	put32(e, x->logical);
	put16(e + 4, x->count);
	put16(e + 6, (uint32_t)(x->physical >> 32));
	put32(e + 8, (uint32_t)x->physical);
}

static void put_index(uint8_t *e, const struct extent *x)
{
	put32(e, x->logical);
	put32(e + 4, (uint32_t)x->physical);
	put16(e + 8, (uint32_t)(x->physical >> 32));
	put16(e + 10, 0);
}

/* One block of an extent tree: @n entries of @depth; tells where it is in *@at. */
static struct fault *write_node(struct ext4_writer *w, uint32_t inode, const struct extent *x,
				uint32_t n, uint32_t depth, struct extent *at)
{
	uint8_t block[BLOCK] = {0};
	uint64_t place;

	put_header(block, n, TREE_ENTRIES, depth);
	for (uint32_t i = 0; i < n; i++) {
		if (depth)
			put_index(block + 12 + (size_t)i * 12, &x[i]);
		else
			put_extent(block + 12 + (size_t)i * 12, &x[i]);
	}
	put32(block + TREE_TAIL, ext4_crc32c(ext4_inode_seed(w, inode), block, TREE_TAIL));
	TRY(ext4_block_take(w, &place));
	w->stream.blocks++;
	*at = (struct extent){.logical = x[0].logical, .physical = place};
	return ext4_block_put(w, place, block);
}

static struct fault *write_leaf(struct ext4_writer *w, uint32_t inode)
{
	struct stream *s = &w->stream;

	if (s->n_written == s->room_written) {
		s->room_written = s->room_written ? 2 * s->room_written : 64;
		s->written = xrealloc_array(s->written, s->room_written, sizeof(*s->written));
	}
	TRY(write_node(w, inode, s->leaf, s->n_leaf, 0, &s->written[s->n_written]));
	s->n_written++;
	s->n_leaf = 0;
	return NULL;
}

void ext4_stream_begin(struct ext4_writer *w)
{
	struct stream *s = &w->stream;

	s->blocks = 0;
	s->current.count = 0;
	s->n_leaf = 0;
	s->n_written = 0;
}

struct fault *ext4_stream_block(struct ext4_writer *w, uint32_t inode, uint32_t logical,
				const void *data)
{
	struct stream *s = &w->stream;
	struct extent *c = &s->current;
	uint64_t place;

	TRY(ext4_block_take(w, &place));
	s->blocks++;
	if (c->count && c->count < EXTENT_BLOCKS_MAX && c->physical + c->count == place &&
	    c->logical + c->count == logical) {
		c->count++;
		return ext4_block_put(w, place, data);
	}
	if (c->count) {
		s->leaf[s->n_leaf++] = *c;
		if (s->n_leaf == TREE_ENTRIES)
			TRY(write_leaf(w, inode));
	}
	*c = (struct extent){.logical = logical, .count = 1, .physical = place};
	return ext4_block_put(w, place, data);
}

/* Index blocks above the leaves until the rest fits into the inode. */
static struct fault *write_indexes(struct ext4_writer *w, uint32_t inode, uint32_t *depth)
{
	struct stream *s = &w->stream;

	for (*depth = 1; s->n_written > IN_INODE; (*depth)++) {
		size_t from = 0, to = 0;

		while (from < s->n_written) {
			size_t n = s->n_written - from;

			if (n > TREE_ENTRIES)
				n = TREE_ENTRIES;
			TRY(write_node(w, inode, s->written + from, (uint32_t)n, *depth,
				       &s->written[to]));
			from += n;
			to++;
		}
		s->n_written = to;
	}
	return NULL;
}

struct fault *ext4_stream_end(struct ext4_writer *w, uint32_t inode, uint8_t *raw)
{
	struct stream *s = &w->stream;
	uint8_t *root = raw + I_BLOCK;
	uint32_t depth;

	if (s->current.count)
		s->leaf[s->n_leaf++] = s->current;
	put32(raw + I_FLAGS, get32(raw + I_FLAGS) | I_FLAG_EXTENTS);
	if (!s->n_written && s->n_leaf <= IN_INODE) {
		put_header(root, s->n_leaf, IN_INODE, 0);
		for (uint32_t i = 0; i < s->n_leaf; i++)
			put_extent(root + 12 + (size_t)i * 12, &s->leaf[i]);
	} else {
		if (s->n_leaf)
			TRY(write_leaf(w, inode));
		TRY(write_indexes(w, inode, &depth));
		put_header(root, (uint32_t)s->n_written, IN_INODE, depth);
		for (size_t i = 0; i < s->n_written; i++)
			put_index(root + 12 + i * 12, &s->written[i]);
	}
	ext4_inode_add_blocks(raw, s->blocks);
	return NULL;
}

/* -- regular files -- */

static bool is_zero(const uint8_t *block)
{
	uint64_t first;

	memcpy(&first, block, sizeof(first));
	return !first && !memcmp(block, block + 8, BLOCK - 8);
}

struct fault *ext4_file_open(struct ext4_writer *w, const struct ext4_attr *attr, uint64_t size)
{
	struct file_state *f = &w->file;
	struct ext4_attr file = *attr;

	if (size > LOGICAL_MAX * BLOCK)
		return fault_new(F_INVALID, "a file of %llu bytes: ext4 allows at most 16T",
				 (unsigned long long)size);
	file.mode = S_IFREG | (attr->mode & 07777);
	TRY(ext4_inode_encode(w, &file, f->inode));
	TRY(ext4_inode_take(w, false, &f->number));
	ext4_stream_begin(w);
	f->size = size;
	f->next = 0;
	f->partial_fill = 0;
	return NULL;
}

static struct fault *put_file_block(struct ext4_writer *w, uint64_t logical, const uint8_t *data)
{
	if (is_zero(data))
		return NULL;
	return ext4_stream_block(w, w->file.number, (uint32_t)logical, data);
}

/* The block that was begun is complete as far as it will be. */
static struct fault *end_partial(struct ext4_writer *w)
{
	struct file_state *f = &w->file;

	if (!f->partial_fill)
		return NULL;
	memset(f->partial + f->partial_fill, 0, BLOCK - f->partial_fill);
	f->partial_fill = 0;
	return put_file_block(w, f->partial_block, f->partial);
}

/* Adds what fits to the block that has been begun, beginning it when needed. */
static struct fault *add_partial(struct ext4_writer *w, const uint8_t **data, size_t *len)
{
	struct file_state *f = &w->file;
	uint32_t at = (uint32_t)(f->next % BLOCK);
	size_t n = BLOCK - at < *len ? BLOCK - at : *len;

	memset(f->partial + f->partial_fill, 0, at - f->partial_fill);
	memcpy(f->partial + at, *data, n);
	f->partial_block = f->next / BLOCK;
	f->partial_fill = at + (uint32_t)n;
	f->next += n;
	*data += n;
	*len -= n;
	return f->partial_fill == BLOCK ? end_partial(w) : NULL;
}

struct fault *ext4_file_write(struct ext4_writer *w, uint64_t offset, const void *bytes, size_t len)
{
	struct file_state *f = &w->file;
	const uint8_t *data = bytes;

	if (offset < f->next)
		return fault_new(F_CORRUPT, "its data goes backwards");
	if (len > f->size || offset > f->size - len)
		return fault_new(F_CORRUPT, "it has more data than its size of %llu bytes",
				 (unsigned long long)f->size);
	if (f->partial_fill && offset / BLOCK != f->partial_block)
		TRY(end_partial(w));
	f->next = offset;
	if (len && (f->partial_fill || offset % BLOCK))
		TRY(add_partial(w, &data, &len));
	for (; len >= BLOCK; data += BLOCK, len -= BLOCK, f->next += BLOCK)
		TRY(put_file_block(w, f->next / BLOCK, data));
	return len ? add_partial(w, &data, &len) : NULL;
}

struct fault *ext4_file_close(struct ext4_writer *w, uint32_t *inode)
{
	struct file_state *f = &w->file;

	TRY(end_partial(w));
	TRY(ext4_stream_end(w, f->number, f->inode));
	ext4_inode_set_size(f->inode, f->size);
	TRY(ext4_inode_store(w, f->number, f->inode));
	*inode = f->number;
	return NULL;
}
