/* SPDX-License-Identifier: MIT */
/*
 * merge_replay.c - applying the layers' events from the base up.
 *
 * A node exists when it was born after its parent directory was: so a directory that is replaced
 * takes everything below it along at once, however much that is.
 */
#include "image/merge.h"

#include <string.h>

#include "base/cancel.h"
#include "base/text.h"

#define LINKS_FOLLOWED 40u

/* -- what is there now -- */

static bool alive(const struct merge *m, uint32_t node)
{
	const struct merge_node *n = &m->nodes[node];

	return node == MERGE_ROOT ||
	       (n->current != MERGE_NONE && n->born > m->nodes[n->parent].born);
}

bool merge_exists(const struct merge *m, uint32_t node)
{
	return alive(m, node);
}

bool merge_is_dir(const struct merge *m, uint32_t node)
{
	uint32_t current = m->nodes[node].current;

	return node == MERGE_ROOT || current == MERGE_IMPLIED ||
	       (current != MERGE_NONE && m->events[current].kind == MERGE_DIR);
}

static bool is_symlink(const struct merge *m, uint32_t node)
{
	uint32_t current = m->nodes[node].current;

	return current < MERGE_IMPLIED && m->events[current].kind == MERGE_SYMLINK;
}

/* Puts @event at @node; a directory on a directory keeps what is in it. */
static void put(struct merge *m, uint32_t node, uint32_t event)
{
	bool is_dir = event == MERGE_IMPLIED || m->events[event].kind == MERGE_DIR;
	bool keep = is_dir && alive(m, node) && merge_is_dir(m, node);

	m->nodes[node].current = event;
	if (!keep && node != MERGE_ROOT)
		m->nodes[node].born = ++m->step;
}

/* -- resolving paths in the tree as it is now -- */

struct walk {
	uint32_t followed; /* symbolic links */
	bool make;	   /* make missing directories */
	bool last_link;	   /* follow a symbolic link in the last place, too */
};

static struct fault *step_into(struct merge *m, struct walk *t, uint32_t *at, const char *name,
			       size_t len, bool last);

static struct fault *long_target(struct merge *m, uint32_t link)
{
	AUTO_BUF path = BUF_INIT;

	merge_add_path(m, link, &path);
	return fault_new(F_CORRUPT,
			 "the symbolic link '%s' leads to a name that is longer than 255 bytes",
			 path.data);
}

static struct fault *follow(struct merge *m, struct walk *t, uint32_t *at, uint32_t link, bool last)
{
	AUTO_BUF target = BUF_INIT, path = BUF_INIT;
	const char *p;

	if (++t->followed > LINKS_FOLLOWED) {
		merge_add_path(m, link, &path);
		return fault_new(F_CORRUPT, "too many symbolic links, or a loop of them, at '%s'",
				 path.data);
	}
	TRY(ext4_read_start(m->w, m->events[m->nodes[link].current].inode, &target));
	p = target.data;
	if (*p == '/')
		*at = MERGE_ROOT;
	while (*p && *at != MERGE_NONE) {
		size_t len = strcspn(p, "/");
		bool is_last = last && !p[len + strspn(p + len, "/")];

		if (len > EXT4_NAME_BYTES_MAX)
			return long_target(m, link);
		TRY(merge_work(m, 8));
		TRY(step_into(m, t, at, p, len, is_last));
		p += len;
		p += *p == '/';
	}
	return NULL;
}

/*
 * One component: *@at, a directory, becomes the node of @name in it, MERGE_NONE when there is none.
 * Unless it is the last one, it becomes a directory when t->make is set.
 */
