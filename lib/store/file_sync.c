/* SPDX-License-Identifier: MIT */
#include "store/file_sync.h"

#include <string.h>

#define GUEST_HOME "/root/"

bool file_sync_is_section(const char *section)
{
	size_t len = strlen(FILE_SYNC_SECTION);

	return !strncmp(section, FILE_SYNC_SECTION, len) && (!section[len] || section[len] == ' ');
}

/* The name in "file_sync NAME". */
static const char *name_in(const char *section)
{
	section += strlen(FILE_SYNC_SECTION);
	return section + strspn(section, " ");
}

static struct fault *check_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				      "_.-";

	if (!*name)
		return fault_new(F_INVALID, "a section [" FILE_SYNC_SECTION "] needs a name: "
				 "[" FILE_SYNC_SECTION " NAME]");
	if (strlen(name) > FILE_SYNC_NAME_MAX || name[strspn(name, allowed)] || *name == '.')
		return fault_new(F_INVALID, "[" FILE_SYNC_SECTION " %.64s]: the name may have %d "
				 "letters, digits, '_', '.' and '-'", name, FILE_SYNC_NAME_MAX);
	return NULL;
}

static struct file_sync *find(const struct records *all, const char *name)
{
	struct file_sync *list = all->v;

	for (size_t i = 0; i < all->n; i++)
		if (!strcmp(list[i].name, name))
			return &list[i];
	return NULL;
}

static void clear(struct file_sync *f)
{
	free(f->name);
	free(f->host);
	free(f->guest);
	free(f->origin);
	*f = (struct file_sync){ 0 };
}

struct fault *file_sync_begin(struct records *all, const char *section, const char *file,
			      unsigned int line)
{
	const char *name = name_in(section);
	struct file_sync *f;
	size_t len = strlen(file);

	TRY(check_name(name));
	f = find(all, name);
	if (f && !strncmp(f->origin, file, len) && f->origin[len] == ':')
		return fault_new(F_INVALID, "[" FILE_SYNC_SECTION " %s] is there twice", name);
	if (!f && all->n == FILE_SYNCS_MAX)
		return fault_new(F_INVALID, "there are more than %d sections [" FILE_SYNC_SECTION "]",
				 FILE_SYNCS_MAX);
	if (f)
		clear(f);
	else
		f = records_add(all, sizeof(*f));
	*f = (struct file_sync){ .name = xstrdup(name), .mode = FILE_SYNC_MODE,
				 .origin = xasprintf("%s:%u", file, line) };
	return NULL;
}

/* ---------------------------------------------------------------------------------------- values */

/* Has one of the components of @path no name of its own?  "a//b" and a slash at the end are fine. */
static bool has_dots(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if ((len == 1 && path[0] == '.') || (len == 2 && !strncmp(path, "..", 2)))
			return true;
		path += len + (path[len] == '/');
	}
	return false;
}

/* What both paths have to be. */
static struct fault *check_path(const char *key, const char *value)
{
	if (!*value)
		return fault_new(F_INVALID, "'%s' is empty", key);
	if (value[0] == '~' && value[1] != '/')
		return fault_new(F_INVALID, "%s '%s': only your own home can be meant, as ~/", key,
				 value);
	if (value[0] != '/' && value[0] != '~')
		return fault_new(F_INVALID, "%s '%s' is neither an absolute path nor one that starts "
				 "with ~/", key, value);
	for (const char *c = value; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return fault_new(F_INVALID, "'%s' has a control character", key);
	if (has_dots(value))
		return fault_new(F_INVALID, "%s '%s' has '.' or '..' in it", key, value);
	return NULL;
}

/* What comes after @prefix and more slashes; NULL when @path is not below it, "" when it is it. */
static const char *below(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	while (len > 1 && prefix[len - 1] == '/')
		len--;
	if (strncmp(path, prefix, len) != 0 || (path[len] && path[len] != '/'))
		return NULL;
	return path + len + strspn(path + len, "/");
}

static struct fault *take_host(struct file_sync *f, const char *value, const char *home)
{
	const char *inside;

	TRY(check_path("host", value));
	inside = value[0] == '~' ? below(value, "~") : home ? below(value, home) : NULL;
	if (!inside)
		return fault_new(F_INVALID, "host '%s' is not in your home '%s'", value,
				 home ? home : "");
	if (!*inside)
		return fault_new(F_INVALID, "host '%s' is your whole home", value);
	free(f->host);
	f->host = xstrdup(value);
	return NULL;
}

static struct fault *take_guest(struct file_sync *f, const char *value)
{
	const char *inside;
	size_t len;

	TRY(check_path("guest", value));
	inside = value[0] == '~' ? below(value, "~") : below(value, GUEST_HOME);
	if (!inside || !*inside)
		return fault_new(F_INVALID, "guest '%s' is not below ~/ or " GUEST_HOME, value);
	len = strlen(inside);
	while (len && inside[len - 1] == '/')
		len--;
	free(f->guest);
	f->guest = xstrndup(inside, len);
	return NULL;
}

static struct fault *take_mode(struct file_sync *f, const char *value)
{
	size_t len = strlen(value);

	if (len < 3 || len > 4 || value[strspn(value, "01234567")] ||
	    (len == 4 && value[0] != '0'))
		return fault_new(F_INVALID, "mode '%s' is not three octal digits, such as 0600", value);
	f->mode = (mode_t)strtoul(value, NULL, 8);
	return NULL;
}

struct fault *file_sync_take(struct records *all, const char *section, const char *key,
			     const char *value, const char *home)
{
	struct file_sync *f = find(all, name_in(section));
	struct fault *fault;

	if (!f)
		return fault_new(F_INVALID, "[%s] is not a section of this file", section);
	if (!strcmp(key, "host"))
		fault = take_host(f, value, home);
	else if (!strcmp(key, "guest"))
		fault = take_guest(f, value);
	else if (!strcmp(key, "mode"))
		fault = take_mode(f, value);
	else
		fault = fault_new(F_INVALID, "there is no setting '%s'; use host, guest and mode", key);
	return fault_wrap(fault, "[%s]", section);
}

struct fault *file_sync_check(const struct records *all)
{
	const struct file_sync *list = all->v;

	for (size_t i = 0; i < all->n; i++)
		if (!list[i].host || !list[i].guest)
			return fault_new(F_INVALID, "%s: [" FILE_SYNC_SECTION " %s] has no '%s'",
					 list[i].origin, list[i].name,
					 list[i].host ? "guest" : "host");
	return NULL;
}

void file_sync_release(struct records *all)
{
	struct file_sync *list = all->v;

	for (size_t i = 0; i < all->n; i++)
		clear(&list[i]);
	free(all->v);
	*all = (struct records){ 0 };
}
