/* SPDX-License-Identifier: MIT */
#include "image/builder.h"

#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/text.h"
#include "image/builder_internal.h"
#include "image/unpack.h"

#define ENTRIES_MAX   4000000u
#define INODE_RATIO   8192u
#define XATTRS_MAX    512u
#define PATH_SHOWN    300u
#define LAYERS_FACTOR 4u /* layers may hide each other's files, so together they may exceed the image */
#define BUDGET_LEAST  (256 * MIB)
#define SPARE_BYTES   (256 * KIB)
#define WHITEOUT      ".wh."
#define WHITEOUT_META ".wh..wh."
#define OPAQUE_NAME   ".wh..wh..opq"

/* -- opening -- */

static bool make_room(void *context)
{
	struct image_builder *b = context;
	bool dropped = false;

	b->room_fault = fault_attach(b->room_fault, merge_make_room(b->m, &dropped));
	return dropped && !b->room_fault;
}

static uint64_t inodes_for(uint64_t size)
{
	uint64_t n = size / INODE_RATIO;

	/* Small file systems are for small images with many small files. */
	return n < 16384 ? size / 4096 : n;
}

static uint64_t budget_for(uint64_t size)
{
	if (size > UINT64_MAX / LAYERS_FACTOR)
		return UINT64_MAX;
	/* Of small file systems much of the archive is headers. */
	return size * LAYERS_FACTOR < BUDGET_LEAST ? BUDGET_LEAST : size * LAYERS_FACTOR;
}

struct fault *image_builder_open(int rootfs_fd, const struct image_builder_options *o,
				 struct image_builder **out)
{
	struct ext4_options e = {
		.size_bytes = o->size_bytes,
		.label = o->label,
		.root_mode = 0755,
		.inodes = inodes_for(o->size_bytes),
		.reproducible = true,
	};
	struct ext4_writer *w = NULL;
	struct image_builder *b;
	uint64_t max = o->max_entries ? o->max_entries : ENTRIES_MAX;

	TRY(ext4_writer_open(rootfs_fd, &e, &w));
	b = xcalloc(1, sizeof(*b));
	b->w = w;
	b->size_bytes = o->size_bytes;
	b->budget = budget_for(o->size_bytes);
	b->full_hint = xstrdup(o->full_hint ? o->full_hint : "give a larger --size");
	b->m = merge_new(w, max > UINT32_MAX / 4 ? UINT32_MAX / 4 : (uint32_t)max);
	ext4_writer_make_room(w, make_room, b);
	*out = b;
	return NULL;
}

void image_builder_free(struct image_builder *b)
{
	if (!b)
		return;
	fault_free(b->room_fault);
	merge_free(b->m);
	ext4_writer_free(b->w);
	free(b->full_hint);
	free(b);
}

struct fault *builder_fault(struct image_builder *b, struct fault *f)
{
	if (!f)
		return NULL;
	if (b->room_fault)
		f = fault_attach(steal_ptr(&b->room_fault), f);
	if (fault_kind(f) == F_NO_SPACE && !fault_errno(f))
		return fault_hint(f, "%s", b->full_hint);
	return f;
}

/* -- limits -- */

struct fault *builder_count_file(struct image_builder *b, uint64_t size, bool hidden)
{
	AUTO_FREE char *limit = text_size(b->size_bytes), *has = NULL;

	if (size > b->size_bytes) {
		has = text_size(size);
		return fault_new(F_NO_SPACE, "a file of %s does not fit into a file system of %s",
				 has, limit);
	}
	if (hidden)
		return NULL;
	b->content_bytes += size;
	if (b->content_bytes > b->size_bytes)
		return fault_new(F_NO_SPACE,
				 "the files up to here need more than the %s that the "
				 "file system has",
				 limit);
	return NULL;
}

/* -- one entry of an archive -- */

struct entry {
	struct image_builder *b;
	struct archive_reader *r;
	const struct archive_item *item;
	struct progress *progress;
	struct ext4_attr attr;
	struct ext4_xattr *xattrs; /* owned */
	uint32_t node;
	bool unreadable; /* the fault is the archive's and says which layer it is */
};

/* "<layer>: '<path>': <what is wrong>" */
static struct fault *entry_fault(const struct entry *e, const char *what, struct fault *f)
{
	const char *path = e->item->path;
	AUTO_BUF shown = BUF_INIT;
	size_t len = strnlen(path, PATH_SHOWN);

	if (!f || fault_kind(f) == F_CANCELLED)
		return f;
	text_add_printable(&shown, path, len);
	f = fault_wrap(f, "%s%s'%s%s'", e->unreadable ? "" : what, e->unreadable ? "" : ": ",
		       shown.data, path[len] ? "..." : "");
	return builder_fault(e->b, f);
}

