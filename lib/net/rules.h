/* SPDX-License-Identifier: MIT */
/*
 * rules.h - the packet filter of the VMs' bridge, as nft's JSON (libnftables-json(5)).
 *
 * Two tables of banger's own, both called "banger", rules that are the same for everybody and one
 * element for each VM in sets and maps:
 *
 *	inet	nat	addresses that may go out		peers	those that may talk to each other
 *		out, in	address to counter "from_<short>" and "to_<short>"
 *	bridge	guests	interface . MAC . address: what a guest may send as; all else is dropped and
 *			counted in "spoofed", whatever its protocol, before anything looks at it
 *		talkers	interfaces of the peers: frames pass only from one of them to another
 *
 * Guests reach the host only to ping it and to answer it.  What they may not do is rejected before
 * routing, so they are told at once also where the host forwards nothing.
 */
#ifndef BANGER_NET_RULES_H
#define BANGER_NET_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/json.h"
#include "net/subnet.h"

struct rules_guest {
	const char *short_id, *tap, *mac, *address;
	bool nat, peers;
	const char *tag; /* rules_add_guest(): of the state directory; NULL = none */
};

/*
 * One transaction: rules_begin(), any of the others, rules_end().  All of them may be applied again
 * and again: what is there stays one, what is not there is no fault.
 */
void rules_begin(struct buf *b);
void rules_end(struct buf *b);
/* The tables with their sets and rules; elements that are there stay. */
void rules_add_base(struct buf *b, const char *bridge, const struct subnet *subnet);
void rules_add_guest(struct buf *b, const struct rules_guest *g);
void rules_remove_guest(struct buf *b, const struct rules_guest *g);
/* Everything of banger's. */
void rules_remove_base(struct buf *b);

/* What `nft -j list ruleset` says. */
struct rules_seen {
	size_t rules;	    /* in banger's tables */
	bool guest;	    /* the guest's elements, all that it should have and no more */
	struct strings taps; /* that have an element */
	char *foreign;	    /* a chain of others that drops what it does not know; NULL = none */
};
void rules_seen_release(struct rules_seen *seen);
/* rules_read() - @g: the guest that is looked for, or NULL.  F_CORRUPT. */
struct fault *rules_read(const char *text, size_t len, const struct rules_guest *g,
			 struct rules_seen *seen) MUST_CHECK;
/* One of the elements of "guests"; all owned. */
struct rules_element {
	char *tap, *mac, *address;
	char *tag; /* of its state directory; NULL = it has none */
};
/*
 * rules_list() - out of what `nft -j list sets bridge` says.  *@there: it has banger's table.
 * @out: records of struct rules_element.  F_CORRUPT.
 */
struct fault *rules_list(const char *text, size_t len, bool *there, struct records *out) MUST_CHECK;
void rules_list_release(struct records *elements);
/* How many rules rules_add_base() makes. */
#define RULES_BASE 21

#endif
