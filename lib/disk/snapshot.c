/* SPDX-License-Identifier: MIT */
#include "disk/snapshot.h"

#include <endian.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/text.h"
#include "host/dm.h"
#include "host/loop.h"

#define CHUNK_SECTORS 8
#define CHUNK	      (CHUNK_SECTORS * DM_SECTOR)
/* Of 16 bytes each: where a chunk of the disk lies in the file. */
#define AREA_CHUNKS   (CHUNK / 16)
#define SPARE_CHUNKS  64

/* The beginning of a file of changes, numbers little-endian. */
struct cow_header {
	uint32_t magic;
	uint32_t valid;
	uint32_t version;
	uint32_t chunk_sectors;
};
#define COW_MAGIC   0x70416e53u
#define COW_VERSION 1u

struct fault *snapshot_check(void)
{
	static const char *const types[] = { "snapshot", "linear", "zero", NULL };

	if (geteuid() != 0)
		return fault_new(F_DENIED, "only root can make snapshots with the device mapper");
	TRY(loop_check());
	return dm_check(types);
}

struct fault *snapshot_make_cow(int fd, uint64_t size_bytes)
{
	uint64_t chunks = (size_bytes + CHUNK - 1) / CHUNK;
	uint64_t areas = chunks / AREA_CHUNKS + 1;

	if (ftruncate(fd, (off_t)((chunks + areas + SPARE_CHUNKS) * CHUNK)) < 0)
		return fault_sys(F_SYS, "sizing the file of changes of a root disk");
	return NULL;
}

struct fault *snapshot_check_cow(int fd)
{
	struct cow_header h;
	ssize_t n = pread(fd, &h, sizeof(h), 0);

	if (n < 0)
		return fault_sys(F_SYS, "reading the file of changes of a root disk");
	if (n < (ssize_t)sizeof(h))
		return fault_new(F_CORRUPT, "the file of changes of a root disk is too short");
	if (!h.magic && !h.valid && !h.version && !h.chunk_sectors)
		return NULL; /* new */
	if (le32toh(h.magic) != COW_MAGIC || le32toh(h.version) != COW_VERSION ||
	    le32toh(h.chunk_sectors) != CHUNK_SECTORS)
		return fault_new(F_CORRUPT, "the file of changes of a root disk has no header");
	if (!h.valid)
		return fault_new(F_STATE, "the root disk is lost: its changes could not be written any "
				 "more, as when the host's disk is full");
	return NULL;
}

/* ------------------------------------------------------------------------------------- making */

static char *base_of(const char *name)
{
	return xasprintf("%s-base", name);
}

static char *uuid_of(const struct snapshot *s, const char *suffix)
{
	return xasprintf(DM_UUID_PREFIX "%s-%s%s%s%s", s->owner, s->name + strlen(DM_PREFIX), suffix,
			 s->tag ? "." : "", s->tag ? s->tag : "");
}

/* Up to the tag, which earlier ones do not have. */
static bool is_same(const char *uuid, const char *other)
{
	size_t len = strcspn(uuid, ".");

	return len == strcspn(other, ".") && !strncmp(uuid, other, len);
}

/* @origin: the image's loop device; out: what is to be read where nothing was changed. */
static struct fault *open_base(const struct snapshot *s, uint64_t image_sectors, uint64_t sectors,
			       dev_t *origin)
{
	AUTO_FREE char *name = base_of(s->name);
	AUTO_FREE char *uuid = uuid_of(s, "-base");
	AUTO_FREE char *loop = xasprintf("%u:%u 0", major(*origin), minor(*origin));
	const struct dm_target targets[] = {
		{ 0, image_sectors, "linear", loop },
		{ image_sectors, sectors - image_sectors, "zero", "" },
	};

	return dm_create(name, uuid, true, targets, ARRAY_LEN(targets), origin);
}

static struct fault *open_top(const struct snapshot *s, uint64_t sectors, dev_t origin, dev_t cow)
{
	AUTO_FREE char *uuid = uuid_of(s, "");
	AUTO_FREE char *params = xasprintf("%u:%u %u:%u P %d", major(origin), minor(origin),
					   major(cow), minor(cow), CHUNK_SECTORS);
	const struct dm_target target = { 0, sectors, "snapshot", params };
	struct snapshot_use use = { 0 };

	TRY(dm_create(s->name, uuid, false, &target, 1, NULL));
	TRY(snapshot_use(s->name, &use));
	if (use.invalid)
		return fault_new(F_STATE, "the root disk is lost: the kernel refuses its changes");
	return NULL;
}

struct fault *snapshot_open(const struct snapshot *s, int image, int cow, uint64_t size_bytes)
{
	uint64_t sectors = size_bytes / DM_SECTOR;
	AUTO_FD image_loop = -1;
	AUTO_FD cow_loop = -1;
	dev_t origin, changes;
	bool deferred;
	struct stat st;
	struct fault *f;

	if (fstat(image, &st) < 0)
		return fault_sys(F_SYS, "looking at an image");
	if ((uint64_t)st.st_size > size_bytes)
		return fault_new(F_STATE, "the image has become larger than the root disk");
	/* VMs of one image share its pages; a VM's own changes are nobody else's. */
	TRY(loop_attach(image, true, false, &image_loop, &origin));
	TRY(loop_attach(cow, false, true, &cow_loop, &changes));
	if ((uint64_t)st.st_size / DM_SECTOR < sectors)
		TRY(open_base(s, (uint64_t)st.st_size / DM_SECTOR, sectors, &origin));
	f = open_top(s, sectors, origin, changes);
	return f ? fault_attach(f, snapshot_close(s, 0, &deferred)) : NULL;
}

