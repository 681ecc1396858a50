/* SPDX-License-Identifier: MIT */
/*
 * tree_compare.h - which files of a directory differ from a list.  The agent's part 'compare' and, for
 * trees of its own, the host.
 *
 * A list is records "MODE SIZE OID FLAG PATH", each ended by a NUL, sorted by path as bytes: MODE is
 * git's (100644, 100755, 120000), OID git's name of the content, FLAG 'o' for a file that may be absent,
 * else 'r'.  The answer is records "M MODE SIZE PATH" (other content, mode or type), "D PATH" (gone) and
 * "N MODE SIZE PATH" (not in the list), also ended by NULs.  Everything named ".git" and what tree.h is
 * just writing is passed over, as are devices and the like.
 */
#ifndef BANGER_GUEST_TREE_COMPARE_H
#define BANGER_GUEST_TREE_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "guest/tree_hash.h"

struct tree_entry {
	uint32_t mode; /* git's */
	uint64_t size;
	char oid[TREE_OID_HEX + 1];
	bool optional;
	char *path; /* owned */
};

struct tree_list {
	struct tree_entry *v; /* owned */
	size_t n, room;
};

/* tree_list_add() - append a zeroed entry with @path (copied). */
struct tree_entry *tree_list_add(struct tree_list *l, const char *path);
void tree_list_release(struct tree_list *l);
void tree_list_sort(struct tree_list *l);
/* In a sorted list; NULL = not there. */
struct tree_entry *tree_list_find(const struct tree_list *l, const char *path);
void tree_list_write(const struct tree_list *l, struct buf *b);
/* F_CORRUPT.  The list is sorted afterwards. */
struct fault *tree_list_read(const char *data, size_t len, struct tree_list *l) MUST_CHECK;

/* tree_compare() - @all: also look for files that are not in the list.  Appends the answer to @out. */
struct fault *tree_compare(int dir, const struct tree_list *l, bool all,
			   struct buf *out) MUST_CHECK;

struct stat;
/* tree_entry_examine() - mode and size of @last in @parent as git has them; the content's name when
 * @oid is not NULL.  *@mode 0: no file and no link. */
struct fault *tree_entry_examine(int parent, const char *last, const char *name,
				 const struct stat *st, uint32_t *mode, uint64_t *size,
				 char *oid) MUST_CHECK;

#define TREE_COMPARE_MAX (64u << 20) /* bytes of a list and of an answer */

#endif
