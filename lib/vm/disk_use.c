/* SPDX-License-Identifier: MIT */
#include "vm/disk_use.h"

#include "base/tree_usage.h"
#include "vm/vm.h"

static const struct field use_fields[] = {
	FIELD(struct disk_use, what, FIELD_STRING),
	FIELD(struct disk_use, count, FIELD_U64),
	FIELD(struct disk_use, logical_bytes, FIELD_U64),
	FIELD(struct disk_use, allocated_bytes, FIELD_U64),
	FIELD(struct disk_use, shared_bytes, FIELD_U64),
	FIELD(struct disk_use, reclaimable_bytes, FIELD_U64),
};
const struct record_type disk_use_type = {
	"disk use", sizeof(struct disk_use), use_fields, ARRAY_LEN(use_fields), 0,
};

static void add(struct disk_use *row, const struct tree_usage *usage, bool reclaimable)
{
	row->count++;
	row->logical_bytes += usage->logical_bytes;
	row->allocated_bytes += usage->allocated_bytes;
	row->shared_bytes += usage->shared_bytes;
	/* What others have as well is not freed by removing one of them. */
	if (reclaimable && usage->allocated_bytes > usage->shared_bytes)
		row->reclaimable_bytes += usage->allocated_bytes - usage->shared_bytes;
}

static bool is_idle_vm(const struct store *s, const struct config *config, const char *name)
{
	AUTO_VM vm = VM_INIT;
	AUTO_FAULT gone = vm_open(s, config, name, &vm);

	return !gone && vm_state(&vm) != VM_RUNNING;
}

static bool is_unused(const struct records *uses, enum collection c, const char *name)
{
	struct strings vms = { 0 };
	bool unused;

	store_uses_find(uses, c, name, &vms);
	unused = !vms.n;
	strings_release(&vms);
	return unused;
}

static struct fault *add_collection(const struct store *s, const struct config *config,
				    enum collection c, const struct records *uses,
				    struct disk_use *row)
{
	struct strings names;
	struct fault *f = NULL;

	TRY(store_names(s, c, &names));
	for (size_t i = 0; !f && i < names.n; i++) {
		struct tree_usage usage = { 0 };

		f = tree_usage_add(s->collections[c], names.v[i], true, &usage);
		if (!f)
			add(row, &usage, c == COLLECTION_VMS ? is_idle_vm(s, config, names.v[i])
							     : is_unused(uses, c, names.v[i]));
	}
	strings_release(&names);
	return f;
}

static struct disk_use *row_of(struct records *out, const char *what)
{
	struct disk_use *row = records_add(out, sizeof(*row));

	row->what = xstrdup(what);
	return row;
}

static void add_total(struct records *out)
{
	struct disk_use sum = { .what = xstrdup("total") };
	const struct disk_use *all = out->v;

	for (size_t i = 0; i < out->n; i++) {
		sum.count += all[i].count;
		sum.logical_bytes += all[i].logical_bytes;
		sum.allocated_bytes += all[i].allocated_bytes;
		sum.shared_bytes += all[i].shared_bytes;
		sum.reclaimable_bytes += all[i].reclaimable_bytes;
	}
	*(struct disk_use *)records_add(out, sizeof(sum)) = sum;
}

struct fault *disk_use_list(const struct store *s, const struct config *config, struct records *out)
{
	struct tree_usage cache = { 0 };
	struct records uses;
	struct fault *f;

	*out = (struct records){ 0 };
	TRY(store_uses(s, &uses));
	f = store_cache_usage(s, &cache);
	for (unsigned int c = 0; !f && c < COLLECTIONS; c++)
		f = add_collection(s, config, c, &uses, row_of(out, store_directory((enum collection)c)));
	store_uses_release(&uses);
	if (f)
		return f;
	add(row_of(out, "cache"), &cache, true);
	((struct disk_use *)out->v + COLLECTIONS)->count = cache.files;
	add_total(out);
	return NULL;
}
