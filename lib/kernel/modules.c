/* SPDX-License-Identifier: MIT */
#include "kernel/modules.h"

#include <string.h>

#include "base/file.h"
#include "kernel/deb.h"

#define INDEX_BYTES_MAX (64u << 20)
#define MODULES_MAX	100000
#define DEPTH_MAX	64

enum mark { MARK_NEW, MARK_VISITING, MARK_DONE };

struct module {
	char *name; /* owned */
	char *path; /* below the tree; borrowed from the text */
	char *needs; /* paths separated by blanks; borrowed from the text */
	enum mark mark;
};

struct module_index {
	struct buf dep, builtin; /* the files, cut into strings */
	struct module *modules;	 /* sorted by name */
	size_t n;
	struct strings builtins; /* names, sorted */
};

char *module_name(const char *path)
{
	const char *base = strrchr(path, '/');
	const char *dot;
	char *name;

	base = base ? base + 1 : path;
	dot = strstr(base, ".ko");
	name = dot ? xstrndup(base, (size_t)(dot - base)) : xstrdup(base);
	for (char *p = name; *p; p++)
		if (*p == '-')
			*p = '_';
	return name;
}

void module_index_free(struct module_index *index)
{
	if (!index)
		return;
	for (size_t i = 0; i < index->n; i++)
		free(index->modules[i].name);
	free(index->modules);
	strings_release(&index->builtins);
	buf_release(&index->dep);
	buf_release(&index->builtin);
	free(index);
}

static int compare_modules(const void *a, const void *b)
{
	return strcmp(((const struct module *)a)->name, ((const struct module *)b)->name);
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "path: needed needed" */
static struct fault *add_module(struct module_index *index, char *line, size_t *room)
{
	char *colon = strchr(line, ':');

	if (!colon)
		return fault_new(F_CORRUPT, "modules.dep has a line without a colon");
	*colon = '\0';
	if (!*line || !path_is_clean(line))
		return fault_new(F_CORRUPT, "modules.dep names a file outside its tree");
	if (index->n == MODULES_MAX)
		return fault_new(F_CORRUPT, "modules.dep names more than %d modules", MODULES_MAX);
	if (index->n == *room) {
		*room = *room ? *room * 2 : 1024;
		index->modules = xrealloc_array(index->modules, *room, sizeof(*index->modules));
	}
	index->modules[index->n++] = (struct module){ .name = module_name(line), .path = line,
						      .needs = colon + 1 };
	return NULL;
}

static struct fault *read_dep(struct module_index *index, int tree)
{
	char *rest, *line;
	size_t room = 0;

	TRY(file_read(tree, "modules.dep", INDEX_BYTES_MAX, &index->dep));
	if (memchr(index->dep.data, '\0', index->dep.len))
		return fault_new(F_CORRUPT, "modules.dep is not a text");
	rest = index->dep.data;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			TRY(add_module(index, line, &room));
	if (index->n)
		qsort(index->modules, index->n, sizeof(*index->modules), compare_modules);
	return NULL;
}

static struct fault *read_builtin(struct module_index *index, int tree)
{
	struct fault *f = file_read(tree, "modules.builtin", INDEX_BYTES_MAX, &index->builtin);
	char *rest, *line;
	size_t room = 0;

	if (f && fault_kind(f) == F_NOT_FOUND) {
		fault_free(f);
		return NULL;
	}
	TRY(f);
	rest = index->builtin.data;
	while ((line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		if (index->builtins.n == room) {
			room = room ? room * 2 : 1024;
			index->builtins.v = xrealloc_array(index->builtins.v, room, sizeof(char *));
		}
		index->builtins.v[index->builtins.n++] = module_name(line);
	}
	if (index->builtins.n)
		qsort(index->builtins.v, index->builtins.n, sizeof(char *), compare_strings);
	return NULL;
}

struct fault *module_index_read(int tree, struct module_index **out)
{
	AUTO_MODULE_INDEX index = xcalloc(1, sizeof(*index));

	buf_init(&index->dep);
	buf_init(&index->builtin);
	TRY(read_dep(index, tree));
	TRY(read_builtin(index, tree));
	*out = steal_ptr(&index);
	return NULL;
}

static struct module *find(const struct module_index *index, const char *name)
{
	AUTO_FREE char *plain = module_name(name);
	struct module key = { .name = plain };

	if (!index->n)
		return NULL;
	return bsearch(&key, index->modules, index->n, sizeof(key), compare_modules);
}

bool module_is_loadable(const struct module_index *index, const char *name)
{
	return find(index, name) != NULL;
}

bool module_is_builtin(const struct module_index *index, const char *name)
{
	AUTO_FREE char *plain = module_name(name);

	return index->builtins.n && bsearch(&plain, index->builtins.v, index->builtins.n,
					    sizeof(char *), compare_strings);
}

/* Needed ones first.  A ring, which depmod never writes, is cut. */
static struct fault *visit(struct module_index *index, struct module *m, int depth,
			   struct strings *paths)
{
	const char *needs = m->needs;

	if (m->mark != MARK_NEW)
		return NULL;
	if (depth > DEPTH_MAX)
		return fault_new(F_CORRUPT, "modules.dep has a chain of more than %d modules",
				 DEPTH_MAX);
	m->mark = MARK_VISITING;
	for (needs += strspn(needs, " "); *needs; needs += strspn(needs, " ")) {
		size_t len = strcspn(needs, " ");
		AUTO_FREE char *path = xstrndup(needs, len);
		struct module *needed = find(index, path);

		if (!needed)
			return fault_new(F_CORRUPT, "module '%s' needs '%s', which is not in the "
					 "module tree", m->path, path);
		TRY(visit(index, needed, depth + 1, paths));
		needs += len;
	}
	m->mark = MARK_DONE;
	strings_add(paths, m->path);
	return NULL;
}

struct fault *module_order(struct module_index *index, const char *const *wanted, size_t n,
			   struct strings *out)
{
	struct strings paths = { 0 };
	struct fault *f = NULL;

	for (size_t i = 0; i < index->n; i++)
		index->modules[i].mark = MARK_NEW;
	for (size_t i = 0; i < n && !f; i++) {
		struct module *m = find(index, wanted[i]);

		if (m)
			f = visit(index, m, 0, &paths);
	}
	if (f)
		strings_release(&paths);
	else
		*out = paths;
	return f;
}