static struct fault *fill_attr(struct entry *e)
{
	const struct archive_item *i = e->item;

	e->attr = (struct ext4_attr){
		.mode = i->mode,
		.uid = i->uid,
		.gid = i->gid,
		.mtime_sec = i->mtime_sec,
		.mtime_nsec = i->mtime_nsec,
		.rdev_major = i->rdev_major,
		.rdev_minor = i->rdev_minor,
		.n_xattrs = i->n_xattrs,
	};
	if (!i->n_xattrs)
		return NULL;
	if (i->n_xattrs > XATTRS_MAX)
		return fault_new(F_CORRUPT,
				 "it has %zu extended attributes: at most %u are allowed",
				 i->n_xattrs, XATTRS_MAX);
	e->xattrs = xcalloc(i->n_xattrs, sizeof(*e->xattrs));
	e->attr.xattrs = e->xattrs;
	for (size_t n = 0; n < i->n_xattrs; n++)
		archive_reader_xattr(e->r, n, &e->xattrs[n].name, &e->xattrs[n].value,
				     &e->xattrs[n].len);
	return NULL;
}

static struct fault *copy_data(struct entry *e)
{
	struct image_builder *b = e->b;
	const void *data;
	uint64_t offset = 0;
	size_t len;

	for (;;) {
		TRY(cancel_check());
		e->unreadable = true;
		TRY(archive_reader_data(e->r, &data, &len, &offset));
		e->unreadable = false;
		if (!len)
			return NULL;
		TRY(ext4_file_write(b->w, offset, data, len));
		b->read_bytes += len;
		progress_amount(e->progress, b->read_bytes, 0);
	}
}

static struct fault *add_file(struct entry *e)
{
	struct image_builder *b = e->b;
	bool hidden = merge_hidden(b->m, e->node), dropped = true;
	uint32_t inode = 0;

	TRY(builder_count_file(b, e->item->size, hidden));
	/* Nobody will see it; it is only written in case that a hard link follows. */
	while (hidden && dropped && ext4_free_bytes(b->w) < e->item->size + SPARE_BYTES)
		TRY(merge_make_room(b->m, &dropped));
	if (!hidden || dropped) {
		TRY(ext4_file_open(b->w, &e->attr, e->item->size));
		TRY(copy_data(e));
		TRY(ext4_file_close(b->w, &inode));
		b->file_bytes += e->item->size;
	}
	merge_add(b->m, e->node, MERGE_FILE, ext4_dirent_type(S_IFREG), inode);
	return NULL;
}

static struct fault *add_link(struct entry *e)
{
	uint32_t target;

	TRY(fault_wrap(merge_path(e->b->m, e->item->hardlink, &target), "the hard link's target"));
	if (target == MERGE_ROOT)
		return fault_new(F_CORRUPT, "a hard link to the root directory");
	merge_add(e->b->m, e->node, MERGE_LINK, 0, target);
	return NULL;
}

static struct fault *add_symlink(struct entry *e)
{
	const char *target = e->item->symlink ? e->item->symlink : "";
	uint32_t inode;

	TRY(ext4_symlink(e->b->w, &e->attr, target, strlen(target), &inode));
	merge_add(e->b->m, e->node, MERGE_SYMLINK, ext4_dirent_type(S_IFLNK), inode);
	return NULL;
}

static struct fault *add_node(struct entry *e)
{
	mode_t mode = e->item->mode;
	uint32_t inode;

	TRY(ext4_node(e->b->w, &e->attr, &inode));
	merge_add(e->b->m, e->node, S_ISDIR(mode) ? MERGE_DIR : MERGE_FILE, ext4_dirent_type(mode),
		  inode);
	return NULL;
}

/* The topmost layer's entry for "/" counts, and in it the last one. */
struct fault *builder_root(struct image_builder *b, const struct ext4_attr *attr)
{
	if (b->has_root && b->root_layer != b->m->n_layers)
		return NULL;
	b->has_root = true;
	b->root_layer = b->m->n_layers;
	return ext4_root(b->w, attr);
}

static struct fault *add_plain(struct entry *e)
{
	TRY(merge_path(e->b->m, e->item->path, &e->node));
	if (e->item->hardlink)
		return e->node == MERGE_ROOT ? fault_new(F_CORRUPT, "the root directory as a link")
					     : add_link(e);
	TRY(fill_attr(e));
	if (e->node == MERGE_ROOT)
		return S_ISDIR(e->item->mode)
			       ? builder_root(e->b, &e->attr)
			       : fault_new(F_CORRUPT, "the root directory as a file");
	if (S_ISREG(e->item->mode))
		return add_file(e);
	return S_ISLNK(e->item->mode) ? add_symlink(e) : add_node(e);
}

