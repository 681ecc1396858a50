/* SPDX-License-Identifier: MIT */
/* tar_header.h - the 512 bytes of ustar, for tar_read.c and tar_write.c only. */
#ifndef BANGER_GUEST_TAR_HEADER_H
#define BANGER_GUEST_TAR_HEADER_H

#include <stddef.h>

#define TAR_BLOCK 512

struct tar_header {
	char name[100];
	char mode[8], uid[8], gid[8];
	char size[12], mtime[12];
	char checksum[8];
	char type;
	char link[100];
	char magic[6], version[2];
	char user[32], group[32];
	char major[8], minor[8];
	char prefix[155];
	char pad[12];
};
_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a tar header is one block");

/* Sum of all bytes, the checksum's own taken as blanks. */
static inline unsigned int tar_checksum(const struct tar_header *h)
{
	const unsigned char *p = (const unsigned char *)h;
	unsigned int sum = 8 * ' ';

	for (size_t i = 0; i < TAR_BLOCK; i++)
		if (i < offsetof(struct tar_header, checksum) ||
		    i >= offsetof(struct tar_header, type))
			sum += p[i];
	return sum;
}

#endif
