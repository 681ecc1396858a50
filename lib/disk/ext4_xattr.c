/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation.  What fits goes behind the inode's fixed part, the rest into one block of
 * its own, where the kernel wants entries sorted and hashed.  Both places look alike: entries grow
 * upward, four zero bytes end them, values grow downward from the end.
 */
#include "disk/ext4_writer.h"

#include <errno.h>

#define XATTR_MAGIC    0xea020000u
#define XATTR_HEADER   32u /* of a block */
#define XATTR_ENTRY    16u
#define XATTR_MANY     512u
#define ACL_XATTR_V2   2u /* as the kernel shows it */
#define ACL_DISK_V1    1u /* as ext4 stores it */
#define ACL_USER       0x02u
#define ACL_GROUP      0x08u
#define PREFIX_ACL     2u
#define PREFIX_ACL_DEF 3u

/* One attribute in ext4's terms. */
struct item {
	uint8_t prefix;	  /* name index */
	const char *name; /* the rest of the name; borrowed */
	size_t name_len;
	const uint8_t *value; /* borrowed, or owned_value */
	size_t len;
	uint8_t *owned_value;
};

/* A place that holds attributes. */
struct area {
	uint8_t *base;	 /* where entries begin */
	size_t entries;	 /* bytes of entries so far */
	size_t values;	 /* offset from base where values begin */
	size_t value_at; /* what value offsets count from, relative to base, negated */
	bool hashed;
};

static bool find_prefix(const char *name, struct item *it)
{
	static const struct {
		const char *prefix;
		uint8_t index;
		bool whole;
	} known[] = {
		{"user.", 1, false},
		{"system.posix_acl_access", PREFIX_ACL, true},
		{"system.posix_acl_default", PREFIX_ACL_DEF, true},
		{"trusted.", 4, false},
		{"security.", 6, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		size_t n = strlen(known[i].prefix);

		if (strncmp(name, known[i].prefix, n) || (known[i].whole && name[n]))
			continue;
		it->prefix = known[i].index;
		it->name = name + n;
		it->name_len = strlen(it->name);
		return known[i].whole || it->name_len;
	}
	return false;
}

/* From the kernel's 8 bytes for each entry to ext4's 4 for those that name nobody. */
static struct fault *convert_acl(struct item *it)
{
	const uint8_t *in = it->value;
	size_t n = it->len >= 4 ? (it->len - 4) / 8 : 0, to = 4;

	if (it->len < 4 || it->len % 8 != 4 || get32(in) != ACL_XATTR_V2)
		return fault_new(F_INVALID, "its access control list is malformed");
	it->owned_value = xcalloc(1, it->len);
	put32(it->owned_value, ACL_DISK_V1);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *e = in + 4 + i * 8;
		uint32_t tag = get16(e);
		size_t len = tag == ACL_USER || tag == ACL_GROUP ? 8 : 4;

		memcpy(it->owned_value + to, e, len);
		to += len;
	}
	it->value = it->owned_value;
	it->len = to;
	return NULL;
}

static int compare_items(const void *left, const void *right)
{
	const struct item *a = left, *b = right;

	if (a->prefix != b->prefix)
		return a->prefix < b->prefix ? -1 : 1;
	if (a->name_len != b->name_len)
		return a->name_len < b->name_len ? -1 : 1;
	return memcmp(a->name, b->name, a->name_len);
}

static size_t rounded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

static bool fits(const struct area *a, const struct item *it)
{
	size_t entry = XATTR_ENTRY + rounded(it->name_len);

	return a->entries + entry + 4 + rounded(it->len) <= a->values;
}

static uint32_t hash_item(const struct item *it, const uint8_t *padded, size_t padded_len)
{
	uint32_t hash = 0;

	for (size_t i = 0; i < it->name_len; i++)
		hash = (hash << 5) ^ (hash >> 27) ^ (uint8_t)it->name[i];
	for (size_t i = 0; i < padded_len; i += 4)
		hash = (hash << 16) ^ (hash >> 16) ^ get32(padded + i);
	return hash;
}

