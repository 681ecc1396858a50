/* SPDX-License-Identifier: MIT */
#include "vm/system_install.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"

#define RECORD_MAX MIB
#define FILE_MAX   (64 * MIB)

static const struct field row_fields[] = {
	FIELD_REQ(struct install_row, path, FIELD_STRING),
	FIELD_REQ(struct install_row, state, FIELD_STRING),
};
const struct record_type install_row_type = {
	"installed file", sizeof(struct install_row), row_fields, ARRAY_LEN(row_fields), 0,
};

void install_release(struct install *in)
{
	struct install_file *files = in->files.v;

	for (size_t i = 0; i < in->files.n; i++) {
		free(files[i].path);
		buf_release(&files[i].content);
	}
	free(files);
	free(in->root);
	*in = (struct install){ 0 };
}

void install_add(struct install *in, const char *path, mode_t mode, struct buf *content)
{
	struct install_file *file = records_add(&in->files, sizeof(*file));

	*file = (struct install_file){ xstrdup(path), mode, *content };
	*content = BUF_INIT;
}

bool install_is_live(const struct install *in)
{
	return !*in->root;
}

/* ---------------------------------------------------------------------------------- record */

/* What is at @path below the root. */
static char *below(const struct install *in, const char *path)
{
	return xasprintf("%s%s", in->root, path);
}

/* Lines "<kind> <rest>"; none when there is no record. */
static struct fault *record_load(const struct install *in, struct strings *lines)
{
	AUTO_FREE char *path = below(in, INSTALL_RECORD);
	AUTO_BUF text = BUF_INIT;
	AUTO_FAULT f = file_read(AT_FDCWD, path, RECORD_MAX, &text);
	char *save = NULL;

	*lines = (struct strings){ 0 };
	if (f && fault_kind(f) == F_NOT_FOUND)
		return NULL;
	if (f)
		return steal_ptr(&f);
	for (char *line = strtok_r(text.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strlen(line) > 2 && line[1] == ' ' && !strstr(line, "/../"))
			strings_add(lines, line);
	return NULL;
}

static bool record_has(const struct strings *lines, char kind, const char *what)
{
	for (size_t i = 0; i < lines->n; i++)
		if (lines->v[i][0] == kind && !strcmp(lines->v[i] + 2, what))
			return true;
	return false;
}

static void record_add(struct strings *lines, char kind, const char *what)
{
	AUTO_FREE char *line = xasprintf("%c %s", kind, what);

	if (!record_has(lines, kind, what))
		strings_add(lines, line);
}

/* ------------------------------------------------------------------------------- one file */

/* Directory of @path below the root, made as needed; what was made goes into the record. */
static struct fault *open_parent(const struct install *in, const char *path, struct strings *record,
				 int *fd)
{
	AUTO_FREE char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	AUTO_FREE char *whole = below(in, *parent ? parent : "/");

	for (char *at = parent; at;) {
		AUTO_FREE char *one = NULL;

		at = strchr(at + 1, '/');
		if (at)
			*at = '\0';
		one = below(in, parent);
		if (!mkdir(one, 0755))
			record_add(record, 'd', parent);
		else if (errno != EEXIST)
			return fault_sys(F_SYS, "creating directory '%s'", one);
		if (at)
			*at = '/';
	}
	*fd = open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return fault_sys(F_SYS, "opening directory '%s'", whole);
	return NULL;
}

static const char *state_of(const struct install *in, const struct install_file *file)
{
	AUTO_FREE char *path = below(in, file->path);
	AUTO_BUF now = BUF_INIT;
	AUTO_FAULT f = file_read(AT_FDCWD, path, FILE_MAX, &now);
	struct stat st;

	if (f && fault_kind(f) == F_NOT_FOUND)
		return "missing";
	if (f || now.len != file->content.len || memcmp(now.data, file->content.data, now.len) != 0)
		return "differs";
	return !lstat(path, &st) && (st.st_mode & 07777) == file->mode ? "in place" : "differs";
}

static struct fault *write_file(const struct install *in, const struct install_file *file,
				struct strings *record)
{
	const char *name = strrchr(file->path, '/') + 1;
	AUTO_FREE char *temp = NULL;
	AUTO_FD dir = -1, fd = -1;
	struct fault *f;

	TRY(open_parent(in, file->path, record, &dir));
	TRY(fault_wrap(file_temp(dir, name, 0600, &temp, &fd), "'%s'", file->path));
	f = file_write_all(fd, file->content.data, file->content.len, file->path);
	if (!f && fchmod(fd, file->mode) < 0)
		f = fault_sys(F_SYS, "setting the mode of '%s'", file->path);
	if (!f)
		f = file_publish(dir, temp, name, fd);
	if (f)
		unlinkat(dir, temp, 0);
	return f;
}

static struct fault *write_record(const struct install *in, struct strings *record)
{
	struct install_file file = { xstrdup(INSTALL_RECORD), 0644, BUF_INIT };
	struct fault *f = NULL;