/* ------------------------------------------------------------------------------------- removing */

static struct fault *close_one(const char *name, const char *uuid, int wait_ms, bool *deferred)
{
	struct dm_device device = { 0 };
	bool found;

	*deferred = false;
	TRY(dm_find(name, &found, &device));
	if (found && !is_same(device.uuid, uuid))
		return NULL;
	return dm_remove(name, wait_ms, deferred);
}

struct fault *snapshot_close(const struct snapshot *s, int wait_ms, bool *deferred)
{
	AUTO_FREE char *base = base_of(s->name);
	AUTO_FREE char *top_uuid = uuid_of(s, "");
	AUTO_FREE char *base_uuid = uuid_of(s, "-base");
	bool base_deferred;
	struct fault *f = close_one(s->name, top_uuid, wait_ms, deferred);

	/* It stays busy for as long as the device above it is there. */
	return fault_attach(f, close_one(base, base_uuid, *deferred ? 0 : wait_ms, &base_deferred));
}

static bool is_base(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && !strcmp(name + len - 5, "-base");
}

/* The name without "-base", whichever of the two devices is still there. */
struct fault *snapshot_find(const char *owner, char **name)
{
	AUTO_FREE char *prefix = xasprintf(DM_UUID_PREFIX "%s-", owner);
	struct strings names;
	struct fault *f = NULL;

	*name = NULL;
	TRY(dm_list(&names));
	for (size_t i = 0; !f && !*name && i < names.n; i++) {
		struct dm_device device = { 0 };
		bool found = false;

		f = dm_find(names.v[i], &found, &device);
		if (!f && found && !strncmp(device.uuid, prefix, strlen(prefix)))
			*name = xstrndup(names.v[i], strlen(names.v[i]) - (is_base(names.v[i]) ? 5 : 0));
	}
	strings_release(&names);
	return f;
}

/* ------------------------------------------------------------------------------------- all of them */

/* "/somewhere/root.cow", also of a file that is deleted, leads to "/somewhere"; owned. */
static char *directory_of(const char *backing)
{
	const char *slash = backing ? strrchr(backing, '/') : NULL;

	return slash && slash > backing ? xstrndup(backing, (size_t)(slash - backing)) : NULL;
}

static void take(const struct dm_seen *dm, struct records *out)
{
	struct snapshot_seen *seen = records_add(out, sizeof(*seen));
	const char *dot = strrchr(dm->uuid, '.');
	size_t len = strlen(dm->name);

	seen->device = xstrdup(dm->name);
	seen->name = xstrndup(dm->name, is_base(dm->name) ? len - 5 : len);
	seen->tag = dot ? xstrdup(dot + 1) : NULL;
	seen->path = is_base(dm->name) ? NULL : directory_of(dm->backing);
}

struct fault *snapshot_list(struct records *out)
{
	const struct dm_seen *all;
	struct records devices;

	*out = (struct records){ 0 };
	TRY(dm_look(&devices));
	all = devices.v;
	for (size_t i = 0; i < devices.n; i++)
		if (!strncmp(all[i].uuid, DM_UUID_PREFIX, strlen(DM_UUID_PREFIX)))
			take(&all[i], out);
	dm_look_release(&devices);
	return NULL;
}

void snapshot_list_release(struct records *list)
{
	struct snapshot_seen *all = list->v;

	for (size_t i = 0; i < list->n; i++) {
		free(all[i].device);
		free(all[i].name);
		free(all[i].tag);
		free(all[i].path);
	}
	free(all);
	*list = (struct records){ 0 };
}

struct fault *snapshot_drop(const struct snapshot_seen *seen, bool *deferred)
{
	struct dm_device device = { 0 };
	const char *dot;
	bool found;

	*deferred = false;
	TRY(dm_find(seen->device, &found, &device));
	dot = strrchr(device.uuid, '.');
	if (!found || !dot || !seen->tag || strcmp(dot + 1, seen->tag) != 0)
		return NULL;
	return dm_remove(seen->device, 0, deferred);
}

/* ------------------------------------------------------------------------------------- looking */

bool snapshot_parse(const char *text, struct snapshot_use *use)
{
	char *end;

	*use = (struct snapshot_use){ 0 };
	if (!strncmp(text, "Invalid", 7) || !strncmp(text, "Overflow", 8)) {
		use->invalid = true;
		return true;
	}
	if (*text < '0' || *text > '9')
		return false;
	use->used_bytes = strtoull(text, &end, 10) * DM_SECTOR;
	if (*end != '/' || end[1] < '0' || end[1] > '9')
		return false;
	use->total_bytes = strtoull(end + 1, &end, 10) * DM_SECTOR;
	return (!*end || *end == ' ') && use->total_bytes;
}

struct fault *snapshot_use(const char *name, struct snapshot_use *use)
{
	AUTO_BUF text = BUF_INIT;

	TRY(dm_status(name, &text));
	if (!snapshot_parse(text.data, use))
		return fault_new(F_SYS, "device '%s' is no snapshot: its status is '%.64s'", name,
				 text.data);
	return NULL;
}
