/* SPDX-License-Identifier: MIT */
/* nss_time DIRECTORY COUNT NAME... - how long a look-up of each NAME.vm takes in turn, nanoseconds. */
#include <stdlib.h>
#include <unistd.h>

/* The module is no part of the library. */
#include "nss-banger/lookup.c"

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	long count = argc > 3 ? strtol(argv[2], NULL, 10) : 0;
	struct lookup_address address;
	struct lookup_label label;
	int64_t start;

	if (count < 1)
		return 2;
	start = now_ns();
	for (long i = 0; i < count; i++) {
		if (!lookup_split(argv[3 + i % (argc - 3)], &label) ||
		    lookup_by_name(argv[1], geteuid(), &label, &address) != LOOKUP_FOUND)
			return 1;
	}
	printf("%lld\n", (long long)((now_ns() - start) / count));
	return 0;
}