static struct fault *step_into(struct merge *m, struct walk *t, uint32_t *at, const char *name,
			       size_t len, bool last)
{
	uint32_t child;

	if (!len || (len == 1 && name[0] == '.'))
		return NULL;
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		*at = m->nodes[*at].parent;
		return NULL;
	}
	TRY(merge_work(m, 1));
	if (t->make)
		TRY(merge_child(m, *at, name, len, &child));
	else
		child = merge_lookup(m, *at, name, len);
	if (child != MERGE_NONE && alive(m, child) && is_symlink(m, child) &&
	    (!last || t->last_link))
		return follow(m, t, at, child, last);
	if (child != MERGE_NONE && !last && !(alive(m, child) && merge_is_dir(m, child))) {
		if (t->make)
			put(m, child, MERGE_IMPLIED);
		else
			child = MERGE_NONE;
	}
	if (child != MERGE_NONE && last && !t->make && !alive(m, child))
		child = MERGE_NONE;
	*at = child;
	return NULL;
}

/* The real node for the literal one, or MERGE_NONE; parents' links are followed. */
static struct fault *locate(struct merge *m, struct walk *t, uint32_t node, uint32_t *real)
{
	uint32_t chain[MERGE_DEPTH], n = 0, at = MERGE_ROOT;

	for (uint32_t i = node; i != MERGE_ROOT; i = m->nodes[i].parent) {
		if (n == MERGE_DEPTH)
			return fault_new(F_CORRUPT, "a path is too deep");
		chain[n++] = i;
	}
	while (n-- > 0 && at != MERGE_NONE) {
		size_t len;
		const char *name;
		char copy[EXT4_NAME_BYTES_MAX];
		uint32_t want = chain[n];

		/* The usual case needs no look-up. */
		if (m->nodes[want].parent == at && alive(m, want) && !is_symlink(m, want) &&
		    (n == 0 || merge_is_dir(m, want))) {
			at = want;
			continue;
		}
		name = merge_name(m, want, &len);
		memcpy(copy, name, len); /* names may move when one is added */
		TRY(step_into(m, t, &at, copy, len, n == 0));
	}
	*real = at;
	return NULL;
}

/* -- the events -- */

/* What is older than @layer goes, but a directory that still holds something stays. */
static void remove_one(struct merge *m, uint32_t node, uint32_t layer)
{
	uint32_t current = m->nodes[node].current;

	if (!alive(m, node) || (current < MERGE_IMPLIED && m->events[current].layer <= layer))
		return;
	if (merge_is_dir(m, node))
		for (uint32_t c = m->nodes[node].child; c != MERGE_NONE; c = m->nodes[c].sibling)
			if (alive(m, c))
				return;
	m->nodes[node].current = MERGE_NONE;
}

/* The same for everything from @top down, children before their parents. */
static struct fault *remove_lower(struct merge *m, uint32_t top, uint32_t layer)
{
	uint32_t at = top;

	for (;;) {
		while (alive(m, at) && merge_is_dir(m, at) && m->nodes[at].child != MERGE_NONE) {
			TRY(merge_work(m, 1));
			at = m->nodes[at].child;
		}
		remove_one(m, at, layer);
		while (at != top && m->nodes[at].sibling == MERGE_NONE) {
			at = m->nodes[at].parent;
			remove_one(m, at, layer);
		}
		if (at == top)
			return NULL;
		TRY(merge_work(m, 1));
		at = m->nodes[at].sibling;
	}
}

static struct fault *apply_whiteout(struct merge *m, const struct merge_event *e)
{
	struct walk t = {.make = false};
	uint32_t real;

	TRY(locate(m, &t, e->node, &real));
	return real == MERGE_NONE || real == MERGE_ROOT ? NULL : remove_lower(m, real, e->layer);
}

static struct fault *apply_opaque(struct merge *m, const struct merge_event *e)
{
	struct walk t = {.make = false, .last_link = true};
	uint32_t real;

	TRY(locate(m, &t, e->node, &real));
	if (real == MERGE_NONE || !merge_is_dir(m, real))
		return NULL;
	for (uint32_t c = m->nodes[real].child; c != MERGE_NONE; c = m->nodes[c].sibling)
		if (alive(m, c))
			TRY(remove_lower(m, c, e->layer));
	return NULL;
}

