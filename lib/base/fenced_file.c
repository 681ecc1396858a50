/* SPDX-License-Identifier: MIT */
#include "base/fenced_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

/* ---------------------------------------------------------------------------------------- text */

/* Where the block is: its first byte and the first one after it; both 0 when there is none. */
struct place {
	size_t begin, end;
	bool found;
};

/* Is this line @marker?  Blanks after it, a carriage return among them, do not count. */
static bool is_marker(const char *line, size_t len, const char *marker)
{
	size_t wanted = strlen(marker);

	while (len && strchr(" \t\r\n", line[len - 1]))
		len--;
	return len == wanted && !memcmp(line, marker, len);
}

static struct fault *unpaired(const char *marker, unsigned int line)
{
	return fault_hint(fault_new(F_CORRUPT, "line %u, '%s', is not one of a pair", line, marker),
			  "Remove what is left of the block by hand, with both of its marker lines.");
}

static struct fault *find_block(const char *text, size_t len, const struct fence *fence,
				struct place *place)
{
	unsigned int line = 0, opened = 0;

	*place = (struct place){ 0 };
	for (size_t at = 0; at < len;) {
		const char *newline = memchr(text + at, '\n', len - at);
		size_t n = newline ? (size_t)(newline - text) + 1 - at : len - at;

		line++;
		if (is_marker(text + at, n, fence->begin)) {
			if (opened || place->found)
				return unpaired(fence->begin, line);
			opened = line;
			place->begin = at;
		} else if (is_marker(text + at, n, fence->end)) {
			if (!opened)
				return unpaired(fence->end, line);
			opened = 0;
			place->found = true;
			place->end = at + n;
		}
		at += n;
	}
	return opened ? unpaired(fence->begin, opened) : NULL;
}

static void add_lines(struct buf *out, const char *lines, const char *newline)
{
	while (*lines) {
		size_t len = strcspn(lines, "\n");

		buf_add(out, lines, len);
		buf_adds(out, newline);
		lines += len + (lines[len] == '\n');
	}
}

struct fault *fenced_text_put(const char *text, size_t len, const struct fence *fence,
			      const char *block, struct buf *out)
{
	const char *first = memchr(text, '\n', len);
	const char *newline = first && first > text && first[-1] == '\r' ? "\r\n" : "\n";
	struct place place;

	TRY(find_block(text, len, fence, &place));
	buf_add(out, text, place.begin);
	add_lines(out, fence->begin, newline);
	add_lines(out, block, newline);
	add_lines(out, fence->end, newline);
	buf_add(out, text + place.end, len - place.end);
	return NULL;
}

struct fault *fenced_text_take(const char *text, size_t len, const struct fence *fence,
			       struct buf *out)
{
	struct place place;

	TRY(find_block(text, len, fence, &place));
	buf_add(out, text, place.begin);
	buf_add(out, text + place.end, len - place.end);
	return NULL;
}

/* ---------------------------------------------------------------------------------------- file */

struct target {
	char *path;	/* no link any more; owned */
	const char *name; /* its last component */
	int dir;	/* owned */
	bool there;
	struct stat st;	 /* when it is there */
	struct buf text; /* empty when it is not */
};
#define AUTO_TARGET __attribute__((cleanup(target_release))) struct target

static void target_release(struct target *t)
{
	fd_close(t->dir);
	free(t->path);
	buf_release(&t->text);
}

/* The file behind the links; one that leads nowhere is not ours to fill. */
static struct fault *resolve(const char *path, struct target *t)
{
	AUTO_FREE char *parent = NULL;
	struct stat st;
	char *slash;

	t->path = realpath(path, NULL);
	if (!t->path && errno != ENOENT)
		return fault_sys(F_SYS, "opening '%s'", path);
	if (!t->path && !lstat(path, &st))
		return fault_new(F_INVALID, "'%s' is a link to a place that does not exist", path);
	if (!t->path)
		t->path = xstrdup(path);
	slash = strrchr(t->path, '/');
	t->name = slash + 1;
	parent = xstrndup(t->path, slash == t->path ? 1 : (size_t)(slash - t->path));
	t->dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->dir < 0)
		return fault_sys(F_SYS, "opening directory '%s'", parent);
	return NULL;
}

static struct fault *load(const char *path, struct target *t)
{
	AUTO_FD fd = -1;

