/* SPDX-License-Identifier: MIT */
/* dm_look.c - block devices as /sys tells of them: for observers, who open no device. */
#include <string.h>

#include "base/file.h"
#include "host/dm.h"
#include "host/loop.h"
#include "host/sysroot.h"

#define BLOCK	 "/sys/block"
#define LINE_MAX 4096

/* One line of /sys/block/<name>/<file>; owned; NULL = there is none. */
static char *line_of(const char *name, const char *file)
{
	AUTO_FREE char *path = xasprintf(BLOCK "/%s/%s", name, file);
	struct buf text = BUF_INIT;

	if (!sysroot_read(path, LINE_MAX, &text) || !text.len) {
		buf_release(&text);
		return NULL;
	}
	text.data[strcspn(text.data, "\n")] = '\0';
	return buf_steal(&text);
}

static void names_in(const char *path, struct strings *names)
{
	AUTO_FD dir = sysroot_open_dir(path);

	*names = (struct strings){ 0 };
	if (dir >= 0)
		fault_free(dir_names(dir, path, names));
}

static void names_below(const char *device, const char *kind, struct strings *names)
{
	AUTO_FREE char *path = xasprintf(BLOCK "/%s/%s", device, kind);

	names_in(path, names);
}

/* ------------------------------------------------------------------------------- device mapper */

/* A file of changes comes after the image that it is based on; both may be on loop devices. */
static char *backing_of(const char *device)
{
	struct strings below;
	char *last = NULL;

	names_below(device, "slaves", &below);
	for (size_t i = 0; i < below.n; i++) {
		char *file = line_of(below.v[i], "loop/backing_file");

		if (file && (!last || strstr(file, ".cow"))) {
			free(last);
			last = steal_ptr(&file);
		}
		free(file);
	}
	strings_release(&below);
	return last;
}

static void take_dm(const char *device, struct records *out)
{
	AUTO_FREE char *name = line_of(device, "dm/name");
	AUTO_FREE char *uuid = line_of(device, "dm/uuid");
	struct dm_seen *seen;

	if (!name || !uuid || strncmp(name, DM_PREFIX, strlen(DM_PREFIX)) != 0)
		return;
	seen = records_add(out, sizeof(*seen));
	seen->name = steal_ptr(&name);
	seen->uuid = steal_ptr(&uuid);
	seen->backing = backing_of(device);
}

/* "a" before "a-base", on which it stands. */
static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct dm_seen *)a)->name, ((const struct dm_seen *)b)->name);
}

struct fault *dm_look(struct records *out)
{
	struct strings devices;

	*out = (struct records){ 0 };
	names_in(BLOCK, &devices);
	for (size_t i = 0; i < devices.n; i++)
		if (!strncmp(devices.v[i], "dm-", 3))
			take_dm(devices.v[i], out);
	strings_release(&devices);
	if (out->n)
		qsort(out->v, out->n, sizeof(struct dm_seen), by_name);
	return NULL;
}

void dm_look_release(struct records *devices)
{
	struct dm_seen *all = devices->v;

	for (size_t i = 0; i < devices->n; i++) {
		free(all[i].name);
		free(all[i].uuid);
		free(all[i].backing);
	}
	free(all);
	*devices = (struct records){ 0 };
}

/* ---------------------------------------------------------------------------------------- loops */

#define DELETED " (deleted)"

static void take_loop(const char *device, const char *prefix, struct records *out)
{
	AUTO_FREE char *file = line_of(device, "loop/backing_file");
	AUTO_FREE char *automatic = file ? line_of(device, "loop/autoclear") : NULL;
	struct strings holders;
	struct loop_seen *seen;
	size_t len;

	if (!file || strncmp(file, prefix, strlen(prefix)) != 0)
		return;
	seen = records_add(out, sizeof(*seen));
	len = strlen(file);
	if (len > strlen(DELETED) && !strcmp(file + len - strlen(DELETED), DELETED)) {
		seen->deleted = true;
		file[len - strlen(DELETED)] = '\0';
	}
	names_below(device, "holders", &holders);
	seen->held = holders.n > 0;
	strings_release(&holders);
	seen->autoclear = automatic && !strcmp(automatic, "1");
	seen->name = xstrdup(device);
	seen->file = steal_ptr(&file);
}

struct fault *loop_look(const char *prefix, struct records *out)
{
	struct strings devices;

	*out = (struct records){ 0 };
	names_in(BLOCK, &devices);
	for (size_t i = 0; i < devices.n; i++)
		if (!strncmp(devices.v[i], "loop", 4))
			take_loop(devices.v[i], prefix, out);
	strings_release(&devices);
	return NULL;
}

void loop_look_release(struct records *loops)
{
	struct loop_seen *all = loops->v;

	for (size_t i = 0; i < loops->n; i++) {
		free(all[i].name);
		free(all[i].file);
	}
	free(all);
	*loops = (struct records){ 0 };
}
