/* SPDX-License-Identifier: MIT */
/*
 * nearest.h - "did you mean": the candidate that is the fewest typing slips away from a word.
 *
 *	struct nearest n = nearest_to("stopp");
 *	for each candidate: nearest_offer(&n, candidate);
 *	nearest_best(&n) is "stop", or NULL when nothing is close
 */
#ifndef BANGER_BASE_NEAREST_H
#define BANGER_BASE_NEAREST_H

struct nearest {
	const char *wanted; /* borrowed */
	const char *best;   /* borrowed from the candidates */
	unsigned int slips; /* between wanted and best */
};

struct nearest nearest_to(const char *wanted);
/* nearest_offer() - consider @candidate, which must live as long as @n is used; first one wins. */
void nearest_offer(struct nearest *n, const char *candidate);
/* The closest candidate, or NULL when all need more slips than a third of the word's length. */
const char *nearest_best(const struct nearest *n);

#endif