	*t = (struct target){ .dir = -1, .text = BUF_INIT };
	TRY(resolve(path, t));
	fd = openat(t->dir, t->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 || fstat(fd, &t->st) < 0)
		return fault_sys(F_SYS, "opening '%s'", t->path);
	if (!S_ISREG(t->st.st_mode))
		return fault_new(F_CORRUPT, "'%s' is not a regular file", t->path);
	t->there = true;
	return file_read_fd(fd, FENCED_FILE_MAX, t->path, &t->text);
}

/* A file of somebody else stays theirs, or is not replaced at all. */
static struct fault *keep_owner(int fd, const struct target *t)
{
	struct stat ours;

	if (!t->there)
		return NULL;
	if (fstat(fd, &ours) < 0)
		return fault_sys(F_SYS, "replacing '%s'", t->path);
	if (ours.st_uid != t->st.st_uid && fchown(fd, t->st.st_uid, t->st.st_gid) < 0)
		return fault_sys(F_SYS, "keeping the owner of '%s'", t->path);
	/* A group that they are no longer in cannot be given; it is theirs all the same. */
	if (ours.st_gid != t->st.st_gid && fchown(fd, (uid_t)-1, t->st.st_gid) < 0 && errno != EPERM)
		return fault_sys(F_SYS, "keeping the group of '%s'", t->path);
	if (fchmod(fd, t->st.st_mode & 07777) < 0)
		return fault_sys(F_SYS, "keeping the mode of '%s'", t->path);
	return NULL;
}

static struct fault *store(const struct target *t, const struct buf *text, mode_t mode)
{
	AUTO_FREE char *temp = NULL;
	AUTO_FD fd = -1;
	struct fault *f;

	TRY(fault_wrap(file_temp(t->dir, t->name, mode, &temp, &fd), "'%s'", t->path));
	f = keep_owner(fd, t);
	if (!f)
		f = file_write_all(fd, text->data, text->len, t->path);
	if (!f)
		f = file_publish(t->dir, temp, t->name, fd);
	if (f)
		unlinkat(t->dir, temp, 0);
	return f;
}

static struct fault *update(const char *path, const struct fence *fence, const char *block,
			    mode_t mode, bool *changed)
{
	AUTO_BUF text = BUF_INIT;
	AUTO_TARGET t;

	*changed = false;
	TRY(load(path, &t));
	if (block)
		TRY(fault_wrap(fenced_text_put(t.text.data, t.text.len, fence, block, &text), "'%s'",
			       t.path));
	else
		TRY(fault_wrap(fenced_text_take(t.text.data, t.text.len, fence, &text), "'%s'",
			       t.path));
	if (text.len == t.text.len && !memcmp(text.data, t.text.data, text.len))
		return NULL;
	TRY(store(&t, &text, mode));
	*changed = true;
	return NULL;
}

/* A path whose directory is not there has no file either. */
static bool has_directory(const char *path)
{
	AUTO_FREE char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path) + 1);

	return !access(parent, F_OK) || errno != ENOENT;
}

struct fault *fenced_file_put(const char *path, const struct fence *fence, const char *block,
			      mode_t mode, bool *changed)
{
	return update(path, fence, block, mode, changed);
}

struct fault *fenced_file_take(const char *path, const struct fence *fence, bool *changed)
{
	*changed = false;
	return has_directory(path) ? update(path, fence, NULL, 0, changed) : NULL;
}

struct fault *fenced_file_edit(const char *path,
			       struct fault *(*edit)(const char *text, size_t len, struct buf *out),
			       bool *changed)
{
	AUTO_BUF text = BUF_INIT;
	AUTO_TARGET t = { .dir = -1, .text = BUF_INIT };

	*changed = false;
	if (!has_directory(path))
		return fault_new(F_NOT_FOUND, "there is no '%s'", path);
	TRY(load(path, &t));
	if (!t.there)
		return fault_new(F_NOT_FOUND, "there is no '%s'", path);
	TRY(fault_wrap(edit(t.text.data, t.text.len, &text), "'%s'", t.path));
	if (text.len == t.text.len && !memcmp(text.data, t.text.data, text.len))
		return NULL;
	TRY(store(&t, &text, 0644));
	*changed = true;
	return NULL;
}

struct fault *fenced_file_has(const char *path, const struct fence *fence, bool *has)
{
	struct place place;
	AUTO_TARGET t = { .dir = -1, .text = BUF_INIT };

	*has = false;
	if (!has_directory(path))
		return NULL;
	TRY(load(path, &t));
	TRY(fault_wrap(find_block(t.text.data, t.text.len, fence, &place), "'%s'", t.path));
	*has = place.found;
	return NULL;
}
