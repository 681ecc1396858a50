/* SPDX-License-Identifier: MIT */
/*
 * merge.h - the layers of an image as one tree; only the image builder uses it.
 *
 * Theory of operation.  Layers come from the top one down, but what an entry means depends on what
 * lies below it: a symbolic link in the base decides where an upper layer's "lib/x" goes.  So the
 * work has two halves:
 *
 *  1. While layers are read, every entry becomes an *event* at the node of its literal path, in
 *     reading order.  Its inode and data are written at once.
 *  2. When all are there, the events are replayed from the base up, as unpacking the layers one
 *     after the other would, but in memory.  What is left is the image; inodes that lost their
 *     last name are dropped.
 *
 * A file of a lower layer whose literal path an upper layer certainly hides could be skipped, but
 * a hard link further down in its own layer may still need it.  It is written, and dropped early
 * only when space runs out.
 *
 * Memory: 28 bytes for a path and its name, 12 for an event.  Everything is an index into an array;
 * node 0 is the root directory.
 */
#ifndef BANGER_IMAGE_MERGE_H
#define BANGER_IMAGE_MERGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "disk/ext4.h"

#define MERGE_ROOT	 0u
#define MERGE_NONE	 UINT32_MAX
#define MERGE_PATH_BYTES 4095u
#define MERGE_DEPTH	 2048u /* components of a path of that length */
#define MERGE_LAYERS_MAX 4096u

enum merge_kind {
	MERGE_DIR,
	MERGE_FILE, /* and device nodes, fifos, sockets */
	MERGE_SYMLINK,
	MERGE_LINK,	/* a hard link; `inode` is the target's node until it is replayed */
	MERGE_WHITEOUT, /* of this path */
	MERGE_OPAQUE,	/* this directory hides what lower layers have in it */
};

struct merge_event {
	uint32_t node;
	uint32_t inode; /* 0 = none, or dropped early */
	uint16_t layer; /* 0 = the top one */
	uint8_t kind : 7;
	uint8_t literal : 1; /* its literal path is its real one, whatever lies below */
	uint8_t type;	     /* for the directory entry */
};

struct merge_node {
	uint32_t parent, sibling, child, same_hash;
	uint32_t name; /* in names: length byte, bytes */
	union {
		struct {		       /* while reading: layers, UINT16_MAX = none */
			uint16_t hidden_from;  /* it and all below is hidden in lower layers */
			uint16_t opaque_from;  /* all below is hidden in lower layers */
			uint16_t dir_from;     /* a directory: hides lower files */
			uint16_t explicit_dir; /* last layer that has it as a directory entry */
		};
		struct {		  /* while replaying */
			uint32_t current; /* event, MERGE_NONE, or MERGE_IMPLIED */
			uint32_t born;	  /* replay step at which it came into being */
		};
	};
};
/* A directory that no layer has an entry for. */
#define MERGE_IMPLIED (UINT32_MAX - 1)

struct merge {
	struct merge_node *nodes;
	uint32_t n_nodes, room_nodes, max_nodes;
	struct merge_event *events;
	uint32_t n_events, room_events;
	uint32_t *layer_start; /* first event of each layer */
	uint32_t n_layers;
	char *names;
	size_t names_len, names_room;
	uint32_t *buckets; /* heads of same_hash chains */
	uint32_t n_buckets;
	uint64_t hash_seed;
	uint64_t work, max_work; /* steps that a hostile image could multiply */
	uint32_t step;		 /* of the replay */
	uint64_t dropped_bytes;	 /* sizes of files that were written and dropped */
	struct ext4_writer *w;	 /* borrowed */
};

/* merge_new() - @max_entries: paths, implied ones included. */
struct merge *merge_new(struct ext4_writer *w, uint32_t max_entries);
void merge_free(struct merge *m);

/* -- reading -- */

/* merge_layer() - the events that follow belong to the next lower layer. */
struct fault *merge_layer(struct merge *m) MUST_CHECK;
/*
 * merge_path() - the node of @path, made when it is new.  Leading, trailing and doubled slashes
 * and "." do not matter.  F_CORRUPT: "..", an empty path, a name or path that is too long.
 */
struct fault *merge_path(struct merge *m, const char *path, uint32_t *node) MUST_CHECK;
/* merge_child() - the node of @name (1 to 255 bytes) in @parent, made when it is new. */
struct fault *merge_child(struct merge *m, uint32_t parent, const char *name, size_t len,
			  uint32_t *node) MUST_CHECK;
/* merge_lookup() - the same, MERGE_NONE when there is none. */
uint32_t merge_lookup(struct merge *m, uint32_t parent, const char *name, size_t len);
const char *merge_name(const struct merge *m, uint32_t node, size_t *len);
/* merge_add() - note one entry of the current layer. */
void merge_add(struct merge *m, uint32_t node, enum merge_kind kind, uint8_t type, uint32_t inode);
/* merge_append() - only store @e; returns its index.  All that is allowed once reading is over. */
uint32_t merge_append(struct merge *m, const struct merge_event *e);
/* merge_hidden() - is a file at @node in the current layer certainly hidden by upper layers? */
bool merge_hidden(const struct merge *m, uint32_t node);
/* merge_make_room() - drop what is certainly hidden and not hard linked; did that help? */
struct fault *merge_make_room(struct merge *m, bool *dropped) MUST_CHECK;

/* merge_drop() - the inode of @e is not needed. */
struct fault *merge_drop(struct merge *m, struct merge_event *e) MUST_CHECK;

/* -- replaying -- */

/* merge_replay() - F_CORRUPT: a hard link to nowhere, symbolic links in a loop. */
struct fault *merge_replay(struct merge *m) MUST_CHECK;
/* merge_exists() - after the replay, for a node whose parent exists. */
bool merge_exists(const struct merge *m, uint32_t node);
bool merge_is_dir(const struct merge *m, uint32_t node);
/*
 * merge_find() - after the replay, what @path leads to, links followed; MERGE_NONE when nothing.
 * @event: index; MERGE_IMPLIED for an implied directory.
 */
struct fault *merge_find(struct merge *m, const char *path, uint32_t *event) MUST_CHECK;
/* merge_work() - account for @steps; F_CORRUPT when the image needs absurdly many. */
struct fault *merge_work(struct merge *m, uint64_t steps) MUST_CHECK;
/* merge_add_path() - append the path of @node, for messages. */
void merge_add_path(const struct merge *m, uint32_t node, struct buf *out);

/* -- writing -- */

/*
 * merge_write() - drop what has no name, set link counts, write all directories.
 * @entries: out, names without the root directory.
 */
struct fault *merge_write(struct merge *m, uint64_t *entries) MUST_CHECK;

#endif
