/* SPDX-License-Identifier: MIT */
#include "base/nearest.h"

#include <limits.h>
#include <string.h>

#include "base/mem.h"

#define WORD_MAX 64

struct nearest nearest_to(const char *wanted)
{
	return (struct nearest){ .wanted = wanted, .slips = UINT_MAX };
}

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn @a into @b. */
static unsigned int count_slips(const char *a, const char *b)
{
	unsigned int rows[3][WORD_MAX + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return UINT_MAX;
	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned int *row = rows[i % 3], *above = rows[(i + 2) % 3];
		const unsigned int *two_above = rows[(i + 1) % 3];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= b_len; j++) {
			row[j] = least(above[j], row[j - 1]) + 1;
			row[j] = least(row[j], above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], two_above[j - 2] + 1);
		}
	}
	return rows[a_len % 3][b_len];
}

void nearest_offer(struct nearest *n, const char *candidate)
{
	unsigned int slips = count_slips(n->wanted, candidate);

	if (slips < n->slips) {
		n->slips = slips;
		n->best = candidate;
	}
}

const char *nearest_best(const struct nearest *n)
{
	size_t allowed = (strlen(n->wanted) + 2) / 3;

	return n->best && n->slips <= allowed ? n->best : NULL;
}