	/* Making its directory may add lines. */
	for (int round = 0; !f && round < 2; round++) {
		buf_clear(&file.content);
		for (size_t i = 0; i < record->n; i++)
			buf_addf(&file.content, "%s\n", record->v[i]);
		if (strcmp(state_of(in, &file), "in place") != 0)
			f = write_file(in, &file, record);
	}
	free(file.path);
	buf_release(&file.content);
	return f;
}

/* --------------------------------------------------------------------------------- all files */

static bool is_wanted(const struct install *in, const char *path)
{
	const struct install_file *files = in->files.v;

	for (size_t i = 0; i < in->files.n; i++)
		if (!strcmp(files[i].path, path))
			return true;
	return false;
}

static void add_row(const struct install *in, const char *path, const char *state,
		    struct records *rows)
{
	struct install_row *row = records_add(rows, sizeof(*row));

	*row = (struct install_row){ below(in, path), xstrdup(state) };
}

struct fault *install_compare(const struct install *in, struct records *rows)
{
	const struct install_file *files = in->files.v;
	struct strings record;

	*rows = (struct records){ 0 };
	TRY(record_load(in, &record));
	for (size_t i = 0; i < in->files.n; i++)
		add_row(in, files[i].path, state_of(in, &files[i]), rows);
	for (size_t i = 0; i < record.n; i++)
		if (record.v[i][0] == 'f' && !is_wanted(in, record.v[i] + 2))
			add_row(in, record.v[i] + 2, "obsolete", rows);
	strings_release(&record);
	return NULL;
}

void install_rows_release(struct records *rows)
{
	struct install_row *all = rows->v;

	for (size_t i = 0; i < rows->n; i++)
		record_release(&install_row_type, &all[i]);
	free(all);
	*rows = (struct records){ 0 };
}

static struct fault *remove_one(const struct install *in, const char *path, size_t *removed)
{
	AUTO_FREE char *whole = below(in, path);

	if (!unlink(whole))
		(*removed)++;
	else if (errno != ENOENT && errno != ENOTDIR)
		return fault_sys(F_SYS, "removing '%s'", whole);
	return NULL;
}

/* What an earlier release had and this one has not, files and lines. */
static struct fault *remove_obsolete(const struct install *in, struct strings *record, size_t *changed)
{
	struct strings kept = { 0 };
	struct fault *f = NULL;

	for (size_t i = 0; i < record->n; i++) {
		const char *line = record->v[i];

		if (line[0] == 'f' && !is_wanted(in, line + 2))
			f = fault_attach(f, remove_one(in, line + 2, changed));
		else
			strings_add(&kept, line);
	}
	strings_release(record);
	*record = kept;
	return f;
}

struct fault *install_apply(const struct install *in, size_t *changed)
{
	const struct install_file *files = in->files.v;
	struct strings record;
	struct fault *f;

	*changed = 0;
	TRY(record_load(in, &record));
	/* Written down before it is done: what a crash leaves can be taken away. */
	for (size_t i = 0; i < in->files.n; i++)
		record_add(&record, 'f', files[i].path);
	f = write_record(in, &record);
	for (size_t i = 0; !f && i < in->files.n; i++) {
		if (!strcmp(state_of(in, &files[i]), "in place"))
			continue;
		f = write_file(in, &files[i], &record);
		*changed += !f;
	}
	if (!f)
		f = remove_obsolete(in, &record, changed);
	f = fault_attach(f, write_record(in, &record));
	strings_release(&record);
	if (f && fault_kind(f) == F_DENIED)
		f = fault_hint(f, "Only root may install: sudo banger system install");
	return f;
}

/* Deepest first; one that holds other files stays. */
static void remove_directories(const struct install *in, const struct strings *record)
{
	for (size_t i = record->n; i-- > 0;) {
		AUTO_FREE char *whole = below(in, record->v[i] + 2);

		if (record->v[i][0] == 'd')
			rmdir(whole);
	}
}

struct fault *install_remove(const struct install *in, size_t *removed)
{
	const struct install_file *files = in->files.v;
	struct strings record;
	struct fault *f = NULL;
	size_t own = 0;

	*removed = 0;
	TRY(record_load(in, &record));
	for (size_t i = 0; i < record.n; i++)
		if (record.v[i][0] == 'f')
			f = fault_attach(f, remove_one(in, record.v[i] + 2, removed));
	for (size_t i = 0; i < in->files.n; i++)
		f = fault_attach(f, remove_one(in, files[i].path, removed));
	if (!f)
		f = remove_one(in, INSTALL_RECORD, &own);
	if (!f)
		remove_directories(in, &record);
	strings_release(&record);
	if (f && fault_kind(f) == F_DENIED)
		f = fault_hint(f, "Only root may uninstall: sudo banger system uninstall");
	return f;
}
