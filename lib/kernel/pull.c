/* SPDX-License-Identifier: MIT */
/* pull.c - kernels of the catalogue; see kernel.h. */
#include <string.h>

#include "host/machine.h"
#include "kernel/build.h"
#include "kernel/debian.h"
#include "kernel/kernel.h"
#include "kernel/mirror.h"
#include "store/catalog.h"
#include "store/name.h"

#define CACHE_SUB "downloads"

/* A kernel package and the archive that has it. */
struct offer {
	char *uri, *suite; /* owned */
	struct debian_release release;
	struct debian_package package;
};

static void offer_release(struct offer *o)
{
	free(o->uri);
	free(o->suite);
	debian_release_release(&o->release);
	debian_package_release(&o->package);
	*o = (struct offer){ 0 };
}

struct pull {
	const struct store *store;
	const char *name;
	bool replace;
	struct progress *progress;
	int cache; /* owned */
};

static struct debian_archive archive_of(const struct pull *p, const struct offer *o)
{
	return (struct debian_archive){ .uri = o->uri, .suite = o->suite,
					.keyrings = debian_keyrings, .cache = p->cache,
					.progress = p->progress };
}

/* Fill @o from archive @uri (stolen). */
static struct fault *ask(const struct pull *p, char *uri, const char *suite, const char *package,
			 struct offer *o)
{
	struct debian_archive a;

	*o = (struct offer){ .uri = uri, .suite = xstrdup(suite) };
	a = archive_of(p, o);
	TRY(debian_release_fetch(&a, machine_arch(), &o->release));
	return debian_kernel_find(&a, &o->release, package, &o->package);
}

/* Would asking another mirror make sense after @f? */
static bool is_mirror_fault(const struct fault *f)
{
	switch (fault_kind(f)) {
	case F_NETWORK:
	case F_NOT_FOUND:
	case F_DENIED:
	case F_CORRUPT:
		return true;
	default:
		return false;
	}
}

/* The mirror of this host; where it does not serve, the official one. */
static struct fault *ask_suite(const struct pull *p, const char *suite, const char *official,
			       const char *package, struct offer *o)
{
	char *uri = NULL;
	struct fault *f;

	TRY(mirror_find(suite, &uri));
	f = ask(p, uri, suite, package, o);
	if (!f || !is_mirror_fault(f) || !strcmp(o->uri, official))
		return f;
	progress_note(p->progress, "banger: %s; trying %s", fault_message(f), official);
	offer_release(o);
	return fault_attach(ask(p, xstrdup(official), suite, package, o), f);
}

/*
 * The suite as released and its security updates: the newer kernel wins.  A mirror without the
 * updates must not stand in the way.
 */
static struct fault *best_offer(const struct pull *p, const struct catalog_source *source,
				struct offer *best)
{
	AUTO_FREE char *suite = xasprintf("%s-security", source->suite);
	struct offer update = { 0 };
	AUTO_FAULT f = NULL;

	TRY(ask_suite(p, source->suite, MIRROR_OFFICIAL, source->package, best));
	f = ask_suite(p, suite, MIRROR_OFFICIAL_SECURITY, source->package, &update);
	if (f && fault_kind(f) == F_CANCELLED) {
		offer_release(&update);
		return steal_ptr(&f);
	}
	if (f)
		progress_note(p->progress, "banger: without security updates: %s",
			      fault_message(f));
	if (!f && debian_version_compare(update.package.version, best->package.version) > 0) {
		struct offer swap = *best;

		*best = update;
		update = swap;
	}
	offer_release(&update);
	return NULL;
}

static struct fault *gather_package(struct parts *parts, void *context)
{
	return gather_deb(parts, *(const int *)context);
}

static struct fault *build_offer(const struct pull *p, const struct offer *o)
{
	struct debian_archive a = archive_of(p, o);
	AUTO_FREE char *url = xasprintf("%s/%s", o->uri, o->package.path);
	AUTO_FREE char *what = xasprintf("package '%s'", o->package.name);
	AUTO_FD fd = -1;
	struct build b = { .store = p->store, .name = p->name, .source = url, .what = what,
			   .distro = o->release.distro, .replace = p->replace,
			   .progress = p->progress, .gather = gather_package, .context = &fd };

