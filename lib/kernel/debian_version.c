/* SPDX-License-Identifier: MIT */
/* debian_version.c - the order of package versions (deb-version(7)). */
#include <stdbool.h>
#include <string.h>

#include "kernel/debian.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* '~' comes before the end, the end before letters, letters before everything else. */
static int rank(char c, bool end)
{
	if (end || is_digit(c))
		return 0;
	if (c == '~')
		return -1;
	return is_letter(c) ? (unsigned char)c : (unsigned char)c + 256;
}

static void skip_zeros(const char **p, const char *end)
{
	while (*p < end && **p == '0')
		(*p)++;
}

static int compare_numbers(const char **a, const char *a_end, const char **b, const char *b_end)
{
	int first = 0;

	skip_zeros(a, a_end);
	skip_zeros(b, b_end);
	for (; *a < a_end && is_digit(**a) && *b < b_end && is_digit(**b); (*a)++, (*b)++)
		if (!first)
			first = **a - **b;
	if (*a < a_end && is_digit(**a))
		return 1;
	if (*b < b_end && is_digit(**b))
		return -1;
	return first;
}

static int compare_parts(const char *a, const char *a_end, const char *b, const char *b_end)
{
	while (a < a_end || b < b_end) {
		int result;

		while ((a < a_end && !is_digit(*a)) || (b < b_end && !is_digit(*b))) {
			int ra = rank(a < a_end ? *a : 0, a >= a_end);
			int rb = rank(b < b_end ? *b : 0, b >= b_end);

			if (ra != rb)
				return ra - rb;
			a++;
			b++;
		}
		result = compare_numbers(&a, a_end, &b, b_end);
		if (result)
			return result;
	}
	return 0;
}

struct version {
	const char *epoch, *epoch_end, *upstream, *upstream_end, *revision, *revision_end;
};

static struct version split(const char *text)
{
	const char *end = text + strlen(text), *colon = strchr(text, ':');
	const char *dash = strrchr(text, '-');

	if (dash && colon && dash < colon)
		dash = NULL;
	return (struct version){
		.epoch = text,
		.epoch_end = colon ? colon : text,
		.upstream = colon ? colon + 1 : text,
		.upstream_end = dash ? dash : end,
		.revision = dash ? dash + 1 : end,
		.revision_end = end,
	};
}

int debian_version_compare(const char *a, const char *b)
{
	struct version x = split(a), y = split(b);
	int result = compare_numbers(&x.epoch, x.epoch_end, &y.epoch, y.epoch_end);

	if (!result)
		result = compare_parts(x.upstream, x.upstream_end, y.upstream, y.upstream_end);
	if (!result)
		result = compare_parts(x.revision, x.revision_end, y.revision, y.revision_end);
	return result;
}
