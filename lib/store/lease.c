/* SPDX-License-Identifier: MIT */
#include "store/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "host/process.h"
#include "store/vm_store.h"

#define LEASES "leases/ip"

struct lease {
	char *id, *name;
	struct process_id by;
};

static const struct field lease_fields[] = {
	FIELD_REQ(struct lease, id, FIELD_STRING),
	FIELD_REQ(struct lease, name, FIELD_STRING),
	FIELD_SUB(struct lease, by, FIELD_RECORD, &process_id_type),
};

static const struct record_type lease_type = {
	"lease", sizeof(struct lease), lease_fields, ARRAY_LEN(lease_fields), 1,
};

struct fault *store_net_lock(const struct store *s, const char *verb, struct lock *lock)
{
	return lock_take(s->locks, "net.lock", LOCK_EXCLUSIVE, "the network", verb, s->wait_ms, lock);
}

static struct fault *open_leases(const struct store *s, bool make, int *dir)
{
	AUTO_FREE char *path = xasprintf("%s/" LEASES, s->path);

	if (make)
		return dir_make_path(path, 0700, dir);
	*dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*dir < 0 && errno != ENOENT)
		return fault_sys(F_SYS, "opening '%s'", path);
	return NULL;
}

/* ---------------------------------------------------------------------------------- staleness */

static bool vm_has_id(const struct store *s, const char *name, const char *id)
{
	AUTO_VM_DIR dir = VM_DIR_INIT;
	struct vm_spec spec = { 0 };
	AUTO_FAULT f = vm_dir_open(s, name, &dir);
	bool has;

	if (f)
		return false;
	f = vm_spec_read(&dir, &spec);
	/* A record that cannot be read may be anybody's. */
	has = f || !strcmp(spec.id, id);
	record_release(&vm_spec_type, &spec);
	return has;
}

static bool is_used(const struct store *s, const struct lease *lease)
{
	struct strings names = { 0 };
	AUTO_FAULT unknown = NULL;
	AUTO_FAULT f = NULL;
	AUTO_FD pidfd = -1;
	bool used;

	if (vm_has_id(s, lease->name, lease->id))
		return true;
	f = lease->by.pid ? process_open(&lease->by, &pidfd) : NULL;
	if (f || pidfd >= 0)
		return true;
	unknown = store_names(s, COLLECTION_VMS, &names); /* it may have been renamed */
	used = unknown != NULL;
	for (size_t i = 0; i < names.n && !used; i++)
		used = vm_has_id(s, names.v[i], lease->id);
	strings_release(&names);
	return used;
}

/* One that cannot be read at all was not written by us in one piece: it is worth nothing. */
static bool is_stale(const struct store *s, int dir, const char *address)
{
	struct lease lease = { 0 };
	AUTO_FAULT f = file_read_record(dir, address, &lease_type, address, &lease);
	bool stale = f ? fault_kind(f) == F_CORRUPT : !is_used(s, &lease);

	record_release(&lease_type, &lease);
	return stale;
}

static struct fault *remove_stale(const struct store *s, int dir, const char *address, bool *removed)
{
	AUTO_LOCK lock = LOCK_INIT;

	TRY(store_net_lock(s, "lease", &lock));
	*removed = is_stale(s, dir, address);
	if (*removed && unlinkat(dir, address, 0) < 0 && errno != ENOENT)
		return fault_sys(F_SYS, "removing the lease of %s", address);
	return NULL;
}

/* ----------------------------------------------------------------------------------- claiming */