	TRY(debian_package_fetch(&a, &o->package, &fd));
	return kernel_build(&b);
}

static struct fault *pull_debian(const struct pull *p, const struct catalog_source *source)
{
	struct offer o = { 0 };
	struct fault *f;

	if (!source->suite || !source->package)
		return fault_new(F_CORRUPT, "the catalogue's kernel '%s' has no suite or no package",
				 p->name);
	f = best_offer(p, source, &o);
	if (!f)
		f = build_offer(p, &o);
	offer_release(&o);
	return f;
}

static struct fault *pull_source(const struct pull *p, const struct catalog_source *source)
{
	if (!strcmp(source->type, "debian-kernel"))
		return pull_debian(p, source);
	return fault_new(F_UNSUPPORTED, "the catalogue's kernel '%s' comes from a '%s', which this "
			 "banger does not know", p->name, source->type);
}

/* The first source that works. */
static struct fault *pull_entry(struct pull *p, const struct catalog_entry *entry)
{
	struct fault *all = NULL;

	TRY(store_cache_dir(p->store, CACHE_SUB, &p->cache));
	for (size_t i = 0; i < entry->sources.n; i++) {
		struct fault *f = pull_source(p, catalog_source_at(entry, i));

		if (!f) {
			fault_free(all);
			return NULL;
		}
		all = fault_attach(all, f);
		if (!is_mirror_fault(f) && fault_kind(f) != F_UNSUPPORTED)
			break;
	}
	return all;
}

static struct fault *find_entry(const struct catalog *catalog, const char *name,
				const struct catalog_entry **entry)
{
	*entry = catalog_find(&catalog->kernels, name);
	if (!*entry) {
		AUTO_FREE char *names = catalog_names(&catalog->kernels);

		return fault_hint(fault_new(F_NOT_FOUND, "the catalogue has no kernel '%s'", name),
				  "It has: %s.", names);
	}
	if (strcmp(machine_arch(), "amd64"))
		return fault_new(F_UNSUPPORTED, "the catalogue has no kernels for %s yet",
				 machine_arch());
	return NULL;
}

/* Caller holds the kernel's exclusive lock. */
static struct fault *pull_locked(const struct store *s, const struct catalog_entry *entry,
				 bool replace, struct progress *progress)
{
	struct pull p = { .store = s, .name = entry->name, .replace = replace,
			  .progress = progress, .cache = -1 };
	struct fault *f = pull_entry(&p, entry);

	fd_close(p.cache);
	return fault_wrap(f, "pulling kernel '%s'", entry->name);
}

struct fault *kernel_pull(const struct store *s, const char *name, bool replace,
			  struct progress *progress)
{
	const struct catalog_entry *entry;
	AUTO_CATALOG catalog = { 0 };
	AUTO_LOCK lock = LOCK_INIT;

	TRY(name_check_object("kernel", name));
	TRY(catalog_load(&catalog));
	TRY(find_entry(&catalog, name, &entry));
	TRY(store_object_lock(s, COLLECTION_KERNELS, name, LOCK_EXCLUSIVE, "pull", &lock));
	if (!replace)
		TRY(kernel_check_absent(s, name));
	return pull_locked(s, entry, replace, progress);
}

static bool is_there(const struct store *s, const char *name)
{
	AUTO_FD fd = -1;
	AUTO_FAULT f = store_object_open(s, COLLECTION_KERNELS, name, &fd);

	return !f;
}

struct fault *kernel_ensure(const struct store *s, const char *name, struct progress *progress)
{
	const struct catalog_entry *entry;
	AUTO_CATALOG catalog = { 0 };
	AUTO_LOCK lock = LOCK_INIT;
	struct store patient = *s;

	if (is_there(s, name))
		return NULL;
	TRY(name_check_object("kernel", name));
	TRY(catalog_load(&catalog));
	TRY(find_entry(&catalog, name, &entry));
	patient.wait_ms = -1;
	TRY(store_object_lock(&patient, COLLECTION_KERNELS, name, LOCK_EXCLUSIVE, "pull", &lock));
	if (is_there(s, name)) /* somebody made it while we waited */
		return NULL;
	return pull_locked(s, entry, false, progress);
}