/* The last component of @path without trailing slashes; *@len is its length. */
static const char *last_name(const char *path, size_t *len)
{
	size_t end = strlen(path), start;

	while (end && path[end - 1] == '/')
		end--;
	for (start = end; start && path[start - 1] != '/'; start--)
		;
	*len = end - start;
	return path + start;
}

static struct fault *add_whiteout(struct entry *e, const char *name, size_t len)
{
	struct image_builder *b = e->b;
	size_t skip = strlen(WHITEOUT);
	AUTO_FREE char *parent = xstrndup(e->item->path, (size_t)(name - e->item->path));
	uint32_t dir = MERGE_ROOT, node;

	if (*parent)
		TRY(merge_path(b->m, parent, &dir));
	if (len == strlen(OPAQUE_NAME) && !memcmp(name, OPAQUE_NAME, len)) {
		merge_add(b->m, dir, MERGE_OPAQUE, 0, 0);
		return NULL;
	}
	if (len >= strlen(WHITEOUT_META) && !memcmp(name, WHITEOUT_META, strlen(WHITEOUT_META)))
		return NULL; /* what aufs keeps for itself */
	name += skip;
	len -= skip;
	if (!len || (len == 1 && name[0] == '.') || (len == 2 && !memcmp(name, "..", 2)) ||
	    len > EXT4_NAME_BYTES_MAX)
		return fault_new(F_CORRUPT, "a whiteout that names nothing");
	TRY(merge_child(b->m, dir, name, len, &node));
	merge_add(b->m, node, MERGE_WHITEOUT, 0, 0);
	return NULL;
}

static struct fault *add_entry(struct entry *e)
{
	size_t len;
	const char *name = last_name(e->item->path, &len);

	if (len >= strlen(WHITEOUT) && !memcmp(name, WHITEOUT, strlen(WHITEOUT)))
		return add_whiteout(e, name, len);
	return add_plain(e);
}

/* -- layers -- */

static struct fault *read_layer(struct image_builder *b, struct archive_reader *r, const char *what,
				struct progress *progress)
{
	struct archive_item item;
	bool end = false;

	for (;;) {
		struct entry e = {.b = b, .r = r, .item = &item, .progress = progress};
		struct fault *f;

		TRY(cancel_check());
		TRY(archive_reader_next(r, &item, &end));
		if (end)
			return NULL;
		f = add_entry(&e);
		free(e.xattrs);
		if (f)
			return entry_fault(&e, what, f);
	}
}

static struct fault *read_unpacked(struct image_builder *b, struct unpack *u, const char *what,
				   struct progress *progress)
{
	struct archive_source plain = unpack_source(u);
	struct archive_reader *r = NULL;
	struct fault *f;

	/* What was unpacked once is an archive: more layers of compression would escape all limits. */
	TRY(archive_reader_open_packed(&plain, PACKED_NOT, ARCHIVE_TAR | ARCHIVE_CPIO, what, &r));
	f = read_layer(b, r, what, progress);
	archive_reader_free(r);
	return f;
}

/* @stop: what makes @source give up waiting; NULL when it has nothing of the kind. */
static struct fault *add_layer(struct image_builder *b, const struct archive_source *source,
			       atomic_bool *stop, const struct image_layer *layer,
			       struct progress *progress)
{
	struct unpack *u = NULL;
	struct fault *f;

	TRY(merge_layer(b->m));
	TRY(unpack_open(source, layer, &b->budget, &u));
	f = read_unpacked(b, u, layer->what, progress);
	if (!f)
		f = unpack_check(u);
	if (stop)
		atomic_store(stop, true);
	unpack_close(u);
	return f;
}

struct fault *image_builder_known_layer(struct image_builder *b,
					const struct archive_source *source,
					const struct image_layer *layer, struct progress *progress)
{
	return add_layer(b, source, NULL, layer, progress);
}

struct fault *image_builder_layer(struct image_builder *b, const struct archive_source *source,
				  const char *what, struct progress *progress)
{
	return add_layer(b, source, NULL, &(struct image_layer){.what = what}, progress);
}

struct fault *image_builder_layer_fd(struct image_builder *b, int fd, const char *what,
				     struct progress *progress)
{
	struct fd_source file = {.fd = fd, .what = what};
	struct archive_source source = {fd_source_read, &file};
	struct fault *f = add_layer(b, &source, &file.stop, &(struct image_layer){.what = what},
				    progress);

	fd_source_release(&file);
	return f;
}