static struct fault *link_fault(struct merge *m, const struct merge_event *e, const char *why)
{
	AUTO_BUF from = BUF_INIT, to = BUF_INIT;

	merge_add_path(m, e->node, &from);
	merge_add_path(m, e->inode, &to);
	return fault_new(F_CORRUPT, "'%s' is a hard link to '%s', %s", from.data, to.data, why);
}

/* *@found is false when the target is not there (yet). */
static struct fault *apply_link(struct merge *m, uint32_t event, bool *found)
{
	struct walk t = {.make = false}, make = {.make = true};
	struct merge_event *e = &m->events[event];
	const struct merge_event *to;
	uint32_t target, real;

	TRY(locate(m, &t, e->inode, &target));
	*found = target != MERGE_NONE && alive(m, target) && !merge_is_dir(m, target);
	if (!*found)
		return NULL;
	TRY(locate(m, &make, e->node, &real));
	if (real == target)
		return NULL;
	/* Making the way there may have put a directory in the target's place. */
	*found = alive(m, target) && !merge_is_dir(m, target);
	if (!*found)
		return NULL;
	to = &m->events[m->nodes[target].current];
	if (!to->inode)
		return fault_hint(link_fault(m, e, "which did not fit"), "give a larger --size");
	e->inode = to->inode;
	e->type = to->type;
	e->kind = to->kind;
	if (real != MERGE_ROOT)
		put(m, real, event);
	return NULL;
}

static struct fault *apply_entry(struct merge *m, uint32_t event)
{
	struct walk t = {.make = true};
	uint32_t real;

	TRY(locate(m, &t, m->events[event].node, &real));
	if (real != MERGE_ROOT)
		put(m, real, event);
	return NULL;
}

static struct fault *apply(struct merge *m, uint32_t event, bool *found)
{
	const struct merge_event *e = &m->events[event];

	*found = true;
	TRY(merge_work(m, 1));
	switch ((enum merge_kind)e->kind) {
	case MERGE_WHITEOUT:
		return apply_whiteout(m, e);
	case MERGE_OPAQUE:
		return apply_opaque(m, e);
	case MERGE_LINK:
		return apply_link(m, event, found);
	default:
		return apply_entry(m, event);
	}
}

static struct fault *replay_layer(struct merge *m, uint32_t from, uint32_t to)
{
	bool found, late = false;

	for (uint32_t i = from; i < to; i++) {
		TRY(apply(m, i, &found));
		late |= !found;
	}
	/* A link may stand in front of its target. */
	for (uint32_t i = from; late && i < to; i++) {
		if (m->events[i].kind != MERGE_LINK)
			continue;
		TRY(apply(m, i, &found));
		if (!found)
			return link_fault(m, &m->events[i], "which is not there");
	}
	return NULL;
}

struct fault *merge_replay(struct merge *m)
{
	uint32_t end = m->n_events;

	for (uint32_t i = 0; i < m->n_nodes; i++) {
		m->nodes[i].current = MERGE_NONE;
		m->nodes[i].born = 0;
	}
	for (uint32_t layer = m->n_layers; layer-- > 0; end = m->layer_start[layer]) {
		TRY(cancel_check());
		end = layer + 1 == m->n_layers ? m->n_events : m->layer_start[layer + 1];
		TRY(replay_layer(m, m->layer_start[layer], end));
	}
	return NULL;
}

struct fault *merge_find(struct merge *m, const char *path, uint32_t *event)
{
	struct walk t = {.last_link = true};
	uint32_t at = MERGE_ROOT;

	while (*path && at != MERGE_NONE) {
		size_t len = strcspn(path, "/");

		TRY(step_into(m, &t, &at, path, len, !path[len]));
		path += len;
		path += *path == '/';
	}
	*event = at == MERGE_NONE   ? MERGE_NONE
		 : at == MERGE_ROOT ? MERGE_IMPLIED
				    : m->nodes[at].current;
	return NULL;
}
