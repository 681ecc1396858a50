/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  An empty overlay is four clusters of 64 KiB: the header with its extension
 * and the name of the backing file, the refcount table with one entry, the refcount block that
 * counts these four clusters, and the L1 table, all zero: no cluster is allocated yet.  One L1
 * cluster holds 8192 entries of 512 MiB each, so 4 TiB is what this layout can address.
 */
#include "disk/qcow2.h"

#include <endian.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define CLUSTER_BITS	   16
#define CLUSTER		   (UINT64_C(1) << CLUSTER_BITS)
#define L1_SPAN		   (CLUSTER * (CLUSTER / 8))
#define SIZE_MAX_BYTES	   (L1_SPAN * (CLUSTER / 8))
#define BACKING_MAX	   1023
#define EXT_BACKING_FORMAT 0xe2792acau

enum { AT_HEADER, AT_REFCOUNT_TABLE, AT_REFCOUNT_BLOCK, AT_L1, CLUSTERS };

struct header {
	uint32_t magic, version;
	uint64_t backing_offset;
	uint32_t backing_len, cluster_bits;
	uint64_t size;
	uint32_t crypt_method, l1_entries;
	uint64_t l1_offset, refcount_table_offset;
	uint32_t refcount_table_clusters, n_snapshots;
	uint64_t snapshots_offset, incompatible, compatible, autoclear;
	uint32_t refcount_order, header_len;
	/* The extension "backing file format", then the end of extensions. */
	uint32_t ext_type, ext_len;
	char ext_format[8];
	uint32_t end_type, end_len;
} __attribute__((packed));

struct fault *qcow2_make_overlay(int fd, const char *backing, uint64_t size_bytes)
{
	uint64_t size = (size_bytes + 511) / 512 * 512;
	struct header h = {
		.magic = htobe32(0x514649fb), /* "QFI\xfb" */
		.version = htobe32(3),
		.backing_offset = htobe64(sizeof(struct header)),
		.backing_len = htobe32((uint32_t)strlen(backing)),
		.cluster_bits = htobe32(CLUSTER_BITS),
		.size = htobe64(size),
		.l1_entries = htobe32((uint32_t)((size + L1_SPAN - 1) / L1_SPAN)),
		.l1_offset = htobe64(AT_L1 * CLUSTER),
		.refcount_table_offset = htobe64(AT_REFCOUNT_TABLE * CLUSTER),
		.refcount_table_clusters = htobe32(1),
		.refcount_order = htobe32(4),
		.header_len = htobe32(offsetof(struct header, ext_type)),
		.ext_type = htobe32(EXT_BACKING_FORMAT),
		.ext_len = htobe32(3),
		.ext_format = "raw",
	};
	uint64_t block_at = htobe64(AT_REFCOUNT_BLOCK * CLUSTER);
	uint16_t counts[CLUSTERS];

	if (strlen(backing) > BACKING_MAX)
		return fault_new(F_INVALID, "the path '%s' is too long for a disk overlay",
				 backing);
	if (!size || size > SIZE_MAX_BYTES)
		return fault_new(F_INVALID, "a disk overlay must be larger than 0 and at most 4T");
	for (int i = 0; i < CLUSTERS; i++)
		counts[i] = htobe16(1);
	TRY(file_pwrite_all(fd, &h, sizeof(h), 0, "the disk overlay"));
	TRY(file_pwrite_all(fd, backing, strlen(backing), sizeof(h), "the disk overlay"));
	TRY(file_pwrite_all(fd, &block_at, sizeof(block_at), AT_REFCOUNT_TABLE * CLUSTER,
			    "the disk overlay"));
	TRY(file_pwrite_all(fd, counts, sizeof(counts), AT_REFCOUNT_BLOCK * CLUSTER,
			    "the disk overlay"));
	if (ftruncate(fd, CLUSTERS * CLUSTER) < 0)
		return fault_sys(F_SYS, "sizing the disk overlay");
	return NULL;
}
