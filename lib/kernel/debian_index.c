/* SPDX-License-Identifier: MIT */
/* debian_index.c - package indices (Packages) and what a metapackage stands for. */
#include <string.h>

#include "base/sha256.h"
#include "base/text.h"
#include "kernel/deb.h"
#include "kernel/debian.h"

#define LINE_BYTES_MAX (1u << 20)
#define PACKAGES_MAX   10000
#define HOPS_MAX       4
#define KERNEL_PREFIX  "linux-image-"
#define PACKAGE_BYTES_MAX (UINT64_C(1) << 30)

void debian_package_release(struct debian_package *p)
{
	free(p->name);
	free(p->version);
	free(p->depends);
	free(p->path);
	free(p->sha256);
	*p = (struct debian_package){ 0 };
}

void debian_index_release(struct debian_index *x)
{
	struct debian_package *all = x->packages.v;

	for (size_t i = 0; i < x->packages.n; i++)
		debian_package_release(&all[i]);
	free(all);
	debian_package_release(&x->current);
	buf_release(&x->line);
	x->packages = (struct records){ 0 };
}

static bool is_complete(const struct debian_package *p)
{
	return p->name && p->version && p->path && p->sha256 && p->bytes &&
	       sha256_is_hex(p->sha256) && path_is_clean(p->path);
}

/* An empty line ends a package. */
static struct fault *end_package(struct debian_index *x)
{
	if (!x->current.name)
		return NULL;
	if (!is_complete(&x->current))
		return fault_new(F_CORRUPT, "the package index has an entry without size, digest or "
				 "file name");
	if (x->packages.n == PACKAGES_MAX)
		return fault_new(F_CORRUPT, "the package index has more than %d kernels",
				 PACKAGES_MAX);
	*(struct debian_package *)records_add(&x->packages, sizeof(x->current)) = x->current;
	x->current = (struct debian_package){ 0 };
	return NULL;
}

/* The value when @line is field @key, else NULL. */
static const char *field(const char *line, const char *key)
{
	size_t len = strlen(key);

	if (strncmp(line, key, len) || line[len] != ':')
		return NULL;
	return line + len + 1 + strspn(line + len + 1, " \t");
}

static void set(char **slot, const char *value)
{
	free(*slot);
	*slot = xstrdup(value);
}

struct fault *debian_size(const char *text, uint64_t max, uint64_t *bytes)
{
	AUTO_FAULT f = text_parse_count(text, "a size", 1, max, bytes);

	return f ? fault_new(F_CORRUPT, "the archive names a size that cannot be") : NULL;
}

static struct fault *take_field(struct debian_package *p, const char *line)
{
	const char *value;

	if ((value = field(line, "Version")))
		set(&p->version, value);
	else if ((value = field(line, "Depends")))
		set(&p->depends, value);
	else if ((value = field(line, "Filename")))
		set(&p->path, value);
	else if ((value = field(line, "SHA256")))
		set(&p->sha256, value);
	else if ((value = field(line, "Size")))
		return debian_size(value, PACKAGE_BYTES_MAX, &p->bytes);
	return NULL;
}

/* "Package" is the first field of each entry; the fields of unwanted packages are passed over. */
static struct fault *take_line(struct debian_index *x, const char *line)
{
	const char *name = field(line, "Package");

	if (!*line)
		return end_package(x);
	if (name) {
		TRY(end_package(x));
		if (!strncmp(name, x->prefix, strlen(x->prefix)))
			x->current.name = xstrdup(name);
		return NULL;
	}
	return x->current.name ? take_field(&x->current, line) : NULL;
}

struct fault *debian_index_add(struct debian_index *x, const char *data, size_t len)
{
	while (len) {
		const char *newline = memchr(data, '\n', len);
		size_t part = newline ? (size_t)(newline - data) : len;

		if (part > LINE_BYTES_MAX - x->line.len)
			return fault_new(F_CORRUPT, "the package index has a line of more than %u "
					 "bytes", LINE_BYTES_MAX);
		buf_add(&x->line, data, part);
		if (newline) {
			TRY(take_line(x, x->line.data));
			buf_clear(&x->line);
			part++;
		}
		data += part;
		len -= part;
	}
	return NULL;
}

struct fault *debian_index_end(struct debian_index *x)
{
	TRY(take_line(x, x->line.data));
	return end_package(x);
}

/* ------------------------------------------------------------------------------- choosing */

/* The newest @name, or exactly @version when that is given. */
static const struct debian_package *find(const struct debian_index *x, const char *name,
					 const char *version)
{
	const struct debian_package *all = x->packages.v, *best = NULL;

	for (size_t i = 0; i < x->packages.n; i++) {
		if (strcmp(all[i].name, name) || (version && strcmp(all[i].version, version)))
			continue;
		if (!best || debian_version_compare(all[i].version, best->version) > 0)
			best = &all[i];
	}
	return best;
}

/*
 * The first kernel package in @depends ("linux-image-6.1.0-40-cloud-amd64 (= 6.1.1-1), kmod | x").
 * @version: NULL unless exactly one will do.  Both owned; NULL when there is none.
 */
static void kernel_dependency(const char *depends, char **name, char **version)
{
	*name = *version = NULL;
	for (const char *at = depends; at && *at; at += strcspn(at, ","), at += *at == ',') {
		size_t len;

		at += strspn(at, " ");
		if (strncmp(at, KERNEL_PREFIX, strlen(KERNEL_PREFIX)))
			continue;
		len = strcspn(at, " ,(|:");
		*name = xstrndup(at, len);
		at += len;
		at += strspn(at, " ");
		if (!strncmp(at, "(= ", 3))
			*version = xstrndup(at + 3, strcspn(at + 3, ")"));
		return;
	}
}

/* The kernel's signed packages are named after its release, which starts with a digit. */
static bool is_kernel(const struct debian_package *p)
{
	char c = p->name[strlen(KERNEL_PREFIX)];

	return c >= '0' && c <= '9';
}

static void copy(const struct debian_package *from, struct debian_package *to)
{
	*to = (struct debian_package){
		.name = xstrdup(from->name),
		.version = xstrdup(from->version),
		.depends = from->depends ? xstrdup(from->depends) : NULL,
		.path = xstrdup(from->path),
		.sha256 = xstrdup(from->sha256),
		.bytes = from->bytes,
	};
}

struct fault *debian_index_choose(const struct debian_index *x, const char *package,
				  struct debian_package *out)
{
	AUTO_FREE char *name = xstrdup(package), *version = NULL;

	for (int hops = 0; hops < HOPS_MAX; hops++) {
		const struct debian_package *p = find(x, name, version);

		if (!p)
			return fault_new(F_NOT_FOUND, "the archive has no package '%s'%s%s", name,
					 version ? " of version " : "", version ? version : "");
		if (is_kernel(p)) {
			copy(p, out);
			return NULL;
		}
		free(name);
		free(version);
		kernel_dependency(p->depends, &name, &version);
		if (!name)
			break;
	}
	return fault_new(F_NOT_FOUND, "package '%s' leads to no kernel", package);
}