static uint32_t add_item(struct area *a, const struct item *it)
{
	uint8_t *e = a->base + a->entries;
	uint32_t hash = 0;

	a->values -= rounded(it->len);
	if (it->len)
		memcpy(a->base + a->values, it->value, it->len);
	e[0] = (uint8_t)it->name_len;
	e[1] = it->prefix;
	put16(e + 2, it->len ? (uint32_t)(a->values + a->value_at) : 0);
	put32(e + 8, (uint32_t)it->len);
	if (a->hashed)
		hash = hash_item(it, a->base + a->values, rounded(it->len));
	put32(e + 12, hash);
	memcpy(e + XATTR_ENTRY, it->name, it->name_len);
	a->entries += XATTR_ENTRY + rounded(it->name_len);
	return hash;
}

static struct fault *write_block(struct ext4_writer *w, const struct item *items, size_t n,
				 uint8_t *raw)
{
	uint8_t block[BLOCK] = {0}, number[8] = {0};
	struct area a = {block + XATTR_HEADER, 0, BLOCK - XATTR_HEADER, XATTR_HEADER, true};
	uint32_t hash = 0, crc;
	uint64_t place;

	for (size_t i = 0; i < n; i++) {
		if (!fits(&a, &items[i]))
			return fault_new(F_INVALID,
					 "its extended attributes do not fit into %u bytes, which "
					 "is all that ext4 has for them",
					 BLOCK);
		hash = (hash << 16) ^ (hash >> 16) ^ add_item(&a, &items[i]);
	}
	TRY(ext4_block_take(w, &place));
	put32(block, XATTR_MAGIC);
	put32(block + 4, 1);
	put32(block + 8, 1);
	put32(block + 12, hash);
	put32(number, (uint32_t)place);
	put32(number + 4, (uint32_t)(place >> 32));
	crc = ext4_crc32c(w->csum_seed, number, sizeof(number));
	put32(block + 16, ext4_crc32c(crc, block, BLOCK));
	put32(raw + I_FILE_ACL, (uint32_t)place);
	put16(raw + I_FILE_ACL_HIGH, (uint32_t)(place >> 32));
	ext4_inode_add_blocks(raw, 1);
	return ext4_block_put(w, place, block);
}

/* The attributes that ext4 can hold, sorted, each name once (the last one given). */
static struct fault *gather(const struct ext4_attr *attr, struct item *items, size_t *n)
{
	for (size_t i = attr->n_xattrs; i-- > 0;) {
		const struct ext4_xattr *x = &attr->xattrs[i];
		struct item it = {.value = x->value, .len = x->len};
		size_t k = 0;

		/* Other systems' attributes ("com.apple.") mean nothing to Linux. */
		if (!find_prefix(x->name, &it))
			continue;
		if (it.name_len > 255)
			return fault_new(F_INVALID, "an extended attribute's name is too long");
		while (k < *n && compare_items(&items[k], &it))
			k++;
		if (k < *n)
			continue;
		items[*n] = it;
		if (it.prefix == PREFIX_ACL || it.prefix == PREFIX_ACL_DEF)
			TRY(convert_acl(&items[*n]));
		(*n)++;
	}
	qsort(items, *n, sizeof(*items), compare_items);
	return NULL;
}

static struct fault *place_items(struct ext4_writer *w, struct item *items, size_t n, uint8_t *raw)
{
	struct area a = {raw + I_XATTRS + 4, 0, XATTR_ROOM - 4, 0, false};
	size_t rest = 0;

	for (size_t i = 0; i < n; i++) {
		if (fits(&a, &items[i])) {
			add_item(&a, &items[i]);
		} else {
			struct item outside = items[i];

			/* Keep the order, and each owned value in exactly one slot. */
			items[i].owned_value = NULL;
			free(items[rest].owned_value);
			items[rest++] = outside;
		}
	}
	if (a.entries)
		put32(raw + I_XATTRS, XATTR_MAGIC);
	return rest ? write_block(w, items, rest, raw) : NULL;
}

struct fault *ext4_xattrs_encode(struct ext4_writer *w, const struct ext4_attr *attr, uint8_t *raw)
{
	AUTO_FREE struct item *items = NULL;
	struct fault *f;
	size_t n = 0;

	if (attr->n_xattrs > XATTR_MANY)
		return fault_new(F_INVALID,
				 "it has %zu extended attributes: at most %u are allowed",
				 attr->n_xattrs, XATTR_MANY);
	items = xcalloc(attr->n_xattrs, sizeof(*items));
	f = gather(attr, items, &n);
	if (!f)
		f = place_items(w, items, n, raw);
	for (size_t i = 0; i < attr->n_xattrs; i++)
		free(items[i].owned_value);
	return f;
}