static char *text_of(uint32_t a)
{
	return xasprintf("%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

struct claim {
	const struct store *s;
	const struct lease_range *range;
	int dir;
	char *temp;	/* a complete lease, to be linked to the address */
	uint32_t first; /* where the search begins */
};

static struct fault *try_address(const struct claim *c, const char *address, bool *ours)
{
	*ours = !linkat(c->dir, c->temp, c->dir, address, 0);
	if (!*ours && errno != EEXIST)
		return fault_sys(F_SYS, "leasing %s", address);
	return NULL;
}

/* @again: also look whether those that are taken are stale, which costs more. */
static struct fault *search(const struct claim *c, bool again, char **address)
{
	for (uint32_t i = 0; i < c->range->size; i++) {
		uint32_t a = c->range->base + (c->first + i) % c->range->size;
		AUTO_FREE char *text = text_of(a);
		bool ours = false, removed = true;

		if (a == c->range->base || a == c->range->base + c->range->size - 1 ||
		    a == c->range->gateway)
			continue;
		TRY(cancel_check());
		if (again)
			TRY(remove_stale(c->s, c->dir, text, &removed));
		if (removed)
			TRY(try_address(c, text, &ours));
		if (ours) {
			*address = steal_ptr(&text);
			return NULL;
		}
	}
	return NULL;
}

static struct fault *write_lease(struct claim *c, const char *id, const char *name)
{
	struct lease lease = { .id = xstrdup(id), .name = xstrdup(name) };
	AUTO_BUF text = BUF_INIT;
	AUTO_FD fd = -1;
	struct fault *f;

	if (!process_identify(getpid(), &lease.by))
		lease.by = (struct process_id){ 0 };
	record_write(&lease_type, &lease, &text);
	record_release(&lease_type, &lease);
	TRY(file_temp(c->dir, "lease", 0600, &c->temp, &fd));
	f = file_write_all(fd, text.data, text.len, "a lease");
	if (f)
		unlinkat(c->dir, c->temp, 0);
	return f;
}

struct fault *lease_claim(const struct store *s, const struct lease_range *range, const char *id,
			  const char *name, char **address)
{
	struct claim c = { .s = s, .range = range, .dir = -1 };
	char head[8] = "";
	struct fault *f;

	*address = NULL;
	memcpy(head, id, sizeof(head) - 1);
	/* Begin at a place of its own: with many VMs the first ones are all taken. */
	c.first = (uint32_t)strtoul(head, NULL, 16) % range->size;
	TRY(open_leases(s, true, &c.dir));
	f = write_lease(&c, id, name);
	if (!f) {
		f = search(&c, false, address);
		if (!f && !*address)
			f = search(&c, true, address);
		unlinkat(c.dir, c.temp, 0);
	}
	free(c.temp);
	close(c.dir);
	if (!f && !*address)
		f = fault_hint(fault_new(F_NO_SPACE, "all %u addresses of the VMs' network are taken",
					 range->size - 3),
			       "Delete VMs that are not needed, or configure a larger [net] subnet.");
	return f;
}

/* ------------------------------------------------------------------------------------ the rest */

struct fault *lease_release(const struct store *s, const char *address, const char *id)
{
	struct lease lease = { 0 };
	AUTO_FAULT f = NULL;
	AUTO_FD dir = -1;
	bool ours;

	TRY(open_leases(s, false, &dir));
	if (dir < 0)
		return NULL;
	f = file_read_record(dir, address, &lease_type, address, &lease);
	ours = !f && !strcmp(lease.id, id);
	record_release(&lease_type, &lease);
	if (f && fault_kind(f) != F_NOT_FOUND && fault_kind(f) != F_CORRUPT)
		return steal_ptr(&f);
	if (ours && unlinkat(dir, address, 0) < 0 && errno != ENOENT)
		return fault_sys(F_SYS, "removing the lease of %s", address);
	return NULL;
}

struct fault *lease_find(const struct store *s, const char *id, char **address)
{
	struct strings names = { 0 };
	AUTO_FD dir = -1;

	*address = NULL;
	TRY(open_leases(s, false, &dir));
	if (dir < 0)
		return NULL;
	TRY(dir_names(dir, LEASES, &names));
	for (size_t i = 0; i < names.n && !*address; i++) {
		struct lease lease = { 0 };
		AUTO_FAULT f = file_read_record(dir, names.v[i], &lease_type, names.v[i], &lease);

		if (!f && !strcmp(lease.id, id))
			*address = xstrdup(names.v[i]);
		record_release(&lease_type, &lease);
	}
	strings_release(&names);
	return NULL;
}

/* ------------------------------------------------------------------------------------ for gc */

struct fault *lease_list(const struct store *s, struct records *out)
{
	struct strings names = { 0 };
	AUTO_FD dir = -1;

	*out = (struct records){ 0 };
	TRY(open_leases(s, false, &dir));
	if (dir < 0)
		return NULL;
	TRY(dir_names(dir, LEASES, &names));
	for (size_t i = 0; i < names.n; i++) {
		struct lease lease = { 0 };
		struct lease_seen *seen;
		AUTO_FAULT f = NULL;

		if (names.v[i][0] == '.')
			continue; /* a temporary file */
		f = file_read_record(dir, names.v[i], &lease_type, names.v[i], &lease);
		seen = records_add(out, sizeof(*seen));
		seen->address = xstrdup(names.v[i]);
		seen->id = steal_ptr(&lease.id);
		seen->name = steal_ptr(&lease.name);
		record_release(&lease_type, &lease);
	}
	strings_release(&names);
	return NULL;
}

void lease_list_release(struct records *leases)
{
	struct lease_seen *all = leases->v;

	for (size_t i = 0; i < leases->n; i++) {
		free(all[i].address);
		free(all[i].id);
		free(all[i].name);
	}
	free(all);
	*leases = (struct records){ 0 };
}

bool lease_is_stale(const struct store *s, const char *address)
{
	AUTO_FD dir = -1;
	AUTO_FAULT f = open_leases(s, false, &dir);

	return !f && dir >= 0 && is_stale(s, dir, address);
}

struct fault *lease_remove_stale(const struct store *s, const char *address, bool *removed)
{
	AUTO_FD dir = -1;

	*removed = false;
	TRY(open_leases(s, false, &dir));
	return dir < 0 ? NULL : remove_stale(s, dir, address, removed);
}
